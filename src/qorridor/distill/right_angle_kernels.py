"""Compiled passes of the right-angle convolution: bits in, turned points, bits out."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import Bits

Points = NDArray[np.complex128]
SHIFT, MASK = 11, 2047  # of the tables of turns: 2048 fine ones
compiled = numba.njit(cache=True, nogil=True)


@compiled
def load(bits: Bits, points: Points, coarse: Points, fine: Points) -> None:
    """Bit n as the real and bit n + h as the imaginary part of point n, weighted; zeros behind the last bit."""
    half = points.size
    for at in range(half):
        low = float(bits[at]) if at < bits.size else 0.0
        high = float(bits[at + half]) if at + half < bits.size else 0.0
        points[at] = complex(low, high) * coarse[at >> SHIFT] * fine[at & MASK]


@compiled
def twist(points: Points, sign: float, coarse: Points, fine: Points) -> None:
    """Point (row, column) times e^(sign 2 pi i row column / h)."""
    for row in range(points.shape[0]):
        place = 0
        for column in range(points.shape[1]):
            turn = coarse[place >> SHIFT] * fine[place & MASK]
            points[row, column] *= complex(turn.real, sign * turn.imag)
            place += row


@compiled
def unload(points: Points, first: int, bits: Bits, coarse: Points, fine: Points) -> float:
    """Parities of the coefficients from `first` on; returns the largest distance from a whole number."""
    half, worst = points.size, 0.0
    for at in range(bits.size):
        place = first + at
        inside = place - half if place >= half else place
        turn = coarse[inside >> SHIFT] * fine[inside & MASK]
        value = points[inside] * complex(turn.real, -turn.imag)
        found = value.imag if place >= half else value.real
        nearest = np.rint(found)
        worst = max(worst, abs(found - nearest))
        bits[at] = int(nearest) & 1
    return worst
