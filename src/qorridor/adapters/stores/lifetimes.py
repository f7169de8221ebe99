"""How long a key may wait to be fetched, counted by a clock that nobody can set (contract, section 6)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from qorridor.ports.world import Clock

KEY_LIFETIME = 120.0
TARGET_MARGIN = 60.0
"""The target's end waits longer than the initiator's, by at least twice the clocks' difference."""
JUMP_SECONDS = 5.0
"""A wall clock that leaves its way by more has been set."""


class Lifetimes:
    """Times of expiry: the wall clock at the start, and the monotonic one since. A wall clock that is set
    neither ends a key early nor keeps it alive."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.monotonic()

    def now(self) -> float:
        """Seconds since the epoch as they would be if nobody had set the clock since the start."""
        return self._clock.monotonic() + self._offset

    def end(self, role: str) -> float:
        """When a key that is made now is over."""
        return self.now() + (KEY_LIFETIME + TARGET_MARGIN if role == "target" else KEY_LIFETIME)

    def mark(self) -> str:
        """This start of the machine and how its clocks stand to each other, to be compared at the next one."""
        return f"{_boot()} {self._offset:.3f}"

    def jump(self) -> float:
        """Seconds by which the wall clock was set forward (or back, negative) since the start; 0 within the
        tolerance."""
        off = self._clock.now() - self.now()
        return off if abs(off) > JUMP_SECONDS else 0.0


def same_clock(one: str, other: str) -> bool:
    """Whether two marks are of one start of the machine, during which nobody set the clock."""
    (boot, offset), (again, now) = (mark.rpartition(" ")[::2] for mark in (one, other))
    with contextlib.suppress(ValueError):
        return boot == again and abs(float(offset) - float(now)) <= JUMP_SECONDS
    return False


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"
