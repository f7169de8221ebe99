"""What the LDPC code and decoder must equal, written plainly: dense matrices, one check after the other, and the
most likely error pattern by trying all of them.

Oracles of the compiled loops; nothing in production calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import combinations
from typing import NamedTuple

import numpy as np

from qorridor.distill.bits import Bits
from qorridor.distill.ldpc import Plan
from qorridor.distill.ldpc_code import Code

LIMIT, SCALE = 800, 64
Combine = Callable[[float, float], float]


class Check(NamedTuple):
    """Places of its bits, and its parity, None where that is unknown."""

    places: list[int]
    odd: int | None


def half_matrix(code: Code) -> Bits:
    """All checks of all half rows as a dense matrix, (2 rows x lift, columns x lift)."""
    out = np.zeros((2 * code.rows * code.lift, code.length), np.uint8)
    for half in range(2 * code.rows):
        for entry in range(code.start[half], code.start[half + 1]):
            for check in range(code.lift):
                place = code.column[entry] * code.lift + (check + code.shift[entry]) % code.lift
                out[half * code.lift + check, place] ^= 1
    return out


def softened(a: float, b: float) -> float:
    """Whole-number magnitude of a sum of two bits, with the straight pieces of the fast code."""
    pieces = [max(44 - (int(x) >> 1), 37 - (int(x) >> 2), 25 - (int(x) >> 3), 0) for x in (a + b, abs(a - b))]
    return min(a, b) + pieces[0] - pieces[1]


def exact(a: float, b: float) -> float:
    """Magnitude of a sum of two bits by the tanh rule."""
    product = math.tanh(a / 2 / SCALE) * math.tanh(b / 2 / SCALE)
    return LIMIT if product == 1 else 2 * SCALE * math.atanh(product)


def decode_plainly(
    plan: Plan, size: int, first: Bits, more: Bits | None = None, *, rounds: int, combine: Combine
) -> Bits | None:  # fmt: skip
    """The error pattern of a frame of `size` bits, None if none was found in `rounds` rounds."""
    known = round(SCALE * math.log((1 - plan.qber) / plan.qber))
    belief: list[float] = [known if place < size else LIMIT for place in range(plan.code.length)]
    checks = _checks(plan, first, more)
    told: list[list[float]] = [[0] * len(check.places) for check in checks]
    for _ in range(rounds):
        wrong = sum(_visit(check, told[at], belief, combine) for at, check in enumerate(checks))
        if not wrong and not any(_fails(check, belief) for check in checks):
            return np.array([value < 0 for value in belief[:size]], np.uint8)
    return None


def _fails(check: Check, belief: list[float]) -> bool:
    return check.odd is not None and sum(belief[place] < 0 for place in check.places) % 2 != check.odd


def _visit(check: Check, told: list[float], belief: list[float], combine: Combine) -> bool:
    """Renew the messages of one check; returns whether it failed before."""
    if check.odd is None:
        return False
    failed = _fails(check, belief)
    heard = [belief[place] - own for place, own in zip(check.places, told, strict=True)]
    odd = (check.odd + sum(value < 0 for value in heard)) % 2
    sizes = [abs(value) for value in heard]
    for at, place in enumerate(check.places):
        sides = [reduce(combine, side) for side in (sizes[:at], sizes[:at:-1]) if side]
        size = min(LIMIT, reduce(combine, sides))
        told[at] = -size if odd != (heard[at] < 0) else size
        belief[place] = heard[at] + told[at]
    return failed


def _checks(plan: Plan, first: Bits, more: Bits | None) -> list[Check]:
    """Every check in the order of decoding: whole rows or their second halves, then first halves."""
    code = plan.code
    split = [] if more is None else plan.split_rows.tolist()
    late: list[Check] = []
    checks: list[Check] = []
    for row in range(code.rows):
        for lane in range(code.lift):
            at = row * code.lift + lane
            odd = int(first[at]) if at < plan.checks else None
            halves = [_places(code, 2 * row + half, lane) for half in (0, 1)]
            if row in split and odd is not None and more is not None:
                told = int(more[split.index(row) * code.lift + lane])
                late.append(Check(halves[0], told))
                checks.append(Check(halves[1], odd ^ told))
            else:
                checks.append(Check(halves[0] + halves[1], odd))
    return checks + late


def _places(code: Code, half: int, lane: int) -> list[int]:
    entries = range(code.start[half], code.start[half + 1])
    return [int(code.column[at]) * code.lift + (lane + int(code.shift[at])) % code.lift for at in entries]


def most_likely(matrix: Bits, syndrome: Bits) -> list[tuple[int, ...]]:
    """The lightest error patterns that explain a syndrome, as tuples of places; every pattern is tried."""
    for weight in range(matrix.shape[1] + 1):
        found = [
            places
            for places in combinations(range(matrix.shape[1]), weight)
            if not ((matrix[:, list(places)].sum(axis=1) & 1) ^ syndrome).any()
        ]
        if found:
            return found
    return []
