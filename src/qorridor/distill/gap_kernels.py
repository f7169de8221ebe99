"""Compiled inner loops of the gap code (numba): one pass over the slots each way, no array in between."""

from __future__ import annotations

import numba
import numpy as np

from qorridor.distill.bits import Bits, Places

FINE, TOO_FEW, NOT_CANONICAL, TOO_LARGE = 0, 1, 2, 3
compiled = numba.njit(cache=True, nogil=True)


@compiled
def is_rising(slots: Places) -> bool:
    """Whether slots are not negative and strictly increasing."""
    for at in range(1, slots.size):
        if slots[at] <= slots[at - 1]:
            return False
    return slots.size == 0 or slots[0] >= 0


@compiled
def unary_bits(slots: Places, low: int) -> int:
    """Bits of the quotients in unary, with `low` bytes of each gap stored beside."""
    total = 0
    for at in range(1, slots.size):
        total += ((slots[at] - slots[at - 1] - 1) >> (8 * low)) + 1
    return total


@compiled
def write(slots: Places, low: int, remainders: Bits, unary: Bits) -> None:
    """Fill both zeroed streams."""
    bit = 0
    for at in range(1, slots.size):
        gap = slots[at] - slots[at - 1] - 1
        for byte in range(low):
            remainders[(at - 1) * low + byte] = (gap >> (8 * byte)) & 255
        bit += gap >> (8 * low)
        unary[bit >> 3] |= np.uint8(128 >> (bit & 7))
        bit += 1


@compiled
def read(first: int, low: int, remainders: Bits, unary: Bits, slots: Places) -> int:
    """Fill `slots`; says why the streams are not what `write` makes of some slots, FINE when they are."""
    slots[0], bit, bits = first, 0, 8 * unary.size
    for at in range(1, slots.size):
        start = bit
        while bit < bits and not unary[bit >> 3] & (128 >> (bit & 7)):
            bit += 1
        if bit == bits:
            return TOO_FEW
        gap = np.int64((bit - start) << (8 * low))
        for byte in range(low):
            gap |= np.int64(remainders[(at - 1) * low + byte]) << (8 * byte)
        slots[at] = slots[at - 1] + gap + 1
        if slots[at] >= 1 << 62:
            return TOO_LARGE
        bit += 1
    if unary.size != (bit + 7) >> 3:
        return NOT_CANONICAL
    while bit < bits:  # the fill of the last byte
        if unary[bit >> 3] & (128 >> (bit & 7)):
            return NOT_CANONICAL
        bit += 1
    return FINE
