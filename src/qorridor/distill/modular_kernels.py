"""Compiled number-theoretic transform modulo p = 15 * 2^27 + 1, in place and in uint64."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Residues = NDArray[np.uint64]
PRIME = np.uint64(2013265921)
GENERATOR = np.uint64(31)
compiled = numba.njit(cache=True, nogil=True)


@compiled
def power(base: np.uint64, exponent: np.uint64) -> np.uint64:
    """base^exponent modulo p."""
    result = np.uint64(1)
    while exponent:
        if exponent & np.uint64(1):
            result = result * base % PRIME
        base = base * base % PRIME
        exponent >>= np.uint64(1)
    return result


@compiled
def forward(values: Residues) -> None:
    """Decimation in frequency: natural order in, bit-reversed order out."""
    span = values.size // 2
    while span:
        root = power(GENERATOR, (PRIME - np.uint64(1)) // np.uint64(2 * span))
        turns = _turns(root, span)
        for start in range(0, values.size, 2 * span):
            for at in range(span):
                low, high = values[start + at], values[start + at + span]
                values[start + at] = (low + high) % PRIME
                values[start + at + span] = (low + PRIME - high) * turns[at] % PRIME
        span //= 2


@compiled
def backward(values: Residues) -> None:
    """The inverse: bit-reversed order in, natural order out."""
    span = 1
    while span < values.size:
        root = power(GENERATOR, (PRIME - np.uint64(1)) // np.uint64(2 * span))
        turns = _turns(power(root, PRIME - np.uint64(2)), span)
        for start in range(0, values.size, 2 * span):
            for at in range(span):
                low, high = values[start + at], values[start + at + span] * turns[at] % PRIME
                values[start + at] = (low + high) % PRIME
                values[start + at + span] = (low + PRIME - high) % PRIME
        span *= 2
    scale = power(np.uint64(values.size), PRIME - np.uint64(2))
    for at in range(values.size):
        values[at] = values[at] * scale % PRIME


@compiled
def _turns(root: np.uint64, count: int) -> Residues:
    out = np.empty(count, np.uint64)
    turn = np.uint64(1)
    for at in range(count):
        out[at] = turn
        turn = turn * root % PRIME
    return out


@compiled
def multiply(values: Residues, other: Residues) -> None:
    """Point by point, into the first."""
    for at in range(values.size):
        values[at] = values[at] * other[at] % PRIME
