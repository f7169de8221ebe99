"""How the two ends of a block come to equal bits: which engine, what it may disclose, what it has disclosed.

    name        engine                        chosen where
    efficient   Cascade, least disclosure     a message takes less than 2 ms one way
    quick       Cascade, fewer messages       it takes 2 ms or more
    ldpc        one-way parity checks         the link's settings say so, or a message takes 20 ms or more and
                                              the leakage cap has room for it

RECONCILE carries the name, a public seed and the error rate for the layout; all else follows from these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Protocol

import numpy as np

from qorridor.distill import cascade, ldpc, ldpc_exchange
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, pack, unpack
from qorridor.distill.channel import Channel, Steps
from qorridor.distill.codec import Direction, Kind, join, split
from qorridor.distill.finite_key import entropy
from qorridor.distill.record import Record
from qorridor.distill.sifting import INTENSITIES, PerIntensity, per_intensity

LDPC, CASCADE = "ldpc", "cascade"
LONG_WAY = 0.02
"""Seconds one way from which on 4 messages instead of 200 are worth the time of decoding."""
LDPC_SIFTED = 500_000
"""Sifted bits per second up to which a link may count on LDPC: a quarter of what decoding manages on one core
at 1 % errors, so that a link takes little of a machine and a slower machine keeps up."""
CASCADE_CAP = 1.07
"""Efficiency f that a cap of the leakage allows Cascade; it reaches 1.04 to 1.06."""
_CASCADE_FAILED = 1.2  # f of Cascade on few frames
_RESIST, _FAIL = 0.6, 0.02  # shares of frames that a cap allows to be told more, and to be left to Cascade


class Ticks(Protocol):
    """Time for durations; ports.world.Clock fits."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


@dataclass(slots=True)
class Agreement:
    """Result of a reconciliation at one end: where the receiver's bits differ as far as this end knows, errors per
    intensity, bits disclosed by either end, record entries, and how many seconds a message took one way (infinite
    where none was symmetric)."""

    errors: Places
    wrong: PerIntensity
    alice: int
    bob: int
    entries: Record
    delay: float = math.inf


def choose(delay: float, size: int, qber: float, room: int | None, engine: str = CASCADE) -> str:
    """The engine's name for `size` bits on a channel of `delay` seconds one way; `room` is what may be disclosed
    at most, in bits, None where nothing limits it.

    `engine` is what the link's length was fixed for. LDPC then, whatever the delay and the room: Cascade
    discloses more, so that a cap without room for the one has none for the other.
    """
    if engine == LDPC and qber <= ldpc.QBER_MOST:
        return LDPC
    suits = delay >= LONG_WAY and ldpc.QBER_LEAST <= qber <= ldpc.QBER_MOST
    if suits and (room is None or sum(disclosure_cap(LDPC, size, qber)) <= room):
        return LDPC
    return cascade.profile_for(delay).name


def disclosure_cap(name: str, size: int, qber: float) -> tuple[int, int]:
    """(Alice's, Bob's) bits that `ldpc`, or any other name, may need for `size` bits of an error rate of 0..0.5.

    Cascade: f = 1.07 each way. LDPC: the first message, more for three frames of five, and Cascade for one frame of
    fifty, at least one.
    """
    if name != LDPC:
        each_way = math.ceil(CASCADE_CAP * size * entropy(qber))
        return each_way, each_way
    layout = ldpc.lay_out(size, qber)
    frames = -(-size // layout.frame)
    first = frames * (layout.checks + ldpc.TAG_BITS + 2) + 2 * 32 * INTENSITIES
    failed = math.ceil(_FAIL * frames) * math.ceil(_CASCADE_FAILED * layout.frame * entropy(qber))
    return first + math.ceil(_RESIST * frames) * layout.more + failed, failed


def start_message(seed: bytes, rate: int, name: str) -> bytes:
    """Payload of `reconcile`: the public seed, the error rate for the layout in millionths, the engine."""
    return join([seed, rate.to_bytes(4, "big"), name.encode()])


@dataclass(slots=True)
class Reconciliation:
    """One end of one block: its bits, their intensities (of `kinds` in all), its channel and clock."""

    channel: Channel
    clock: Ticks
    bits: Bits
    intensities: Bits
    kinds: int = INTENSITIES
    waits: list[float] = field(default_factory=list, init=False)

    def run(self, start: bytes) -> Steps[Agreement]:
        """Reconcile as the payload of `reconcile` says; BlockAbort(protocol) if it says nothing known."""
        seed, rate, name = split(start, 3)
        profile = cascade.PROFILES.get(name.decode("ascii", "replace"))
        if (len(seed), len(rate)) != (16, 4) or (profile is None and name != LDPC.encode()):
            raise BlockAbort(Cause.PROTOCOL, "the peer reconciles in an unknown way")
        qber = int.from_bytes(rate, "big") / 1e6
        if profile is None:
            return (yield from self._ldpc(seed, qber))
        result = yield from self._cascade(self.bits, cascade.make_plan(len(self.bits), qber, seed, profile))
        entries: Record = {
            "engine": CASCADE, "profile": profile.name, "frames": -(-len(self.bits) // cascade.FRAME),
            "frames_failed": 0, "passes": 2, "masks": cascade.MASKS, "rounds": result.rounds,
        }  # fmt: skip
        each_way = result.bits_each_way
        return Agreement(
            result.errors, self._per_intensity(result.errors), each_way, each_way, entries, self._delay()
        )

    def _ldpc(self, seed: bytes, qber: float) -> Steps[Agreement]:
        """Parity checks first, then Cascade for the frames that resist all of them."""
        plan = ldpc.make_plan(len(self.bits), qber)
        sends = self.channel.mine == Direction.TO_RECEIVER
        party = ldpc_exchange.transmit if sends else ldpc_exchange.receive
        told = yield from party(self.channel, self.bits, self.intensities, plan, seed, self.kinds)
        wrong, errors, each_way, rounds = told.wrong, told.errors, 0, told.passes
        if told.resisting:
            places = np.concatenate(
                [np.arange(len(self.bits))[plan.bits_of(frame)] for frame in told.resisting]
            )
            layout = cascade.make_plan(len(places), qber, seed, cascade.QUICK)
            rest = yield from self._cascade(self.bits[places], layout)
            each_way, rounds = rest.bits_each_way, rounds + rest.rounds
            errors = [*errors, places[rest.errors]]
            wrong = wrong + self._per_intensity(places[rest.errors])
        entries: Record = {
            "engine": LDPC, "profile": cascade.QUICK.name, "frames": plan.frames,
            "frames_failed": len(told.resisting), "passes": told.passes,
            "masks": cascade.MASKS if told.resisting else 0, "rounds": rounds,
        }  # fmt: skip
        found = np.concatenate([np.empty(0, np.int64), *errors])
        counts = tuple(int(count) for count in wrong)
        return Agreement(found, counts, told.disclosed + each_way, each_way, entries, self._delay())

    def _cascade(self, bits: Bits, plan: cascade.Plan) -> Steps[cascade.Reconciled]:
        """Symmetric Cascade over the channel."""
        engine = cascade.reconcile(bits, plan)
        own = next(engine)
        while True:
            began = self.clock.monotonic()
            theirs = yield from self.channel.exchange(Kind.PARITY, pack(own))
            self.waits.append(self.clock.monotonic() - began)
            try:
                own = engine.send(unpack(theirs, len(own)))
            except StopIteration as stop:
                result: cascade.Reconciled = stop.value
                return result

    def _delay(self) -> float:
        """Seconds of one message: who is late in one exchange waits less and is early in the next, so two in a
        row tell; the median, for some exchanges compute long."""
        pairs = [(one + other) / 2 for one, other in pairwise(self.waits)]
        return median(pairs) if pairs else math.inf

    def _per_intensity(self, places: Places) -> PerIntensity:
        return per_intensity(self.intensities[places], self.kinds)
