"""Random faults of a link, drawn from a seed: on the fibre, on the classical channel, of the processes."""

import asyncio
import math

import numpy as np

from qorridor.photonics.causes import CAUSES
from qorridor.photonics.events import Conditions
from tests.app.link_bench import Duplex

WIRE = ("flip", "cut short", "lengthened", "dropped", "twice", "swapped", "closed")


class Plan:
    """What happens to one block: at most one cause on the fibre, one fault of a message, one killed end."""

    def __init__(self, seed, number):
        rng = np.random.Generator(np.random.Philox([seed, number]))
        self.rng, self.cause, self.severity, self.wire, self.kill = rng, "", 0.0, "", None
        if rng.random() < 0.3:
            cause = CAUSES[str(rng.choice(sorted(CAUSES)))]
            self.cause = cause.name
            self.severity = cause.most * math.exp(-rng.random() * math.log(1000))
        if rng.random() < 0.25:
            self.wire, self.end = str(rng.choice(WIRE)), int(rng.integers(2))
            self.message = int(rng.choice([rng.integers(0, 8), rng.integers(8, 400)]))
        if rng.random() < 0.08:
            self.kill, self.moment = int(rng.integers(2)), float(rng.random())

    @property
    def is_calm(self):
        return not self.cause and not self.wire and self.kill is None

    def conditions(self):
        return Conditions().after(self.cause, self.severity) if self.cause else Conditions()

    def __str__(self):
        told = [f"{self.cause} {self.severity:.3g}"] if self.cause else []
        told += [f"message {self.message} of end {self.end} {self.wire}"] if self.wire else []
        told += [f"end {self.kill} killed after {self.moment:.2f} s"] if self.kill is not None else []
        return ", ".join(told) or "calm"


class FaultyWire(Duplex):
    """A connection that does to its `plan`'s message what the plan says; every write is one frame."""

    def __init__(self, secret, plan, end):
        super().__init__(secret)
        self.plan, self.end, self.count, self.held = plan, end, 0, b""

    async def write(self, data):
        for part in self._changed(bytes(data)):
            await super().write(part)

    def _changed(self, data):
        held, self.held = self.held, b""
        self.count += 1
        if self.plan.wire == "" or self.plan.end != self.end or self.count != self.plan.message + 1:
            return [data, held] if held else [data]
        rng = self.plan.rng
        match self.plan.wire:
            case "flip":
                at = int(rng.integers(len(data)))
                return [data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]]
            case "cut short":
                return [data[: int(rng.integers(len(data)))]]
            case "lengthened":
                return [data + rng.bytes(int(rng.integers(1, 64)))]
            case "dropped":
                return []
            case "twice":
                return [data, data]
            case "swapped":
                self.held = data
                return []
        self.close()
        raise ConnectionResetError("closed")


def wires(plan, secret):
    left, right = FaultyWire(secret, plan, 0), FaultyWire(secret, plan, 1)
    left.peer, right.peer = right, left
    return left, right


class Module:
    """One end's half of the module, without sockets and as fast as it can be drawn."""

    def __init__(self, optics):
        self.optics = optics

    async def collect(self, count):
        return await asyncio.to_thread(self.optics.collect, count)

    async def recall(self, slots):
        return self.optics.recall(slots)

    async def forget(self, slot):
        self.optics.memory.forget(slot)
