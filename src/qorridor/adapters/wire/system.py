"""The system's clock and entropy behind the Protocols of ports.world."""

from __future__ import annotations

import os
import time


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class SystemEntropy:
    """The kernel's random bit generator (getrandom)."""

    def draw(self, size: int) -> bytes:
        """`size` fresh random bytes."""
        return os.urandom(size)
