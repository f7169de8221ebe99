"""Exact products of long bit strings by a Fourier transform of half their length.

Real polynomials modulo x^(2h) + 1 are complex ones modulo x^h - i: the upper half of the coefficients stands
as the imaginary part of the lower (right-angle convolution, Crandall and Fagin 1994, section 6). Weights
e^(i pi n / 2h) make that cyclic. The transform of h = rows x columns points goes over rows and columns with
twiddle factors in between (Bailey 1990): each pass stays in the processor's cache, and as only products are
wanted, nothing is ever brought into order.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import Bits

Points = NDArray[np.complex128]
_FINE = 2048
_LONGEST = 1 << 16


class _Turns(NamedTuple):
    """e^(2 pi i k / whole) for 0 <= k < count as coarse[k // 2048] * fine[k % 2048]."""

    coarse: Points
    fine: Points


class Layout(NamedTuple):
    """Rows and columns of a transform, the turns of its weights and of its twiddle factors."""

    rows: int
    columns: int
    weights: _Turns
    twiddles: _Turns


def product(left: Bits, right: Bits, first: int, count: int) -> tuple[Bits, float]:
    """Coefficients `first` .. `first + count - 1` of the product of two bit strings over the integers, modulo 2,
    and the largest distance of a computed coefficient from a whole number.

    The product wraps around at len(left): only coefficients from len(right) - 1 on are those of the full
    product, so `first` >= len(right) - 1 and first + count <= len(left), len(right) <= len(left).
    """
    layout = _layout(-(-len(left) // 2))
    transformed = _forward(left, layout)
    transformed *= _forward(right, layout)
    return _backward(transformed, layout, first, count)


def _forward(bits: Bits, layout: Layout) -> Points:
    points = np.empty((layout.rows, layout.columns), np.complex128)
    _kernels().load(np.ascontiguousarray(bits), points.reshape(-1), *layout.weights)
    np.fft.fft(points, axis=0, out=points)
    _kernels().twist(points, -1.0, *layout.twiddles)
    return np.fft.fft(points, axis=1, out=points)


def _backward(points: Points, layout: Layout, first: int, count: int) -> tuple[Bits, float]:
    np.fft.ifft(points, axis=1, out=points)
    _kernels().twist(points, 1.0, *layout.twiddles)
    np.fft.ifft(points, axis=0, out=points)
    bits = np.empty(count, np.uint8)
    residual = _kernels().unload(points.reshape(-1), first, bits, *layout.weights)
    return bits, float(residual)


@lru_cache(maxsize=4)
def _layout(least: int) -> Layout:
    rows, columns = _shape(least)
    points = rows * columns
    return Layout(rows, columns, _turns(4 * points, points), _turns(points, points))


def _shape(least: int) -> tuple[int, int]:
    """Rows and columns of the smallest transform of at least `least` points, near to a square."""
    side = math.isqrt(least)
    shapes = [(rows, _next_size(-(-least // rows))) for rows in _sizes() if side // 2 <= rows <= 2 * side + 1]
    return min(shapes, key=lambda shape: (shape[0] * shape[1], abs(shape[0] - shape[1])))


def _turns(whole: int, count: int) -> _Turns:
    turn = 2j * np.pi / whole
    return _Turns(np.exp(turn * np.arange(0, count, _FINE)), np.exp(turn * np.arange(_FINE)))


def _next_size(least: int) -> int:
    return next(size for size in _sizes() if size >= least)


@lru_cache(maxsize=1)
def _sizes() -> list[int]:
    """Lengths up to 2^16 of factors 2, 3 and 5, of the latter two at most two each."""
    sizes = (2**a * 3**b * 5**c for a in range(17) for b in range(3) for c in range(3))
    return sorted(size for size in sizes if size <= _LONGEST)


def _kernels() -> ModuleType:
    from qorridor.distill import right_angle_kernels  # noqa: PLC0415 - a node never loads a compiler

    return right_angle_kernels
