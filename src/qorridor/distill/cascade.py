"""Information reconciliation by the symmetric Cascade exchange, all frames of a block in lock-step.

Both ends send their own parity for each question at the same moment and derive the next questions from
the differences, so nothing but parity bits travels and both know the error pattern in the end.

    first message   parities of all blocks of pass 1 (k = 0.8/q) and pass 2 (4k, shuffled), and of
                    18 random masks over each frame
    waves           all odd blocks of one pass descend by bisection, one level a message
    masks           a mask that still differs is bisected in its frame, the passes follow

A parity that follows from known ones is neither asked nor charged: halves seen before are looked up,
the last block of pass 2 in a frame follows from pass 1.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, expand, shuffle

FRAME = 65536
MASKS = 18
_LOAD = 0.8  # errors expected per block of pass 1: f 1.045 and half the messages of 1.0 at 10^6 bits
_UNKNOWN = 2
Exchange = Generator[Bits, Bits, None]


@dataclass(frozen=True, slots=True)
class Pass:
    """`order` lists positions in the order of the pass, `rank` inverts it, `edges` bound its blocks."""

    order: Places
    rank: Places
    edges: Places


@dataclass(frozen=True, slots=True)
class Plan:
    """Public layout of one reconciliation, the same at both ends: a function of n, q and the seed."""

    size: int
    passes: tuple[Pass, Pass]
    last_blocks: Places
    masks: NDArray[np.uint8]

    @property
    def frames(self) -> int:
        """Number of frames; the last may be shorter."""
        return -(-self.size // FRAME)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Positions where the keys differed (sorted), bits that each end sent, and messages per direction."""

    errors: Places
    bits_each_way: int
    rounds: int


def make_plan(size: int, qber: float, seed: bytes) -> Plan:
    """Layout for `size` bits at an expected error rate of `qber`, 0.001..0.25 (others are clipped)."""
    first = math.ceil(_LOAD / min(0.25, max(0.001, qber)))
    frames = [min(FRAME, size - start) for start in range(0, size, FRAME)]
    shared = shuffle(seed, "cascade pass 2", FRAME)
    order = np.concatenate([shared[shared < n] + FRAME * f for f, n in enumerate(frames)])
    rank = np.empty_like(order)
    rank[order] = np.arange(size)
    natural = np.arange(size, dtype=np.int64)
    blocks = [-(-n // (4 * first)) for n in frames]
    masks = np.unpackbits(np.frombuffer(expand(seed, "cascade masks", MASKS * FRAME // 8), np.uint8))
    return Plan(
        size,
        (Pass(natural, natural, _edges(frames, first)), Pass(order, rank, _edges(frames, 4 * first))),
        np.cumsum(blocks) - 1,
        masks.reshape(MASKS, FRAME),
    )


def _edges(frames: list[int], block: int) -> Places:
    starts = [np.arange(0, n, block) + FRAME * f for f, n in enumerate(frames)]
    return np.concatenate([*starts, [sum(frames)]]).astype(np.int64)


def reconcile(bits: Bits, plan: Plan) -> Generator[Bits, Bits, Reconciled]:
    """One end's exchange: yields its parities, is sent the peer's, returns the error pattern.

    Raises BlockAbort(protocol) when the bits sent exceed the block: no key could be left.
    """
    return (yield from _Engine(bits, plan).run())


class _Engine:
    def __init__(self, bits: Bits, plan: Plan) -> None:
        self.bits, self.plan = bits, plan
        self.prefix = [_prefix(bits[one.order]) for one in plan.passes]
        self.known = [np.full(plan.size + 1, _UNKNOWN, np.uint8) for _ in plan.passes]
        self.block_parity: list[Bits] = []
        self.mask_parity = np.zeros((plan.frames, MASKS), np.uint8)
        self.mask_known: dict[tuple[int, int, int], int] = {}
        self.found = np.empty(0, np.int64)
        self.ranks = [self.found, self.found]
        self.sent = self.rounds = 0

    def run(self) -> Generator[Bits, Bits, Reconciled]:
        yield from self._open()
        while True:
            which, odd = self._odd()
            if len(odd):
                yield from self._wave(which, odd)
                continue
            wrong = self._mask_state()
            if not wrong.any():
                return Reconciled(self.found, self.sent, self.rounds)
            yield from self._mask_wave(wrong)

    def _ask(self, own: Bits) -> Generator[Bits, Bits, Bits]:
        """Exchange parities; returns the parity of the errors in each asked set."""
        self.sent += len(own)
        self.rounds += 1
        if self.sent > self.plan.size:
            raise BlockAbort(Cause.PROTOCOL, "reconciliation has disclosed more bits than the block has")
        theirs = yield own
        return own ^ theirs

    def _open(self) -> Exchange:
        tops = [np.bitwise_xor.reduceat(self._ordered(p), self.plan.passes[p].edges[:-1]) for p in (0, 1)]
        kept = np.delete(tops[1], self.plan.last_blocks)
        diff = yield from self._ask(np.concatenate([tops[0], kept, self._own_masks()]))
        first, second = len(tops[0]), len(tops[0]) + len(kept)
        self.block_parity = [diff[:first], self._deduce(diff[:first], diff[first:second])]
        self.mask_parity = diff[second:].reshape(self.plan.frames, MASKS)

    def _ordered(self, which: int) -> Bits:
        prefix = self.prefix[which]
        return np.asarray(prefix[1:] ^ prefix[:-1], np.uint8)

    def _deduce(self, first: Bits, kept: Bits) -> Bits:
        """Pass 2 with the last block of each frame filled in from the frame's total in pass 1."""
        one, two = self.plan.passes
        starts = np.arange(self.plan.frames) * FRAME
        totals = np.bitwise_xor.reduceat(first, np.searchsorted(one.edges, starts))
        parities = np.zeros(len(two.edges) - 1, np.uint8)
        parities[np.delete(np.arange(len(parities)), self.plan.last_blocks)] = kept
        sums = np.bitwise_xor.reduceat(parities, np.searchsorted(two.edges, starts))
        parities[self.plan.last_blocks] = totals ^ sums
        return parities

    def _own_masks(self) -> Bits:
        rows = np.zeros(self.plan.frames * FRAME, np.uint8)
        rows[: self.plan.size] = self.bits
        words = np.packbits(rows.reshape(-1, FRAME), axis=1).view(np.uint64)
        masks = np.packbits(self.plan.masks, axis=1).view(np.uint64)
        both = [np.bitwise_xor.reduce(words & mask, axis=1) for mask in masks]
        parity: Bits = np.bitwise_count(np.stack(both, axis=1)).astype(np.uint8) & np.uint8(1)
        return parity.ravel()

    def _odd(self) -> tuple[int, Places]:
        for which in (0, 1):
            edges = self.plan.passes[which].edges
            blocks = np.searchsorted(edges, self.ranks[which], side="right") - 1
            flips = np.bincount(blocks, minlength=len(edges) - 1).astype(np.uint8) & 1
            odd = np.flatnonzero(self.block_parity[which] ^ flips)
            if len(odd):
                return which, odd
        return 0, np.empty(0, np.int64)

    def _wave(self, which: int, blocks: Places) -> Exchange:
        """Bisect disjoint odd blocks of one pass down to one error each."""
        edges, known, prefix = self.plan.passes[which].edges, self.known[which], self.prefix[which]
        low, high = edges[blocks].copy(), edges[blocks + 1].copy()
        live = np.flatnonzero(high - low > 1)
        while len(live):
            a, b = low[live], high[live]
            middle = (a + b) >> 1
            unknown = known[middle] == _UNKNOWN
            if unknown.any():
                asked = middle[unknown]
                known[asked] = yield from self._ask(prefix[asked] ^ prefix[a[unknown]])
            left = (known[middle] ^ self._corrected(which, a, middle)) == 1
            high[live] = np.where(left, middle, b)
            low[live] = np.where(left, a, middle)
            live = live[high[live] - low[live] > 1]
        self._correct(self.plan.passes[which].order[low])

    def _corrected(self, which: int, low: Places, high: Places) -> Bits:
        """Parity of the errors already corrected in each interval."""
        ranks = self.ranks[which]
        count = np.searchsorted(ranks, high) - np.searchsorted(ranks, low)
        return (count & 1).astype(np.uint8)

    def _correct(self, positions: Places) -> None:
        self.found = np.setxor1d(self.found, positions)
        self.ranks = [np.sort(one.rank[self.found]) for one in self.plan.passes]

    def _mask_state(self) -> NDArray[np.uint8]:
        """Which masks of which frame still differ after the corrections so far."""
        flips = np.zeros((self.plan.frames, MASKS), np.uint8)
        np.bitwise_xor.at(flips, self.found // FRAME, self.plan.masks[:, self.found % FRAME].T)
        return self.mask_parity ^ flips

    def _mask_wave(self, wrong: NDArray[np.uint8]) -> Exchange:
        """Bisect the first differing mask of every frame that has one."""
        frames = np.flatnonzero(wrong.any(axis=1)).tolist()
        tasks = [_MaskTask(self, frame, int(np.argmax(wrong[frame]))) for frame in frames]
        while live := [task for task in tasks if task.high - task.low > 1]:
            asking = [task for task in live if task.key not in self.mask_known]
            if asking:
                own = np.array([task.parity() for task in asking], np.uint8)
                answers = yield from self._ask(own)
                for task, answer in zip(asking, answers.tolist(), strict=True):
                    self.mask_known[task.key] = answer
            for task in live:
                task.descend(self.mask_known[task.key])
        self._correct(np.array([task.position for task in tasks], np.int64))


class _MaskTask:
    """Bisection of the positions that one mask selects in one frame."""

    def __init__(self, engine: _Engine, frame: int, mask: int) -> None:
        start = FRAME * frame
        size = min(FRAME, engine.plan.size - start)
        self._where = (frame, mask)
        self._positions = np.flatnonzero(engine.plan.masks[mask, :size]) + start
        self._prefix = _prefix(engine.bits[self._positions])
        inside = engine.found[np.isin(engine.found, self._positions)]
        self._corrected = np.searchsorted(self._positions, inside)
        self.low, self.high = 0, len(self._positions)

    @property
    def middle(self) -> int:
        return (self.low + self.high) >> 1

    @property
    def key(self) -> tuple[int, int, int]:
        return (*self._where, self.middle)

    @property
    def position(self) -> int:
        return int(self._positions[self.low])

    def parity(self) -> int:
        return int(self._prefix[self.middle] ^ self._prefix[self.low])

    def descend(self, raw: int) -> None:
        middle = self.middle
        done = np.searchsorted(self._corrected, middle) - np.searchsorted(self._corrected, self.low)
        if (raw ^ int(done)) & 1:
            self.high = middle
        else:
            self.low = middle


def _prefix(bits: Bits) -> Bits:
    """Parity of everything before each place, 0 first."""
    return np.concatenate([np.zeros(1, np.uint8), np.bitwise_xor.accumulate(bits)])
