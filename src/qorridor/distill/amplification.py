"""Privacy amplification: a Toeplitz matrix over GF(2), by Fourier transform, checked to be exact.

T_ij = t[i - j + n - 1]; the modified form (I | T') leaves the first m bits in place and needs a seed of
n - 1 bits for any length. Both ends must get identical bits whatever path computed them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qorridor.distill import right_angle
from qorridor.distill.bits import Bits

RESIDUAL_LIMIT = 0.02
"""Distance from a whole number above which the floating transform is not trusted (it errs from 0.5 on)."""
FLOATING, EXACT, NONE = "right-angle", "modular", "none"


class Amplified(NamedTuple):
    """The key bits, which path computed them ("right-angle", "modular", or "none" where nothing is
    shortened), and the residual of the floating transform."""

    bits: Bits
    method: str
    residual: float


def amplify(seed: Bits, bits: Bits, length: int) -> Amplified:
    """x[:m] xor T' x[m:] with m = `length`, 0 < m <= n; the seed has n - 1 bits. ValueError otherwise."""
    if not 0 < length <= len(bits) or len(seed) != len(bits) - 1:
        raise ValueError("a block of n bits needs a seed of n - 1 bits and a length of 1 to n")
    if length == len(bits):
        return Amplified(bits.copy(), NONE, 0.0)
    rest = toeplitz(seed, bits[length:], length)
    return Amplified(bits[:length] ^ rest.bits, rest.method, rest.residual)


def toeplitz(seed: Bits, bits: Bits, length: int) -> Amplified:
    """T x with m = `length` rows and n = len(bits) columns; the seed has n + m - 1 bits."""
    if len(seed) != len(bits) + length - 1:
        raise ValueError("a Toeplitz matrix of m rows and n columns needs n + m - 1 bits")
    found, residual = right_angle.product(seed, bits, len(bits) - 1, length)
    if np.isfinite(residual) and residual < RESIDUAL_LIMIT:
        return Amplified(found, FLOATING, residual)
    from qorridor.distill import modular  # noqa: PLC0415 - never needed on a machine that calculates rightly

    return Amplified(modular.product(seed, bits, len(bits) - 1, length), EXACT, residual)
