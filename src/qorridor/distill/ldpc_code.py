"""Quasi-cyclic low-density parity-check codes that are a function of three numbers: rows, columns, lift.

A code has `columns` x `lift` bits and `rows` x `lift` checks. A base matrix says which column of bits stands
in which row of checks, and each of its entries is a square of `lift` bits with one diagonal, turned by a public
shift. Nothing is stored but the shares below.

    degree of a column   2 (a path through the rows), 3, 5, 8 or 18; shares interpolated between ensembles
    rows of a column     those with the fewest entries so far
    shifts               from a public stream; a shift that closes a cycle of four checks and bits is drawn
                         again, as is one that closes a cycle of six with columns of degree 2 and 3

Each row has two halves. Parities of whole rows are disclosed first; the parity of a half, disclosed later, turns
its row into two shorter ones, which is how a frame that resists is told more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import expand

Indices = NDArray[np.int32]
SEED = b"qorridor ldpc 1"
"""Public; another seed is another family of codes."""
DEGREES = (2, 3, 5, 8, 18)
DEGREE_MOST = DEGREES[-1]
ENSEMBLES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.090, (0.0810, 0.5075, 0.1166, 0.1135, 0.1814)),
    (0.165, (0.1485, 0.5274, 0.0409, 0.1079, 0.1753)),
    (0.330, (0.2850, 0.4490, 0.0649, 0.0851, 0.1160)),
    (0.460, (0.3800, 0.3548, 0.0992, 0.0799, 0.0860)),
    (0.580, (0.4400, 0.3172, 0.1304, 0.0378, 0.0746)),
)
"""Checks per bit, and the share of columns of each degree. By density evolution in steps of 0.08, long frames fall
below one wrong message in 1,000 at f = 1.10, 1.09, and under 1.05 for the others; what frames of 65,536 bits need was
measured (`ldpc.THRESHOLDS`)."""
_TRIES_FOUR, _TRIES_SIX = 200, 100


@dataclass(frozen=True, slots=True)
class Code:
    """One code. Entries of half h of row r are start[2 r + h] .. start[2 r + h + 1]: in `column` which column of
    bits, in `shift` by how much: check i of the row takes bit (i + shift) mod lift of the column."""

    rows: int
    columns: int
    lift: int
    start: Indices
    column: Indices
    shift: Indices

    @property
    def length(self) -> int:
        """Bits of a frame, shortened ones included."""
        return self.columns * self.lift


def shares(ratio: float) -> list[float]:
    """Share of columns of each degree for `ratio` checks per bit, 0..1, linear between the ensembles."""
    ratios = [at for at, _ in ENSEMBLES]
    table = np.array([row for _, row in ENSEMBLES])
    out = [float(np.interp(ratio, ratios, table[:, which])) for which in range(len(DEGREES))]
    out[0] = min(out[0], 0.9 * ratio)
    return out


def degrees(rows: int, columns: int) -> list[int]:
    """Degree of each column, in the order in which columns are made; no more than there are rows."""
    counts = [round(share * columns) for share in shares(rows / columns)]
    counts[0] = min(counts[0], rows - 1)
    counts[1] += columns - sum(counts)
    return [min(degree, rows) for degree, count in zip(DEGREES, counts, strict=True) for _ in range(count)]


@lru_cache(maxsize=8)
def make_code(rows: int, columns: int, lift: int, seed: bytes = SEED) -> Code:
    """The code of these dimensions: 4 <= rows < columns, lift >= 1."""
    return _Maker(rows, columns, lift, seed).run()


class _Stream:
    """Public numbers from a seed, 4 bytes each."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._block = seed, 0
        self._numbers: Iterator[int] = iter(())

    def below(self, limit: int) -> int:
        """The next number, taken modulo `limit`; the bias is below 2^-20 and harms nothing that is public."""
        for number in self._numbers:
            return number % limit
        data = expand(self._seed, f"ldpc {self._block}", 4096)
        self._block += 1
        self._numbers = iter(np.frombuffer(data, ">u4").tolist())
        return self.below(limit)


@dataclass(slots=True)
class _Maker:
    """`seen[r, s]` has bit d set where some column has entries in rows r and s whose shifts differ by d."""

    rows: int
    columns: int
    lift: int
    seed: bytes
    seen: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def run(self) -> Code:
        """Column after column, the lightest first."""
        name = f"{self.rows} {self.columns} {self.lift}"
        stream = _Stream(self.seed + name.encode())
        entries: list[list[tuple[int, int]]] = [[] for _ in range(self.rows)]
        for column, degree in enumerate(degrees(self.rows, self.columns)):
            rows = self._choose(column, degree, entries, stream)
            shifts = self._turn(rows, stream)
            for row, shift in zip(rows, shifts, strict=True):
                entries[row].append((column, shift))
        return self._code(entries)

    def _choose(
        self, column: int, degree: int, entries: list[list[tuple[int, int]]], stream: _Stream
    ) -> list[int]:
        """Rows of a column: the next two of the path, or those with the fewest entries, ties at random."""
        if degree == DEGREES[0]:
            return [column % self.rows, (column + 1) % self.rows]
        order = sorted((len(row), stream.below(1 << 30), at) for at, row in enumerate(entries))
        return [at for _, _, at in order[:degree]]

    def _turn(self, rows: list[int], stream: _Stream) -> list[int]:
        """Shifts of a column's entries; the last drawn stays where a small lift leaves no good one."""
        shifts: list[int] = []
        for at, row in enumerate(rows):
            others = list(zip(rows[:at], shifts, strict=True))
            closed = [self._closed(row, other, short=len(rows) <= DEGREES[1]) for other, _ in others]
            shift = 0
            for tries in range(_TRIES_FOUR):
                shift = stream.below(self.lift)
                which = 0 if tries < _TRIES_SIX else 1
                if not any(
                    mask[which] >> (shift - known) % self.lift & 1
                    for mask, (_, known) in zip(closed, others, strict=True)
                ):
                    break
            shifts.append(shift)
        self._note(rows, shifts)
        return shifts

    def _note(self, rows: list[int], shifts: list[int]) -> None:
        for at, row in enumerate(rows):
            for other, shift in zip(rows, shifts, strict=True):
                if other != row:
                    self.seen[row, other] |= 1 << (shifts[at] - shift) % self.lift

    def _closed(self, row: int, other: int, *, short: bool) -> tuple[int, int]:
        """Differences of shift that would close a cycle of six or four, and of four alone."""
        four = self.seen[row, other]
        if not short:
            return four, four
        six = four
        for between in range(self.rows):
            first, second = self.seen[row, between], self.seen[between, other]
            while first and second:
                lowest = first & -first
                six |= self._turned(second, lowest.bit_length() - 1)
                first ^= lowest
        return six, four

    def _turned(self, mask: int, by: int) -> int:
        return ((mask << by) | (mask >> (self.lift - by))) & ((1 << self.lift) - 1)

    def _code(self, entries: list[list[tuple[int, int]]]) -> Code:
        halves = [row[half::2] for row in entries for half in (0, 1)]
        flat = np.array([entry for half in halves for entry in half], np.int32).reshape(-1, 2)
        start = np.cumsum([0, *map(len, halves)]).astype(np.int32)
        column, shift = (np.ascontiguousarray(flat[:, which]) for which in (0, 1))
        return Code(self.rows, self.columns, self.lift, start, column, shift)
