"""Privacy amplification: a Toeplitz matrix over GF(2), by Fourier transform, checked to be exact.

T_ij = t[i - j + n - 1]; the modified form (I | T') leaves the first m bits in place and needs a seed of
n - 1 bits for any length. Both ends must get identical bits whatever path computed them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qorridor.distill.bits import Bits

RESIDUAL_LIMIT = 0.02  # distance from an integer above which the float transform is not trusted


class Amplified(NamedTuple):
    """The key bits, which path computed them ("fft" or "exact"), and the residual of the transform."""

    bits: Bits
    method: str
    residual: float


def amplify(seed: Bits, bits: Bits, length: int) -> Amplified:
    """x[:m] xor T' x[m:] with m = `length`, 0 < m <= n; the seed has n - 1 bits. ValueError otherwise."""
    if not 0 < length <= len(bits) or len(seed) != len(bits) - 1:
        raise ValueError("a block of n bits needs a seed of n - 1 bits and a length of 1 to n")
    if length == len(bits):
        return Amplified(bits.copy(), "none", 0.0)
    rest = toeplitz(seed, bits[length:], length)
    return Amplified(bits[:length] ^ rest.bits, rest.method, rest.residual)


def toeplitz(seed: Bits, bits: Bits, length: int) -> Amplified:
    """T x with m = `length` rows and n = len(bits) columns; the seed has n + m - 1 bits."""
    if len(seed) != len(bits) + length - 1:
        raise ValueError("a Toeplitz matrix of m rows and n columns needs n + m - 1 bits")
    sums, residual = _convolve(seed, bits, length)
    if residual < RESIDUAL_LIMIT:
        return Amplified((sums & 1).astype(np.uint8), "fft", residual)
    return Amplified(toeplitz_exact(seed, bits, length), "exact", residual)


def _convolve(seed: Bits, bits: Bits, length: int) -> tuple[np.ndarray, float]:
    """Rows n-1 .. n+m-2 of the linear convolution; a cyclic one of n+m-1 points leaves them intact."""
    points = _fast_size(len(seed))
    product = np.fft.rfft(seed.astype(np.float64), points) * np.fft.rfft(bits.astype(np.float64), points)
    window = np.fft.irfft(product, points)[len(bits) - 1 : len(bits) - 1 + length]
    nearest = np.rint(window)
    return nearest.astype(np.int64), float(np.abs(window - nearest).max(initial=0.0))


def _fast_size(least: int) -> int:
    """The smallest 2^a 3^b >= least with b <= 2: transforms of such sizes are fast."""
    return min(factor << max(0, (-(-least // factor) - 1).bit_length()) for factor in (1, 3, 9))


def toeplitz_exact(seed: Bits, bits: Bits, length: int) -> Bits:
    """The same by XOR of seed windows, in whole bytes of eight shifted copies: exact, seconds at 10^6."""
    size = -(-length // 8)
    padded = np.concatenate([seed, np.zeros(16, np.uint8)])
    shifted = [np.packbits(padded[shift:]) for shift in range(8)]
    total = np.zeros(size, np.uint8)
    for column in np.flatnonzero(bits).tolist():
        start = len(bits) - 1 - column
        total ^= shifted[start % 8][start // 8 : start // 8 + size]
    return np.unpackbits(total)[:length]
