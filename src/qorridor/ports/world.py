"""Time and entropy as arguments."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for records and expiry, monotonic time for spans."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; the origin is arbitrary."""
        ...


class Entropy(Protocol):
    """A source of random bits for keys (SP 800-90); never a simulation's generator."""

    def draw(self, size: int) -> bytes:
        """`size` fresh random bytes."""
        ...
