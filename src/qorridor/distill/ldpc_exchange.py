"""The LDPC exchange of one block as generators of steps, one for each end.

    SYNDROME ------------------>            parities of every frame, and their hashes
         <------------------ FRAMES         which frames resist, errors per intensity in the others
    SYNDROME ------------------>            more parities of the frames that resist     } where any
         <------------------ FRAMES         as above, of these frames                   } resists

All that travels depends on the error pattern and the transmitter's bits alone: parities and hashes are linear,
and whether a frame resists follows from the error pattern. Frames that still resist are left to Cascade.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, pack, unpack
from qorridor.distill.channel import Channel, Steps
from qorridor.distill.codec import Kind, join, split
from qorridor.distill.ldpc import TAG_BITS, Parities, Plan, decode, kernels, parities, tag_words
from qorridor.distill.sifting import INTENSITIES, per_intensity

_COUNT = 4


@dataclass(slots=True)
class Told:
    """What an exchange has come to: frames that still resist, errors per intensity in the others, where they are
    (at the receiver), bits disclosed by either end, and how many messages carried parities."""

    resisting: list[int]
    wrong: NDArray[np.int64]
    errors: list[Places] = field(default_factory=list)
    disclosed: int = 0
    passes: int = 0

    def heard(self, plan: Plan, resists: Bits, wrong: NDArray[np.int64]) -> None:
        """One pass is over: count what was said in it, keep the frames that resist."""
        each = plan.more if self.passes else plan.checks + TAG_BITS
        self.disclosed += len(self.resisting) * (each + 1) + 8 * _COUNT * len(self.wrong)
        self.wrong += wrong
        self.resisting = [frame for frame, bad in zip(self.resisting, resists, strict=True) if bad]
        self.passes += 1


def _untold(plan: Plan, kinds: int) -> Told:
    """Before the first message: every frame resists, no error of any intensity is known."""
    return Told(list(range(plan.frames)), np.zeros(kinds, np.int64))


def transmit(
    channel: Channel, bits: Bits, intensities: Bits, plan: Plan, seed: bytes, kinds: int = INTENSITIES
) -> Steps[Told]:
    """The transmitter's end: tells parities until no frame resists or both messages are spent. `kinds` is the
    number of intensities."""
    known, told = _parities(bits, plan, seed), _untold(plan, kinds)
    hashes = b"".join(frame.tag.to_bytes(TAG_BITS // 8, "big") for frame in known)
    first = pack(np.concatenate([frame.first(plan) for frame in known]))
    yield from channel.send(Kind.SYNDROME, join([first, hashes]))
    told.heard(plan, *_verdict((yield from channel.receive(Kind.FRAMES)), told, intensities, plan))
    if told.resisting:
        more = np.concatenate([known[frame].more(plan) for frame in told.resisting])
        yield from channel.send(Kind.SYNDROME, pack(more))
        told.heard(plan, *_verdict((yield from channel.receive(Kind.FRAMES)), told, intensities, plan))
    return told


def receive(
    channel: Channel, bits: Bits, intensities: Bits, plan: Plan, seed: bytes, kinds: int = INTENSITIES
) -> Steps[Told]:
    """The receiver's end: decodes, and tells which frames resist."""
    end = _Receiver(plan, tag_words(seed, plan), intensities, _untold(plan, kinds))
    own = _parities(bits, plan, seed)
    first, hashes = split((yield from channel.receive(Kind.SYNDROME)), 2)
    if len(hashes) != plan.frames * TAG_BITS // 8:
        raise BlockAbort(Cause.PROTOCOL, "another number of frame hashes than of frames arrived")
    differs = unpack(first, plan.frames * plan.checks).reshape(plan.frames, plan.checks)
    end.first = [told ^ mine.first(plan) for told, mine in zip(differs, own, strict=True)]
    heard = np.frombuffer(hashes, ">u4").tolist()
    end.tags = [tag ^ mine.tag for tag, mine in zip(heard, own, strict=True)]
    yield from channel.send(Kind.FRAMES, end.answer(None))
    if resisting := end.told.resisting:
        payload = yield from channel.receive(Kind.SYNDROME)
        more = unpack(payload, len(resisting) * plan.more).reshape(len(resisting), plan.more)
        differs = more ^ np.array([own[frame].more(plan) for frame in resisting], np.uint8)
        yield from channel.send(Kind.FRAMES, end.answer(differs))
    return end.told


@dataclass(slots=True)
class _Receiver:
    """What the receiver knows of the differences: of parities and of hashes, frame by frame."""

    plan: Plan
    words: NDArray[np.uint32]
    intensities: Bits
    told: Told
    first: list[Bits] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)

    def answer(self, more: Bits | None) -> bytes:
        """Decode the frames that resist, with more parities or without; payload of `frames`."""
        wrong, resists = np.zeros_like(self.told.wrong), np.ones(len(self.told.resisting), np.uint8)
        for at, frame in enumerate(self.told.resisting):
            places = self._errors(frame, None if more is None else more[at])
            if places is not None:
                resists[at] = 0
                self.told.errors.append(places)
                wrong += per_intensity(self.intensities[places], len(wrong))
        self.told.heard(self.plan, resists, wrong)
        return join([pack(resists), wrong.astype(">u4").tobytes()])

    def _errors(self, frame: int, more: Bits | None) -> Places | None:
        """Where the frame differs, if a pattern was found that explains parities and hash."""
        span = self.plan.bits_of(frame)
        pattern = decode(self.plan, span.stop - span.start, self.first[frame], more)
        if pattern is None or int(kernels().tag(pattern, self.words)) != self.tags[frame]:
            return None
        return np.asarray(span.start + np.flatnonzero(pattern), np.int64)


def _parities(bits: Bits, plan: Plan, seed: bytes) -> list[Parities]:
    words = tag_words(seed, plan)
    return [parities(bits[plan.bits_of(frame)], plan, words) for frame in range(plan.frames)]


def _verdict(
    payload: bytes, told: Told, intensities: Bits, plan: Plan
) -> tuple[Bits, NDArray[np.int64]]:  # fmt: skip
    """Flags and counts of a `frames` message; no intensity has more errors than bits in the frames found."""
    flags, counts = split(payload, 2)
    resists = unpack(flags, len(told.resisting))
    kinds = len(told.wrong)
    if len(counts) != _COUNT * kinds:
        raise BlockAbort(
            Cause.PROTOCOL, "a message about frames counts other things than errors per intensity"
        )
    wrong = np.frombuffer(counts, ">u4").astype(np.int64)
    found = [frame for frame, bad in zip(told.resisting, resists, strict=True) if not bad]
    most = np.zeros(kinds, np.int64)
    for frame in found:
        most += per_intensity(intensities[plan.bits_of(frame)], kinds)
    if (wrong > most).any():
        raise BlockAbort(Cause.PROTOCOL, "the peer counts more errors than there are bits")
    return resists, wrong
