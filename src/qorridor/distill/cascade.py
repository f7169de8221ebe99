"""Information reconciliation by the symmetric Cascade exchange, all frames of a block in lock-step.

Both ends send their own parity for each question at the same moment and derive the next questions from
the differences, so nothing but parity bits travels and both know the error pattern in the end.

    first message   parities of all blocks of pass 1 (k = 0.8/q) and pass 2 (4k, shuffled), and of
                    18 random masks over each frame
    waves           all odd blocks of one pass descend by bisection
    masks           a mask that still differs is bisected in its frame, the passes follow

A wave of many blocks goes down one level a message. One of few blocks asks for several levels at once: it
discloses little more in all and spares most of the messages, which are what a long line waits for.

A parity that follows from known ones is neither asked nor charged: halves seen before are looked up,
the last block of pass 2 in a frame follows from pass 1.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, expand, shuffle

FRAME = 65536
"""Bits of a frame, unless a plan has smaller ones; both ends must have the same, it is not said."""
MASKS = 18
Exchange = Generator[Bits, Bits, Bits]


@dataclass(frozen=True, slots=True)
class Profile:
    """How much is disclosed to spare messages: errors expected per block of pass 1, length of the blocks of
    pass 2 over those of pass 1, and the share of the block's bits that a wave may disclose beyond plain
    bisection."""

    name: str
    load: float
    ratio: int
    spare: float

    def depth(self, tasks: int, levels: int, size: int) -> int:
        """Levels that each message of a wave asks for: all 2^depth - 1 halves below, known ones left out."""
        for depth in _DEPTHS:
            more = tasks * -(-levels // depth) * (2**depth - 1 - depth)
            if more <= self.spare * size:
                return depth
        return 1


_DEPTHS = (8, 4, 3, 2)
EFFICIENT = Profile("efficient", 0.88, 4, 4e-6)
"""f 1.049 at 2 %, some 350 messages for a block of 10^6 and 550 for one of 10^7."""
QUICK = Profile("quick", 0.72, 3, 8e-5)
"""f 1.062 at 2 %, some 130 and 190 messages: for lines on which a message travels long."""
PROFILES = {profile.name: profile for profile in (EFFICIENT, QUICK)}
_LONG_WAY = 0.002


def profile_for(delay: float) -> Profile:
    """The profile for a channel on which a message takes `delay` seconds one way: from 2 ms on, 200 messages
    fewer are worth one per cent of disclosure."""
    return QUICK if delay >= _LONG_WAY else EFFICIENT


@dataclass(frozen=True, slots=True)
class Plan:
    """Public layout of one reconciliation, the same at both ends: a function of n, q, seed and profile.

    `lengths` are the block lengths of both passes; `order` (2, frame) lists the places of a frame in the order
    of pass 2 and `ranks` inverts it, row 1 for a last frame that is shorter; bit j of `words` (frame) says
    whether mask j takes a place of a frame.
    """

    size: int
    lengths: tuple[int, int]
    order: NDArray[np.int32]
    ranks: NDArray[np.int32]
    words: NDArray[np.uint32]
    profile: Profile
    frame: int = FRAME

    @property
    def frames(self) -> int:
        """Number of frames; the last may be shorter."""
        return -(-self.size // self.frame)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Positions where the keys differed (sorted), bits that each end sent, and messages per direction."""

    errors: Places
    bits_each_way: int
    rounds: int


def make_plan(
    size: int, qber: float, seed: bytes, profile: Profile = EFFICIENT, frame: int = FRAME
) -> Plan:  # fmt: skip
    """Layout for `size` bits at an expected error rate of `qber`, 0.001..0.25 (others are clipped).

    Frames of `frame` bits: a multiple of 8 up to 65,536; ValueError otherwise.
    """
    if frame % 8 or not 0 < frame <= FRAME:
        raise ValueError(f"a frame has a multiple of 8 bits up to {FRAME}")
    first = math.ceil(profile.load / min(0.25, max(0.001, qber)))
    whole = shuffle(seed, "cascade pass 2", frame)
    last = size % frame or frame
    order = np.zeros((2, frame), np.int32)
    order[0], order[1, :last] = whole, whole[whole < last]
    ranks = np.zeros((2, frame), np.int32)
    ranks[0, order[0]] = np.arange(frame)
    ranks[1, order[1, :last]] = np.arange(last)
    masks = np.unpackbits(np.frombuffer(expand(seed, "cascade masks", MASKS * frame // 8), np.uint8))
    words = np.zeros(frame, np.uint32)
    for number, mask in enumerate(masks.reshape(MASKS, frame)):
        words |= mask.astype(np.uint32) << np.uint32(number)
    return Plan(size, (first, profile.ratio * first), order, ranks, words, profile, frame)


def reconcile(bits: Bits, plan: Plan) -> Generator[Bits, Bits, Reconciled]:
    """One end's exchange: yields its parities, is sent the peer's, returns the error pattern.

    Raises BlockAbort(protocol) when the bits sent exceed the block, for no key could be left, and when the
    peer's parities contradict each other.
    """
    return (yield from _Engine(np.ascontiguousarray(bits), plan).run())


def kernels() -> ModuleType:
    """The compiled loops, loaded by the first link end or bench that needs them.

    The compiler keeps its results beside this package, or in the folder that NUMBA_CACHE_DIR names.
    """
    from qorridor.distill import cascade_kernels  # noqa: PLC0415 - a node never loads a compiler

    return cascade_kernels


class _Engine:
    def __init__(self, bits: Bits, plan: Plan) -> None:
        self.bits, self.plan, self.loops = bits, plan, kernels()
        self.before = tuple(self.loops.prefix(bits, plan.order, which) for which in (0, 1))
        self.known = tuple(np.full(plan.size + 1, self.loops.UNKNOWN, np.uint8) for _ in (0, 1))
        self.errors = np.zeros(plan.size, np.uint8)
        self.parities: tuple[Bits, ...] = ()
        self.masks = np.zeros(plan.frames, np.uint32)
        self.tasks: dict[tuple[int, int], _MaskTask] = {}
        self.sent = self.rounds = 0

    def run(self) -> Generator[Bits, Bits, Reconciled]:
        yield from self._open()
        while True:
            which, odd = self._odd()
            if len(odd):
                yield from self._wave(which, odd)
            elif self.masks.any():
                yield from self._mask_wave()
            else:
                return Reconciled(np.flatnonzero(self.errors), self.sent, self.rounds)

    def _ask(self, own: Bits) -> Exchange:
        """Exchange parities; returns the parity of the errors in each asked set."""
        self.sent += len(own)
        self.rounds += 1
        if self.sent > self.plan.size:
            raise BlockAbort(Cause.PROTOCOL, "reconciliation has disclosed more bits than the block has")
        theirs = yield own
        return own ^ theirs

    def _open(self) -> Generator[Bits, Bits, None]:
        first, second = (
            self.loops.block_parities(before, length, self.plan.frame)
            for before, length in zip(self.before, self.plan.lengths, strict=True)
        )
        lasts = self._last_blocks()
        words = self.loops.mask_parities(self.bits, self.plan.words)
        masks = (words[:, np.newaxis] >> np.arange(MASKS, dtype=np.uint32)).astype(np.uint8) & np.uint8(1)
        own = np.concatenate([first, np.delete(second, lasts), masks.ravel()])
        difference = yield from self._ask(own)
        rest = len(second) - len(lasts)
        kept = difference[len(first) : len(first) + rest]
        self.parities = difference[: len(first)].copy(), self._deduce(difference[: len(first)], kept, lasts)
        told = difference[len(first) + rest :].reshape(-1, MASKS).astype(np.uint32)
        self.masks = np.bitwise_or.reduce(told << np.arange(MASKS, dtype=np.uint32), axis=1)

    def _last_blocks(self) -> Places:
        """The last block of pass 2 in each frame."""
        ends = np.minimum(np.arange(1, self.plan.frames + 1) * self.plan.frame, self.plan.size) - 1
        return self._block_of(ends, self.plan.lengths[1])

    def _block_of(self, ranks: Places, length: int) -> Places:
        frame = self.plan.frame
        return (ranks // frame) * -(-frame // length) + (ranks % frame) // length

    def _deduce(self, first: Bits, kept: Bits, lasts: Places) -> Bits:
        """Pass 2 with the last block of each frame filled in from the frame's total in pass 1."""
        starts = np.arange(self.plan.frames) * self.plan.frame
        totals = np.bitwise_xor.reduceat(first, self._block_of(starts, self.plan.lengths[0]))
        parities = np.zeros(len(kept) + len(lasts), np.uint8)
        parities[np.delete(np.arange(len(parities)), lasts)] = kept
        sums = np.bitwise_xor.reduceat(parities, self._block_of(starts, self.plan.lengths[1]))
        parities[lasts] = totals ^ sums
        return parities

    def _odd(self) -> tuple[int, Places]:
        for which in (0, 1):
            odd = np.flatnonzero(self.parities[which].view(np.bool_))  # many times faster than on bytes
            if len(odd):
                return which, odd
        return 0, np.empty(0, np.int64)

    def _wave(self, which: int, blocks: Places) -> Generator[Bits, Bits, None]:
        """Bisect disjoint odd blocks of one pass down to one error each."""
        loops, plan = self.loops, self.plan
        before, known = self.before[which], self.known[which]
        low, high = loops.bounds(blocks, plan.lengths[which], plan.size, plan.frame)
        depth = self._depth(len(blocks), plan.lengths[which])
        while len(asking := loops.descend(low, high, known)):
            lows, highs = loops.halves(asking, low, high, depth)
            difference = yield from self._ask(loops.questions(lows, highs, before))
            loops.answers(difference, lows, highs, known, self.errors, plan.order, which)
        self._correct(loops.places(low, plan.order, which, plan.size))

    def _depth(self, tasks: int, longest: int) -> int:
        return self.plan.profile.depth(tasks, (longest - 1).bit_length(), self.plan.size)

    def _correct(self, places: Places) -> None:
        """Flip what was found. Parities that are true lead to another error each time; a peer whose
        parities contradict each other would lead back and forth without end."""
        plan = self.plan
        self.loops.correct(
            places, plan.lengths, self.errors, plan.ranks, plan.words, self.parities, self.known, self.masks
        )
        if not self.errors[places].all():
            raise BlockAbort(Cause.PROTOCOL, "the parities of the peer contradict each other")

    def _mask_wave(self) -> Generator[Bits, Bits, None]:
        """Bisect the first differing mask of every frame that has one."""
        wrong = [(frame, _lowest(int(self.masks[frame]))) for frame in np.flatnonzero(self.masks).tolist()]
        tasks = [self._task(frame, mask) for frame, mask in wrong]
        if not all(len(task.places) for task in tasks):
            raise BlockAbort(Cause.PROTOCOL, "the peer states an odd parity of no bits")
        depth = self._depth(len(tasks), max(len(task.places) for task in tasks))
        while live := [task for task in tasks if task.high - task.low > 1]:
            asking = [(task, half) for task in live for half in task.unknown(depth)]
            if asking:
                own = np.array([task.parity(self.bits, *half) for task, half in asking], np.uint8)
                told = yield from self._ask(own)
                for (task, (low, high)), answer in zip(asking, told.tolist(), strict=True):
                    task.known[(low + high) >> 1] = answer
            for task in live:
                task.descend(self.errors)
        self._correct(np.array([task.places[task.low] for task in tasks], np.int64))

    def _task(self, frame: int, mask: int) -> _MaskTask:
        task = self.tasks.get((frame, mask))
        if task is None:
            start = self.plan.frame * frame
            inside = self.loops.selected(self.plan.words, mask, min(self.plan.frame, self.plan.size - start))
            task = self.tasks[frame, mask] = _MaskTask(inside + start, self.loops)
        task.low, task.high = 0, len(task.places)
        return task


def _lowest(word: int) -> int:
    return (word & -word).bit_length() - 1


class _MaskTask:
    """Bisection of the places that one mask selects in one frame; `known` keeps the peers' raw differences."""

    def __init__(self, places: Places, loops: ModuleType) -> None:
        self.places, self._loops = places, loops
        self.known: dict[int, int] = {}
        self.low, self.high = 0, len(places)

    def unknown(self, depth: int) -> list[tuple[int, int]]:
        """The intervals of `depth` levels, whose lower halves have no answer yet; none where the first has one."""
        if (self.low + self.high) >> 1 in self.known:
            return []
        found, level = [], [(self.low, self.high)]
        for _ in range(depth):
            level = [(low, high) for low, high in level if high - low > 1]
            found += level
            level = [
                half for low, high in level for half in ((low, (low + high) >> 1), ((low + high) >> 1, high))
            ]
        return found

    def parity(self, values: Bits, low: int, high: int) -> int:
        """Parity of `values` in the lower half of an interval."""
        return int(self._loops.parity_of(values, self.places, low, (low + high) >> 1))

    def descend(self, errors: Bits) -> None:
        """Go into the half that still differs after the corrections so far."""
        middle = (self.low + self.high) >> 1
        if (self.known[middle] ^ self.parity(errors, self.low, self.high)) & 1:
            self.high = middle
        else:
            self.low = middle
