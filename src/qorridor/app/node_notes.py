"""What a node has to say although its disk may be full: events wait in memory, alarms are shown at once.

A disk that cannot be written ends nothing: what needs no write goes on, and the journal hears of it as
soon as it can (contract of roll-over, section 5, row 13).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass

from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.base.canonical import Json
from qorridor.base.errors import OutsideError, QorridorError
from qorridor.ports.world import Clock
from qorridor.records.events import Event, Severity

_LOG = logging.getLogger(__name__)
MOST_KEPT = 1024
"""A flood of events is told by its first thousand; how many were lost is told too."""
BATCH = 64
RETRY_SECONDS = 1.0
QUIET_SECONDS = 60.0
"""An alarm that comes and goes is journalled once in this span."""
REFUSAL_SECONDS = 10.0
STORE = "store"


@dataclass(slots=True)
class Alarm:
    """Something that a person must mend; times in seconds since the epoch."""

    code: str
    cause: str
    remedy: str
    since: float
    began: float
    """On the clock that nobody sets."""

    def as_json(self, name: str) -> dict[str, Json]:
        """For the node's status."""
        return {"alarm": name, "code": self.code, "cause": self.cause, "remedy": self.remedy,
                "since": int(self.since)}  # fmt: skip


class Notes:
    """Writes a node's events, now or later, and holds its alarms."""

    def __init__(self, store: SqliteStore, site: str, clock: Clock) -> None:
        self._store = store
        self._site = site
        self._clock = clock
        self._kept: deque[Event] = deque()
        self._lost = 0
        self._wake = asyncio.Event()
        self._told: dict[str, float] = {}
        self.alarms: dict[str, Alarm] = {}

    def status(self) -> list[Json]:
        """The alarms that stand, for people."""
        return [alarm.as_json(name) for name, alarm in sorted(self.alarms.items())]

    async def record(self, event: Event) -> None:
        """Write an event durably; one that cannot be written now is written later."""
        try:
            await self._store.write([event])
        except OutsideError as error:
            self.put(event)
            self.alarm(STORE, error)

    def put(self, event: Event) -> None:
        """Have an event written soon, without waiting for it."""
        if len(self._kept) < MOST_KEPT:
            self._kept.append(event)
        else:
            self._lost += 1
        self._wake.set()

    def alarm(self, name: str, error: QorridorError, severity: Severity = "P2") -> None:
        """Raise an alarm; the same one again only goes on."""
        if name in self.alarms:
            return
        now, began = self._clock.now(), self._clock.monotonic()
        self.alarms[name] = Alarm(error.code, error.cause, error.remedy, now, began)
        if began - self._told.get(name, -math.inf) < QUIET_SECONDS:
            return
        self._told[name] = began
        _LOG.warning("alarm %s: %s", name, error)
        body: dict[str, Json] = {
            "alarm": name,
            "code": error.code,
            "cause": error.cause[:300],
            "since": int(now),
        }
        self.put(Event("self.alarm", self._site, body, severity=severity))

    def over(self, name: str) -> None:
        """Take an alarm back once its cause is gone."""
        alarm = self.alarms.pop(name, None)
        if alarm is None:
            return
        seconds = int(self._clock.monotonic() - alarm.began)
        _LOG.warning("alarm %s is over after %d s", name, seconds)
        body: dict[str, Json] = {"alarm": name, "code": alarm.code, "seconds": seconds}
        self.put(Event("self.alarm-over", self._site, body, severity="P4"))

    async def run(self) -> None:
        """Write what waits until cancelled; a store that failed is tried once a second."""
        while True:
            self._look()
            await self.drain()
            self._wake.clear()
            if self._kept or STORE in self.alarms:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue  # nobody said anything: look at the store again

    def _look(self) -> None:
        """Errors of the store show here, whoever met them."""
        trouble = self._store.trouble
        if trouble is not None:
            self.alarm(STORE, trouble)
        elif STORE in self.alarms and not self._kept:
            self.over(STORE)

    async def drain(self) -> None:
        """Write what waits, as far as the store takes it."""
        try:
            while self._kept or self._store.trouble is not None:
                batch = [self._kept[index] for index in range(min(BATCH, len(self._kept)))]
                await self._store.write(batch or [Event("self.store-works", self._site)])
                for _ in batch:
                    self._kept.popleft()
        except OutsideError as error:
            self.alarm(STORE, error)
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self.put(Event("self.events-lost", self._site, {"count": lost}, severity="P3"))


class Refusals:
    """Connections that listeners refuse, journalled once in a while for each address and cause: a flood
    of them fills no disk."""

    def __init__(self, notes: Notes, clock: Clock) -> None:
        self._notes = notes
        self._clock = clock
        self._told: dict[tuple[str, str, str], tuple[float, int]] = {}

    def refused(self, listener: str, address: str, cause: str) -> None:
        """Note one; those that followed within `REFUSAL_SECONDS` are counted and told with the next."""
        key, now = (listener, address.rpartition(":")[0], cause), self._clock.monotonic()
        told, more = self._told.get(key, (-REFUSAL_SECONDS, 0))
        if now - told < REFUSAL_SECONDS:
            self._told[key] = (told, more + 1)
            return
        if len(self._told) >= MOST_KEPT:  # many addresses: the oldest are forgotten first
            self._told.pop(next(iter(self._told)))
        self._told.pop(key, None)
        self._told[key] = (now, 0)
        body: dict[str, Json] = {"listener": listener, "cause": cause[:200], "more": more}
        self._notes.put(Event("auth.refused", address, body, severity="P3"))
