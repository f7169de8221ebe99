"""How much fresh key each link brought lately, and whether it still does."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class SupplyMeter:
    """Fresh atoms of one link over a sliding window; `window` in seconds, times are monotonic."""

    window: float
    _blocks: deque[tuple[float, int]] = field(default_factory=deque)
    _last: float = -math.inf

    def add(self, now: float, atoms: int) -> None:
        """A block of the link came in with `atoms` that may be allotted here."""
        if atoms:
            self._blocks.append((now, atoms))
        self._last = now

    def rate(self, now: float) -> float:
        """Fresh atoms per second over the window."""
        while self._blocks and self._blocks[0][0] < now - self.window:
            self._blocks.popleft()
        return sum(atoms for _, atoms in self._blocks) / self.window

    def silence(self, now: float) -> float:
        """Seconds since the last block, whoever owns it; infinite before the first."""
        return now - self._last
