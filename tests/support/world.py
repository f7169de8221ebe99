"""A clock that stands still until it is told, and entropy that can be repeated."""

import hashlib


class Clock:
    """Wall and monotonic time, set by hand."""

    def __init__(self, now=1_800_000_000.0):
        self.time = now

    def now(self):
        return self.time

    def monotonic(self):
        return self.time


class Entropy:
    """A stream of bytes that depends on its name only."""

    def __init__(self, name="test"):
        self.name, self.count = name, 0

    def draw(self, size):
        self.count += 1
        return hashlib.shake_256(f"{self.name}/{self.count}".encode()).digest(size)
