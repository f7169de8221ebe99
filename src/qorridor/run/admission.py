"""How much one SAE may ask for: requests and keys over time, connections at once.

Whoever asks for more is told when to come again; the others' service does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CONNECTIONS = 64
"""Of one SAE at a time, of all listeners together."""
REQUEST_BURST, KEY_BURST = 2.0, 60.0
"""Seconds of an allowance that may be used at once after a pause."""
LEAST_KEY_BURST = 512.0
"""Keys that any quota lets through at once: a single request may ask for so many (128 of 1024 bits)."""
TELL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one SAE may use: requests per second, keys of 256 bits per second; None for no limit."""

    requests: float | None = None
    keys: float | None = None


UNLIMITED = Limits()


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` per second (> 0), at most `burst` at once; full at first."""

    rate: float
    burst: float
    _level: float = field(init=False)
    _at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._level = self.burst

    def left(self, now: float) -> float:
        """Tokens at `now`, in seconds of a clock that never runs backwards."""
        if self._at is not None:
            self._level = min(self.burst, self._level + self.rate * max(0.0, now - self._at))
        self._at = now
        return self._level

    def take(self, now: float, count: float = 1.0) -> float:
        """Take `count` <= burst tokens: 0.0, or, with nothing taken, the seconds until there are so many."""
        missing = count - self.left(now)
        if missing > 0:
            return missing / self.rate
        self._level -= count
        return 0.0

    def put_back(self, count: float) -> None:
        """Return what was taken for nothing."""
        self._level = min(self.burst, self._level + count)


class Admission:
    """The allowances of every SAE of a site; one for all of its listeners."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._requests = {
            sae: Bucket(one.requests, max(1.0, REQUEST_BURST * one.requests))
            for sae, one in limits.items()
            if one.requests is not None
        }
        self._keys = {
            sae: Bucket(one.keys, max(LEAST_KEY_BURST, KEY_BURST * one.keys))
            for sae, one in limits.items()
            if one.keys is not None
        }
        self._open: dict[str, int] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def request(self, sae: str, now: float) -> float:
        """One more request: 0.0, or the seconds to wait."""
        bucket = self._requests.get(sae)
        return 0.0 if bucket is None else bucket.take(now)

    def keys(self, sae: str, count: float, now: float) -> float:
        """`count` keys of 256 bits: 0.0, or, with nothing taken, the seconds to wait."""
        bucket = self._keys.get(sae)
        return 0.0 if bucket is None else bucket.take(now, count)

    def keys_back(self, sae: str, count: float) -> None:
        """The keys were not delivered."""
        if sae in self._keys:
            self._keys[sae].put_back(count)

    def keys_left(self, sae: str, now: float) -> float | None:
        """Keys that the quota lets through now; None without a quota."""
        bucket = self._keys.get(sae)
        return None if bucket is None else bucket.left(now)

    def enter(self, sae: str) -> bool:
        """One more connection; False where there are too many already."""
        if self._open.get(sae, 0) >= CONNECTIONS:
            return False
        self._open[sae] = self._open.get(sae, 0) + 1
        return True

    def leave(self, sae: str) -> None:
        """A connection that was let in has ended."""
        self._open[sae] -= 1
        if not self._open[sae]:
            del self._open[sae]

    def to_tell(self, sae: str, limit: str, now: float) -> int | None:
        """Whether the journal is to hear of one more refusal: how many were not told of since the last one,
        None while that is less than a minute ago. A flood fills no disk."""
        at, more = self._told.get((sae, limit), (-TELL_SECONDS, 0))
        if now - at < TELL_SECONDS:
            self._told[sae, limit] = (at, more + 1)
            return None
        self._told[sae, limit] = (now, 0)
        return more
