"""Bit arrays (uint8 of 0 and 1), their packed bytes (most significant bit first), public expansion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qorridor.distill.aborts import BlockAbort, Cause

Bits = NDArray[np.uint8]
Places = NDArray[np.int64]


def pack(bits: Bits) -> bytes:
    """Eight bits a byte, most significant first, the last byte filled with zeros."""
    return np.packbits(bits).tobytes()


def unpack(data: bytes, count: int) -> Bits:
    """Exactly `count` bits; the fill bits must be zero, so that equal bits are equal bytes."""
    if len(data) != -(-count // 8):
        raise BlockAbort(Cause.PROTOCOL, f"{len(data)} bytes where {count} bits were due")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if bits[count:].any():
        raise BlockAbort(Cause.PROTOCOL, "fill bits of a bit string are not zero")
    return bits[:count]


def expand(seed: bytes, label: str, size: int) -> bytes:
    """`size` public bytes from a public seed: SHAKE-256, the same at both ends and in every version."""
    return hashlib.shake_256(label.encode() + b"\0" + seed).digest(size)


def shuffle(seed: bytes, label: str, size: int) -> Places:
    """A public permutation of 0..size-1, size at most 2^16: the order of 48-bit keys, ties kept in place."""
    keys = np.frombuffer(expand(seed, label, 8 * size), ">u8").astype(np.uint64)
    tagged = (keys & ~np.uint64(0xFFFF)) | np.arange(size, dtype=np.uint64)
    return (np.sort(tagged) & np.uint64(0xFFFF)).astype(np.int64)


def random_bits(draw: Callable[[int], bytes], count: int) -> Bits:
    """`count` bits of entropy."""
    return np.unpackbits(np.frombuffer(draw(-(-count // 8)), np.uint8))[:count]
