r"""The mode of a corridor as a state machine: events in, at most one proposal out, no clock of its own.

    FAIL_CLOSED --enough key--> HYBRID --no fresh key--> CACHED --left <= floor--> PQC_ONLY | FAIL_CLOSED
         ^                        ^----- fresh key again -----\------------------------/
         \-- from every state: key age cap, time box, alarm

Source: contract of roll-over, section 6. The same observations give the same proposals.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from qorridor.combine.context import Mode
from qorridor.estate.model import Estate


class State(StrEnum):
    """Modes of a corridor; `FAIL_CLOSED` carries no traffic."""

    HYBRID = "HYBRID"
    CACHED = "CACHED"
    PQC_ONLY = "PQC_ONLY"
    FAIL_CLOSED = "FAIL_CLOSED"

    @property
    def strictness(self) -> int:
        """Higher is stricter: FAIL_CLOSED > HYBRID > CACHED > PQC_ONLY."""
        return (State.PQC_ONLY, State.CACHED, State.HYBRID, State.FAIL_CLOSED).index(self)

    @property
    def mode(self) -> Mode | None:
        """The mode that the next epoch must have; None when none may come."""
        return {
            State.HYBRID: Mode.HYBRID, State.CACHED: Mode.CACHED, State.PQC_ONLY: Mode.PQC_ONLY,
        }.get(self)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds of one corridor; keys count whole keys of 256 bits, spans are seconds."""

    interval: float
    floor: int
    reserve: int
    fallback: Literal["pqc", "stop"]
    fallback_limit: float
    no_fresh_key: float
    window: float
    down_factor: float
    up_factor: float
    return_after: float
    dwell: float
    max_transitions_per_hour: int
    keys_per_roll: int = 1

    @property
    def demand(self) -> float:
        """Keys per second."""
        return self.keys_per_roll / self.interval

    @property
    def key_age_cap(self) -> float:
        """Age at which an epoch's key may not be used any more: three intervals, but never so short
        that the restart of a node (some seconds) closes its corridors."""
        return max(3 * self.interval, 30.0)

    @property
    def fallback_total(self) -> float:
        """Longest time in PQC_ONLY within any thirty days: three episodes."""
        return 3 * self.fallback_limit

    @property
    def target(self) -> int:
        """Keys that a link keeps in stock for this corridor: floor and reserve, at least what the guard
        of a return asks for, and two rolls while the next block is made."""
        return self.floor + max(self.reserve, 8 * self.keys_per_roll) + 2 * self.keys_per_roll


THIRTY_DAYS = 30 * 86400.0
_OPENS_BY_ITSELF = frozenset({"restart", "exhausted", "fallback-limit", "key-age"})
"""Causes after which no person has to release a closed corridor."""
_REFUSALS = 3
FLOOR_ROLLS = 4
"""An orderly exit and one restart."""


def limits_of(estate: Estate, corridor: str) -> Limits:
    """The thresholds that an estate gives one of its corridors."""
    entry = estate.corridor(corridor)
    flow, timing = estate.flows[entry.flow], estate.policy.timing
    interval = float(flow.rekey)
    return Limits(
        interval=interval,
        floor=FLOOR_ROLLS,
        reserve=math.ceil(entry.reserve / interval),
        fallback=estate.fallback_of(entry.flow),
        fallback_limit=float(estate.fallback_limit_of(entry.flow)),
        no_fresh_key=float(timing.no_fresh_key_for(flow.rekey)),
        window=float(timing.window_for(flow.rekey)),
        down_factor=timing.down_factor, up_factor=timing.up_factor,
        return_after=float(timing.return_after), dwell=float(timing.dwell),
        max_transitions_per_hour=timing.max_transitions_per_hour,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Observation:
    """What one end sees at `now` (seconds, monotonic): key supply of the path, age of the epoch in use
    (infinite before the first), an alarm that closes the corridor at once, and how many supplies in a row
    were refused for want of key."""

    now: float
    left: int
    fresh: float
    silence: float
    epoch_age: float
    alarm: str = ""
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A transition that the guards allow, and why."""

    to: State
    cause: str


@dataclass(slots=True)
class CorridorState:
    """The machine of one corridor at one end."""

    limits: Limits
    state: State = State.FAIL_CLOSED
    since: float = -math.inf
    closed_by: str = "restart"
    episode_deadline: float = math.inf
    episodes: list[tuple[float, float]] = field(default_factory=list)
    """Begin and end of each time in PQC_ONLY that is over."""
    _fresh_since: float | None = None
    _changes: deque[float] = field(default_factory=deque)

    def observe(self, seen: Observation) -> Proposal | None:
        """The transition to propose now, if any."""
        self._note_supply(seen)
        if (closing := self.must_close(seen)) is not None:
            return closing
        if seen.alarm or seen.now - self.since < self.limits.dwell:
            return None
        proposal = self._moving(seen)
        if (
            proposal is not None
            and self._is_flapping(seen.now)
            and proposal.to.strictness < self.state.strictness
        ):
            return None
        return proposal

    def enter(self, state: State, now: float, cause: str) -> None:
        """A complete transition record says so."""
        if self.state is State.PQC_ONLY:
            self.episodes = [*self._recent(now), (self.since, now)]
        if state is State.PQC_ONLY:
            self.episode_deadline = now + min(self.limits.fallback_limit, self.fallback_left(now))
        elif state is not State.FAIL_CLOSED:
            self.episode_deadline = math.inf
        self.state, self.since, self.closed_by = state, now, cause
        self._changes.append(now)

    @property
    def opens_by_itself(self) -> bool:
        """False after a closing that people must release."""
        return self.state is not State.FAIL_CLOSED or self.closed_by in _OPENS_BY_ITSELF

    def must_close(self, seen: Observation) -> Proposal | None:
        """FAIL_CLOSED, for what needs no look at the supply: an alarm, an old key, the end of the time box."""
        closing = None if self.state is State.FAIL_CLOSED else self._closing(seen)
        return None if closing is None else Proposal(State.FAIL_CLOSED, closing)

    def allows(self, to: State, now: float) -> bool:
        """Whether this end's own policy lets the corridor go there now."""
        if self.state is State.FAIL_CLOSED and to is not State.FAIL_CLOSED:
            return self.opens_by_itself
        return to is not State.PQC_ONLY or (self.limits.fallback == "pqc" and self.fallback_left(now) > 0)

    def is_early(self, now: float) -> bool:
        """Whether the other end's proposal comes long before the dwell is over; both entered at about one time."""
        return self.state is not State.FAIL_CLOSED and now - self.since < 0.5 * self.limits.dwell

    def is_supplied(self, fresh: float, silence: float) -> bool:
        """Whether fresh keys arrive as a return to HYBRID asks for it."""
        flowing = self.limits.up_factor * self.limits.demand
        return fresh >= flowing and silence <= 0.5 * self.limits.no_fresh_key

    def fallback_left(self, now: float) -> float:
        """Seconds that PQC_ONLY may still take of the thirty days that end at `now`."""
        spent = sum(end - max(begin, now - THIRTY_DAYS) for begin, end in self._recent(now))
        return max(0.0, self.limits.fallback_total - spent)

    def _recent(self, now: float) -> list[tuple[float, float]]:
        return [(begin, end) for begin, end in self.episodes if end > now - THIRTY_DAYS]

    def _note_supply(self, seen: Observation) -> None:
        flowing = (
            seen.fresh >= self.limits.up_factor * self.limits.demand
            and seen.silence <= max(self.limits.no_fresh_key, 1.0)
            and seen.refusals < _REFUSALS
        )
        if not flowing:
            self._fresh_since = None
        elif self._fresh_since is None:
            self._fresh_since = seen.now

    def _is_dry(self, seen: Observation) -> bool:
        return (
            seen.silence > self.limits.no_fresh_key
            or seen.refusals >= _REFUSALS
            or seen.fresh < self.limits.down_factor * self.limits.demand
        )

    def _has_returned(self, seen: Observation) -> bool:
        return self._fresh_since is not None and seen.now - self._fresh_since >= self.limits.return_after

    def _is_flapping(self, now: float) -> bool:
        while self._changes and self._changes[0] < now - 3600:
            self._changes.popleft()
        return len(self._changes) > self.limits.max_transitions_per_hour

    def _closing(self, seen: Observation) -> str | None:
        if seen.alarm:
            return seen.alarm
        if self.state is State.PQC_ONLY and seen.now >= self.episode_deadline:
            return "fallback-limit"
        if self.state is not State.FAIL_CLOSED and seen.epoch_age > self.limits.key_age_cap:
            return "key-age"
        return None

    def _moving(self, seen: Observation) -> Proposal | None:
        limits = self.limits
        match self.state:
            case State.FAIL_CLOSED if self._may_open(seen):
                return Proposal(State.HYBRID, "supply-restored")
            case State.HYBRID if self._is_dry(seen):
                return Proposal(State.CACHED, "no-fresh-key")
            case State.CACHED if self._has_returned(seen):
                return Proposal(State.HYBRID, "supply-restored")
            case State.CACHED if seen.left <= limits.floor:
                return self._without_reserve(seen.now)
            case State.PQC_ONLY if self._has_returned(seen) and seen.left >= self._enough_to_return():
                return Proposal(State.HYBRID, "supply-restored")
        return None

    def _without_reserve(self, now: float) -> Proposal:
        if self.allows(State.PQC_ONLY, now):
            return Proposal(State.PQC_ONLY, "exhausted")
        spent = self.limits.fallback == "pqc"
        return Proposal(State.FAIL_CLOSED, "fallback-limit" if spent else "exhausted")

    def _may_open(self, seen: Observation) -> bool:
        limits = self.limits
        enough = seen.left >= limits.floor + 8 * limits.keys_per_roll
        return (
            self.closed_by in _OPENS_BY_ITSELF
            and enough
            and (seen.fresh >= limits.demand or seen.left >= 0.25 * limits.reserve)
            and seen.silence <= limits.no_fresh_key
        )

    def _enough_to_return(self) -> float:
        limits = self.limits
        return limits.floor + max(8 * limits.keys_per_roll, 0.1 * limits.reserve)
