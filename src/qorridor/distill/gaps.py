"""Slot numbers as gaps in Rice code: low bytes in one stream, quotients in unary in another.

About log2(mean gap) + 1.6 bits a detection; parameter 8, 16, 24 or 32 bits.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Places

_HEAD = 13  # u64 first slot, u32 count, u8 low bytes
_MOST = 1 << 26


def encode_slots(slots: Places) -> bytes:
    """Strictly increasing slots >= 0 as bytes; ValueError otherwise."""
    if len(slots) == 0:
        return bytes(_HEAD)
    loops, slots = _kernels(), np.ascontiguousarray(slots, np.int64)
    if not loops.is_rising(slots):
        raise ValueError("slots must be strictly increasing and not negative")
    low = _low_bytes(slots)
    remainders = np.zeros((len(slots) - 1) * low, np.uint8)
    unary = np.zeros(-(-loops.unary_bits(slots, low) // 8), np.uint8)
    loops.write(slots, low, remainders, unary)
    head = int(slots[0]).to_bytes(8, "big") + len(slots).to_bytes(4, "big") + bytes([low])
    return head + remainders.tobytes() + unary.tobytes()


def _low_bytes(slots: Places) -> int:
    """Bytes of a gap that are stored as they are: the mean gap decides."""
    gaps = len(slots) - 1
    mean = (int(slots[-1]) - int(slots[0]) - gaps) / gaps if gaps else 0.0
    return next((size for size in (1, 2, 3) if mean < 1.5 * 256**size), 4)


def stated_count(data: bytes) -> int:
    """How many slots an announcement says that it holds; 0 where it is too short to say."""
    return int.from_bytes(data[8:12], "big") if len(data) >= _HEAD else 0


def decode_slots(data: bytes) -> Places:
    """The slots; BlockAbort(protocol) unless `data` is exactly what encode_slots writes."""
    if len(data) < _HEAD:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement is too short")
    first, count, low = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big"), data[12]
    if count == 0:
        if data != bytes(_HEAD):
            raise BlockAbort(Cause.PROTOCOL, "slot announcement is not in canonical form")
        return np.empty(0, np.int64)
    return _decode(data[_HEAD:], first, count, low)


def _decode(body: bytes, first: int, count: int, low: int) -> Places:
    gaps = count - 1
    if count > _MOST or not 1 <= low <= 4 or len(body) < gaps * low or first >= 1 << 62:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement has impossible sizes")
    loops, slots = _kernels(), np.empty(count, np.int64)
    remainders = np.frombuffer(body, np.uint8, gaps * low)
    verdict = loops.read(first, low, remainders, np.frombuffer(body, np.uint8, offset=gaps * low), slots)
    if verdict == loops.TOO_FEW:
        raise BlockAbort(Cause.PROTOCOL, f"fewer than the {gaps} gaps that were announced")
    if verdict != loops.FINE or _low_bytes(slots) != low:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement is not in canonical form")
    return slots


def _kernels() -> ModuleType:
    from qorridor.distill import gap_kernels  # noqa: PLC0415 - a node never loads a compiler

    return gap_kernels
