"""Low-density parity-check reconciliation of the frames of a block: what is disclosed, and decoding from it.

    first      `checks` parities of each frame and a 32-bit hash
    more       of a frame that resists: the parities of half a row, for `split` rows

Frames of a block are of one length, the last shorter by less than their number; a frame is filled up to the
code's length with zeros that both ends know.

How many checks: n f h(q) would do for long frames. A frame of n bits has more errors than n q in half of the
cases; its information varies by sqrt(n V), V = q(1-q) log2^2((1-q)/q), and that much more is disclosed times
MARGIN at first and times SPARE to frames that resist.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import Bits, expand
from qorridor.distill.finite_key import entropy
from qorridor.distill.ldpc_code import Code, Indices, make_code

FRAME = 65536
COLUMNS = 256
TAG_BITS = 32
QBER_LEAST, QBER_MOST = 0.008, 0.12
"""Error rates that the codes are made for; others are clipped."""
THRESHOLDS = (0.008, 0.01, 0.02, 0.05, 0.12), (1.14, 1.125, 1.105, 1.09, 1.09)
"""Error rates, and the efficiency f that decoding needs there on frames that are not remarkable."""
MARGIN = 0.8
SPARE = 4.0
ROUNDS = 60
_ROWS_LEAST, _CHECKS_MOST = 4, 0.75  # per column


def kernels() -> ModuleType:
    """The compiled loops, loaded by the first link end or bench that needs them."""
    from qorridor.distill import ldpc_kernels  # noqa: PLC0415 - a node never loads a compiler

    return ldpc_kernels


@dataclass(frozen=True)
class Layout:
    """Sizes, in bits: a frame, a circulant (`lift`), the parities disclosed first; and how many rows can be split."""

    frame: int
    lift: int
    checks: int
    split: int

    @property
    def more(self) -> int:
        """Parities that a frame which resists is told in addition."""
        return self.split * self.lift


@dataclass(frozen=True)
class Plan(Layout):
    """Public layout of one reconciliation, the same at both ends: a function of n, q, and the frame's size.

    Of the last row of the code maybe only some checks are disclosed.
    """

    size: int
    qber: float
    code: Code

    @property
    def frames(self) -> int:
        """Number of frames."""
        return -(-self.size // self.frame)

    @cached_property
    def split_rows(self) -> NDArray[np.int64]:
        """Rows that can be split, spread evenly; never the last, of which some checks may be unknown."""
        return np.arange(self.split) * (self.code.rows - 1) // self.split

    def bits_of(self, frame: int) -> slice:
        """Where the bits of a frame stand in the block."""
        return slice(frame * self.frame, min(self.size, (frame + 1) * self.frame))


def lay_out(size: int, qber: float, most: int = FRAME, columns: int = COLUMNS) -> Layout:
    """Sizes for `size` bits at an expected error rate of `qber`, in frames of `most` bits at most."""
    qber = _made_for(qber)
    frame = -(-size // -(-size // most))
    lift = -(-frame // columns)
    varies = math.sqrt(qber * (1 - qber) * frame) * math.log2((1 - qber) / qber)
    wanted = float(np.interp(qber, *THRESHOLDS)) * frame * entropy(qber) + MARGIN * varies
    checks = math.ceil(max(_ROWS_LEAST * lift, min(wanted, _CHECKS_MOST * columns * lift)))
    rows = -(-checks // lift)
    return Layout(frame, lift, checks, min(rows - 1, math.ceil(SPARE * varies / lift)))


def make_plan(size: int, qber: float, most: int = FRAME, columns: int = COLUMNS) -> Plan:
    """Layout and code for `size` bits, as `lay_out`."""
    sizes = lay_out(size, qber, most, columns)
    code = make_code(-(-sizes.checks // sizes.lift), columns, sizes.lift)
    return Plan(sizes.frame, sizes.lift, sizes.checks, sizes.split, size, _made_for(qber), code)


def _made_for(qber: float) -> float:
    return min(QBER_MOST, max(QBER_LEAST, qber))


def tag_words(seed: bytes, plan: Plan) -> NDArray[np.uint32]:
    """The public random word of each place of a frame: two different frames get the same tag with
    probability 2^-32 over the seed."""
    data = expand(seed, "ldpc tags", 4 * plan.frame)
    return np.frombuffer(data, ">u4").astype(np.uint32)


def padded(bits: Bits, plan: Plan) -> Bits:
    """A frame filled with zeros to the length of the code."""
    out = np.zeros(plan.code.length, np.uint8)
    out[: len(bits)] = bits
    return out


@dataclass(frozen=True, slots=True)
class Parities:
    """All that can be disclosed of one frame: parities of the half rows (2 rows, lift), and its hash."""

    halves: Bits
    tag: int

    def first(self, plan: Plan) -> Bits:
        """What is disclosed of every frame."""
        return (self.halves[0::2] ^ self.halves[1::2]).ravel()[: plan.checks]

    def more(self, plan: Plan) -> Bits:
        """What is disclosed of a frame that resists."""
        return self.halves[2 * plan.split_rows].ravel()


def parities(bits: Bits, plan: Plan, words: NDArray[np.uint32]) -> Parities:
    """Parities and hash of the bits of one frame."""
    loops, code = kernels(), plan.code
    halves = loops.half_parities(padded(bits, plan), code.start, code.column, code.shift, code.lift)
    return Parities(halves, int(loops.tag(np.ascontiguousarray(bits), words)))


@dataclass(frozen=True, slots=True)
class Layers:
    """Rows and half rows in the order of decoding: their entries, their odd checks (-1, others 0), and the
    largest message of each check, 0 where its parity is unknown; (layers, lift) each."""

    begin: Indices
    end: Indices
    syndromes: NDArray[np.int16]
    limits: NDArray[np.int16]


def layers(plan: Plan, first: Bits, more: Bits | None) -> Layers:
    """The layers of a frame: `first` and `more` are the differences of what was disclosed."""
    code, loops = plan.code, kernels()
    odd, limits = (np.zeros((code.rows, code.lift), np.int16) for _ in range(2))
    odd.ravel()[: plan.checks] = first
    limits.ravel()[: plan.checks] = loops.LIMIT
    begin, end = code.start[0:-1:2].copy(), code.start[2::2].copy()
    if more is not None:
        halves, split = more.reshape(plan.split, code.lift).astype(np.int16), plan.split_rows
        odd[split] ^= halves
        begin[split] = code.start[2 * split + 1]
        odd, limits = np.concatenate([odd, halves]), np.concatenate([limits, limits[split]])
        begin = np.concatenate([begin, code.start[2 * split]])
        end = np.concatenate([end, code.start[2 * split + 1]])
    return Layers(begin, end, -odd, limits)


def channel(plan: Plan, size: int) -> NDArray[np.int16]:
    """Log-likelihood ratios before decoding, (columns, lift): that of the error rate, the largest for
    what was filled up."""
    loops = kernels()
    out = np.full(plan.code.length, loops.LIMIT, np.int16)
    out[:size] = round(loops.SCALE * math.log((1 - plan.qber) / plan.qber))
    return out.reshape(plan.code.columns, plan.code.lift)


def decode(plan: Plan, size: int, first: Bits, more: Bits | None = None) -> Bits | None:
    """The error pattern of a frame of `size` bits from differences of parities; None if none was found."""
    code, known = plan.code, layers(plan, first, more)
    ratios = channel(plan, size)
    done = kernels().decode(
        known.begin, known.end, code.column, code.shift, known.syndromes, known.limits, ratios, ROUNDS
    )
    return None if done < 0 else (ratios.ravel()[:size] < 0).view(np.uint8)
