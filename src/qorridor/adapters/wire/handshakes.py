"""Connections whose handshake is not done yet: few, short-lived, and shared fairly among addresses.

Whoever opens connections and says nothing crowds out his own oldest ones, not those of others; a peer that
shakes hands at once is through before it is the oldest. Established sessions are counted elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 128
MOST_PER_ADDRESS = 32
SECONDS = 5.0
"""A handshake takes milliseconds, on a loaded machine and a long line a second or two."""

Drop = Callable[[str], None]
"""Ends a connection in mid-handshake and says why."""


@dataclass(slots=True)
class Handshakes:
    """The handshakes of one listener that are under way, oldest first."""

    most: int = MOST
    most_per_address: int = MOST_PER_ADDRESS
    _open: dict[int, tuple[str, Drop]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _next: int = 0

    def begin(self, address: str, drop: Drop) -> int:
        """Note a new handshake from a host, in place of an older one where there are too many."""
        if self._counts[address] >= self.most_per_address:
            self._drop_oldest_of(address)
        elif len(self._open) >= self.most:
            self._drop_oldest_of(self._counts.most_common(1)[0][0])
        self._next += 1
        self._open[self._next] = (address, drop)
        self._counts[address] += 1
        return self._next

    def end(self, number: int) -> None:
        """A handshake is over, whatever came of it; idempotent."""
        known = self._open.pop(number, None)
        if known is None:
            return
        address = known[0]
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def _drop_oldest_of(self, address: str) -> None:
        number, drop = next(
            (number, drop) for number, (owner, drop) in self._open.items() if owner == address
        )
        self.end(number)
        drop("too many handshakes at once from this address")
