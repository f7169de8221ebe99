"""Both parties of a link in one process, each with its own half of a simulated module."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from qorridor.base.errors import LinkError
from qorridor.base.secret import Secret
from qorridor.distill.authentication import Authenticator, bootstrap_size
from qorridor.distill.block import Endpoint, Settings
from qorridor.distill.channel import Collect, Recall, Recalled, Receive, Received, Send
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Source
from qorridor.distill.party import receiver, transmitter
from qorridor.photonics.events import Conditions
from qorridor.photonics.memory import TransmitterMemory
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream

DEMO = load_preset("demo-1ghz", loss=6.9)
NAMES = Names("london-hayes", "london", "hayes")


class SeededEntropy:
    def __init__(self, seed):
        self.rng = np.random.Generator(np.random.Philox(seed))

    def draw(self, size):
        return self.rng.bytes(size)


class StillClock:
    def now(self):
        return 1.7e9

    def monotonic(self):
        return 0.0


class Optics:
    """A simulated module pair; `conditions` may change between blocks."""

    def __init__(self, link=DEMO, seed=1, slots=10_000_000):
        self.link, self.seed, self.slots, self.number = link, seed, slots, 0
        self.memory = TransmitterMemory(link, stream(seed, 2**40))
        self.conditions = Conditions()
        self.buffer = [np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8)]

    def collect(self, count):
        parts = [self.buffer]
        while sum(len(p[0]) for p in parts) < count:
            block = simulate(
                self.link,
                self.number * self.slots,
                self.slots,
                stream(self.seed, self.number),
                self.conditions,
            )
            self.memory.record(block.sent, block.stop)
            self.number += 1
            parts.append([block.received.slots, block.received.bases, block.received.clicks])
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        self.buffer = [column[count:] for column in whole]
        return Received(*(column[:count] for column in whole))

    def recall(self, slots):
        sent = self.memory.answer(slots)
        return Recalled(sent.intensities, sent.bases, sent.bits)


@dataclass
class Bench:
    settings: Settings
    optics: Optics
    secret: bytes = b""
    persisted: list = field(default_factory=list)
    sizes: list = field(default_factory=list)

    def __post_init__(self):
        self.secret = self.secret or SeededEntropy(77).draw(bootstrap_size(32))
        note = lambda end: lambda direction, index: self.persisted.append((end, direction, index))
        self.ends = [
            Endpoint(
                self.settings, Authenticator(Secret(self.secret), role, note(role), target=64),
                SeededEntropy(number), StillClock(),
            )
            for number, role in enumerate(("transmitter", "receiver"))
        ]  # fmt: skip

    def block(self, tamper=None):
        """Run one block; `tamper(number, message)` may change or drop (None) each message on its way."""
        parties = [transmitter(self.ends[0]), receiver(self.ends[1])]
        wires, outcomes, waiting = [deque(), deque()], [None, None], [None, None]
        replies, self.sizes, number = [None, None], [], 0
        progress = True
        while progress and None in outcomes:
            progress = False
            for me in (0, 1):
                while outcomes[me] is None:
                    if waiting[me] is None:
                        try:
                            waiting[me] = parties[me].send(replies[me])
                        except StopIteration as stop:
                            outcomes[me] = stop.value
                            progress = True
                            break
                    step = waiting[me]
                    if isinstance(step, Receive):
                        if not wires[me]:
                            break
                        replies[me] = wires[me].popleft()
                    elif isinstance(step, Send):
                        message = step.message if tamper is None else tamper(number, step.message)
                        number += 1
                        self.sizes.append(len(step.message))
                        if message is not None:
                            wires[1 - me].append(message)
                        replies[me] = None
                    elif isinstance(step, Collect):
                        replies[me] = self.optics.collect(step.count)
                    elif isinstance(step, Recall):
                        try:
                            replies[me] = self.optics.recall(step.slots)
                        except LinkError as error:
                            waiting[me] = parties[me].throw(error)
                            progress = True
                            continue
                    waiting[me] = None
                    progress = True
        return outcomes


def settings(n_key=1_000_000, link=DEMO, **more):
    source = Source(link.intensities, link.probabilities)
    return Settings(NAMES, source, n_key=n_key, key_basis=link.key_basis, **more)


def bench(n_key=1_000_000, seed=1, intercept=0.0, link=DEMO, **more):
    made = Bench(settings(n_key, link, **more), Optics(link, seed))
    made.optics.conditions = Conditions(intercept=intercept)
    return made
