"""What a node does by the clock: burn what is over, tell peers, check its balance, forget, change its epoch's key."""

from __future__ import annotations

import asyncio
import contextlib

from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.app.node_journal import NodeJournal
from qorridor.app.node_notes import Notes
from qorridor.base.errors import OutsideError
from qorridor.records.events import Event
from qorridor.run.key_manager import KeyManager

ROUND_SECONDS = 1.0
TELL_SECONDS = 5.0
CHECKPOINT_ROUNDS = 10
PRUNE_ROUNDS = 3600
CLOCK = "clock"


class Upkeep:
    """The rounds of the node at `site`."""

    def __init__(
        self, site: str, manager: KeyManager, store: SqliteStore, notes: Notes, journal: NodeJournal
    ) -> None:
        self._site, self._manager, self._store = site, manager, store
        self._notes, self._journal = notes, journal
        self._missing = 0

    async def run(self) -> None:
        """A round each second until cancelled; a full disk ends none (the notes raise the store's alarm)."""
        number = 0
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            number += 1
            with contextlib.suppress(OutsideError):
                await self._round(number)

    async def _round(self, number: int) -> None:
        self._look_at_the_clock()
        await self._manager.expire()
        if number % CHECKPOINT_ROUNDS == 0:
            await self._store.checkpoint()
            await self._check_balance()
        if number % PRUNE_ROUNDS == 0:
            await self._store.prune(self._journal.size)
            if await self._store.renew_epoch():
                await self._notes.record(Event("key.epoch-renewed", self._site))

    def _look_at_the_clock(self) -> None:
        """A wall clock that was set is an alarm, no reason to end a key early or late."""
        seconds = self._store.clock_jump()
        if not seconds:
            self._notes.over(CLOCK)
            return
        told = OutsideError(
            "Q-KME-072", f"the clock of {self._site} was set by {seconds:+.0f} s while the node ran",
            "set it by NTP, then restart the node; until then keys live by the clock as it was", self._site,
        )  # fmt: skip
        self._notes.alarm(CLOCK, told, "P3")

    async def tell(self) -> None:
        """Tell peers what they have not heard, in rounds of their own: one that does not answer takes its time."""
        while True:
            with contextlib.suppress(OutsideError):
                await self._manager.tell_peers()
            await asyncio.sleep(TELL_SECONDS)

    async def _check_balance(self) -> None:
        """Every ingested bit is somewhere (contract of key agreement, section 2); told once per figure."""
        missing = (await self._store.count()).missing
        if missing == self._missing:
            return
        self._missing = missing
        links = self._manager.topology.links_of(self._site)
        event = Event(
            "key.balance", self._site, {"missing_bits": missing}, severity="P2" if missing else "P4",
            simulated=any([(await self._store.stock(link)).simulated for link in links]),
        )  # fmt: skip
        await self._notes.record(event)
