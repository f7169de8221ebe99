"""A short line on a bench: blocks of a few thousand detections whose two ends step in one process.

No photonics: what was sent in a slot is a function of the slot, so that any slot can be asked for, and the
epsilon is so loose that a thousand bits of key remain. A block takes hundredths of a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

import numpy as np

from qorridor.base.errors import LinkError
from qorridor.base.secret import Secret
from qorridor.distill import party
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.authentication import Authenticator, bootstrap_size
from qorridor.distill.bits import pack
from qorridor.distill.block import Block, Endpoint, Outcome, Settings
from qorridor.distill.channel import Channel, Collect, Recall, Recalled, Receive, Received, Send
from qorridor.distill.codec import Direction, Kind, Names
from qorridor.distill.finite_key import Security, Source

NAMES = Names("london-hayes", "london", "hayes")
SOURCE = Source((0.3, 0.1, 0.0), (0.2, 0.3, 0.5))
SETTINGS = Settings(NAMES, SOURCE, Security(0.5, 1e-10), n_key=4_000, key_basis=0.5, start_qber=0.02)
DOWN, UP = Direction.TO_RECEIVER, Direction.TO_TRANSMITTER
FAR = 0.05
"""Seconds one way from which on a block is reconciled by parity checks."""
Wires = tuple[deque[bytes], deque[bytes]]
Tamper = Callable[[int, Direction, bytes], list[tuple[Direction, bytes]]]
"""Called with each message that is sent, its number and direction; returns what arrives, and where."""
Lie = Callable[[Kind, bytes], bytes]
"""Called with the payload that an end is about to send; returns what it says instead."""


def untouched(number: int, direction: Direction, message: bytes) -> list[tuple[Direction, bytes]]:
    """A channel that delivers what was sent."""
    return [(direction, message)]


class SeededEntropy:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(seed))

    def draw(self, size: int) -> bytes:
        return self.rng.bytes(size)


class StillClock:
    def now(self) -> float:
        return 1.7e9

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Module:
    """Both halves of a module pair: bits differ with probability `qber` where the bases match."""

    seed: int
    qber: float = 0.01
    double: float = 0.002
    source: Source = SOURCE
    key_basis: float = 0.5
    slot: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.Generator(np.random.Philox(self.seed))

    def recall(self, slots: np.ndarray) -> Recalled:
        """What was sent in slots up to now; LinkError for those to come, as a real memory says."""
        if len(slots) and slots[-1] > self.slot:
            raise LinkError("Q-LINK-004", "slots asked for lie in the future", "ask for what was sent")
        return self.sent(slots)

    def sent(self, slots: np.ndarray) -> Recalled:
        """What stands in these slots, now or later."""
        mu = np.array(self.source.intensities)
        clicks = np.array(self.source.probabilities) * (1 - np.exp(-mu) + 1e-4)  # of what is detected
        edges = np.cumsum(clicks / clicks.sum())[:-1]
        intensities = np.searchsorted(edges, _uniform(slots, self.seed), side="right")
        bases = _uniform(slots, self.seed + 1) >= self.key_basis
        bits = _uniform(slots, self.seed + 2) < 0.5
        return Recalled(intensities.astype(np.uint8), bases.view(np.uint8), bits.view(np.uint8))

    def collect(self, count: int) -> Received:
        """The receiver's next detections."""
        slots = self.slot + np.cumsum(self.rng.geometric(0.05, count)).astype(np.int64)
        self.slot = int(slots[-1])
        sent = self.sent(slots)
        bases = (self.rng.random(count) >= self.key_basis).view(np.uint8)
        wrong = self.rng.random(count) < np.where(bases == sent.bases, self.qber, 0.5)
        clicks = (sent.bits ^ wrong).astype(np.uint8) + np.uint8(1)
        clicks[self.rng.random(count) < self.double] = 3
        return Received(slots, bases, clicks)


def _uniform(slots: np.ndarray, seed: int) -> np.ndarray:
    """A number of 0..1 for each slot, always the same (the mixing of SplitMix64)."""
    with np.errstate(over="ignore"):
        x = slots.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0x632BE5AB + 1)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).astype(np.float64) / 2.0**64


class LyingChannel(Channel):
    """The channel of an end that cheats: its transcript holds its lies, so that its tags are right."""

    lie: Lie

    def _message(self, kind: Kind, payload: bytes) -> bytes:
        return super()._message(kind, payload if kind == Kind.ABORT else self.lie(kind, payload))


@dataclass
class Use:
    """One use of a one-time value: by which end, of which direction, its index."""

    end: str
    lane: str
    index: int


@dataclass
class Line:
    """Two ends, their modules, and what they noted; blocks go over it one after the other."""

    seed: int = 1
    settings: Settings = SETTINGS
    qber: float = 0.01
    delay: float = 0.0
    tags: int = 24
    persisted: list[Use] = field(default_factory=list)
    signed: list[Use] = field(default_factory=list)
    messages: list[tuple[Direction, bytes]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    raw: bytes = b""
    """Key bits of the transmitter before correction, of the last block that came so far."""

    def __post_init__(self) -> None:
        self.module = Module(self.seed, self.qber, source=self.settings.source)
        self.ends = [
            Endpoint(
                self.settings, _unborn(), SeededEntropy(10 * self.seed + at), StillClock(), delay=self.delay
            )
            for at in (0, 1)
        ]
        self.wires: Wires = (deque(), deque())
        self.bootstrap()

    def bootstrap(self) -> None:
        """A fresh pool for both ends, as a new session agrees on one."""
        self.pool = SeededEntropy(1000 + len(self.persisted) + self.seed).draw(bootstrap_size(self.tags))
        self.persisted, self.signed = [], []
        for end, role in zip(self.ends, ("transmitter", "receiver"), strict=True):
            note = lambda lane, index, role=role: self.persisted.append(Use(role, lane, index))
            end.auth = Authenticator(Secret(self.pool), role, note, target=2 * self.tags)
            end.auth.sign = self._noting(role, end.auth)

    def _noting(self, role: str, auth: Authenticator) -> Callable[..., bytes]:
        sign = auth.sign

        def noted(message: bytes, rest: bytes | memoryview = b"") -> bytes:
            signed = sign(message, rest)
            self.signed.append(Use(role, "signs", int.from_bytes(signed[:8], "big")))
            return signed

        return noted

    def meet(self) -> None:
        """A new connection: nothing is under way, the ends agree on sequence, refills and one-time values."""
        for wire in self.wires:
            wire.clear()
        auths = [end.auth for end in self.ends]
        ahead = auths[0].generation - auths[1].generation
        if any(auth.broken for auth in auths) or (ahead and not auths[0 if ahead > 0 else 1].can_undo):
            self.bootstrap()
        elif ahead:
            auths[0 if ahead > 0 else 1].undo()
        states = [end.auth.state for end in self.ends]
        try:
            for end, other in zip(self.ends, reversed(states), strict=True):
                end.auth.skip_to(*other[1:])
        except BlockAbort:
            self.bootstrap()
        for end in self.ends:
            end.sequence = max(one.sequence for one in self.ends)

    def block(
        self, tamper: Tamper = untouched, lies: tuple[Lie | None, Lie | None] = (None, None)
    ) -> list[Outcome]:
        """Run one block to its end at both ends; whoever waits in vain is told that the connection is lost.

        `lies` makes an end say other things than it should. Any exception of a party but an abort goes through.
        """
        for end in self.ends:
            end.delay = self.delay
        self.messages, self.blocks, self.raw = [], [Block(self.ends[0], DOWN), Block(self.ends[1], UP)], b""
        for block, lie in zip(self.blocks, lies, strict=True):
            if lie is not None:
                block.channel = LyingChannel(NAMES, block.direction)
                block.channel.lie = lie
        return _Run(self, tamper).run()


def _unborn() -> Authenticator:
    return Authenticator(Secret(bytes(bootstrap_size(1))), "transmitter", lambda lane, index: None)


def _party(block: Block) -> Generator[object, object, Outcome]:
    """As `party.transmitter` and `party.receiver`, for a block that was made beforehand."""
    body = party._transmit if block.direction == DOWN else party._receive
    return party._ended(block, body(block))


class _Run:
    """One block: who waits for what."""

    def __init__(self, line: Line, tamper: Tamper) -> None:
        self.line, self.tamper, self.number = line, tamper, 0
        self.steps = [_party(block) for block in line.blocks]
        self.waiting: list[object] = [next(steps) for steps in self.steps]
        self.outcomes: list[Outcome | None] = [None, None]

    def run(self) -> list[Outcome]:
        while None in self.outcomes:
            if not any([self._go(0), self._go(1)]):
                stuck = self.outcomes.index(None)
                self._throw(stuck, BlockAbort(Cause.PEER, "the connection to the other end was lost"))
        return self.outcomes

    def _go(self, me: int) -> bool:
        """Let an end go until it waits or ends; whether it moved."""
        moved = False
        while self.outcomes[me] is None:
            step = self.waiting[me]
            if isinstance(step, Receive) and not self.line.wires[me]:
                return moved
            moved = True
            try:
                reply = self._perform(me, step)
            except LinkError as error:
                self._throw(me, error)
            else:
                self._resume(me, lambda steps, reply=reply: steps.send(reply))
        return moved

    def _throw(self, me: int, error: LinkError) -> None:
        self._resume(me, lambda steps: steps.throw(error))

    def _resume(self, me: int, go: Callable[..., object]) -> None:
        try:
            self.waiting[me] = go(self.steps[me])
        except StopIteration as stop:
            self.outcomes[me] = stop.value

    def _perform(self, me: int, step: object) -> object:
        match step:
            case Send(message):
                self._send(Direction(me), message)
                return None
            case Receive():
                return self.line.wires[me].popleft()
            case Collect(count):
                return self.line.module.collect(count)
            case Recall(slots):
                return self.line.module.recall(slots)
        raise AssertionError(f"a party asks for {step!r}")

    def _send(self, direction: Direction, message: bytes) -> None:
        if message[1] == Kind.RECONCILE:
            self.line.raw = pack(self.line.blocks[0].bits)
        self.line.messages.append((direction, message))
        for to, arriving in self.tamper(self.number, direction, message):
            self.line.wires[1 - to].append(arriving)
        self.number += 1


def with_settings(**changes: object) -> Settings:
    """The line's settings with some changed."""
    return replace(SETTINGS, **changes)
