"""The same products of bit strings without rounding: a number-theoretic transform modulo 15 * 2^27 + 1.

Slower than floating point and exact for up to 2^27 coefficients; the path that is taken when a residual says
that floating point cannot be trusted.
"""

from __future__ import annotations

import numpy as np

from qorridor.distill import modular_kernels as loops
from qorridor.distill.bits import Bits

MOST = 1 << 27


def product(left: Bits, right: Bits, first: int, count: int) -> Bits:
    """As `right_angle.product`, each coefficient exact; ValueError for more than 2^27 coefficients."""
    size = 1 << max(1, (len(left) - 1).bit_length())
    if size > MOST:
        raise ValueError(f"{len(left)} coefficients, at most {MOST} are exact")
    transformed = _padded(left, size)
    other = _padded(right, size)
    loops.forward(transformed)
    loops.forward(other)
    loops.multiply(transformed, other)
    loops.backward(transformed)
    return (transformed[first : first + count] & np.uint64(1)).astype(np.uint8)


def _padded(bits: Bits, size: int) -> loops.Residues:
    out = np.zeros(size, np.uint64)
    out[: len(bits)] = bits
    return out
