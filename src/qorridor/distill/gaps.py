"""Slot numbers as gaps in Rice code: low bytes in one stream, quotients in unary in another.

About log2(mean gap) + 1.6 bits a detection; parameter 8, 16, 24 or 32 bits so that numpy can do it.
"""

from __future__ import annotations

import numpy as np

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Places

_HEAD = 13  # u64 first slot, u32 count, u8 low bytes
_MOST = 1 << 26


def encode_slots(slots: Places) -> bytes:
    """Strictly increasing slots >= 0 as bytes; ValueError otherwise."""
    if len(slots) == 0:
        return bytes(_HEAD)
    gaps = np.diff(slots) - 1
    if int(slots[0]) < 0 or (gaps < 0).any():
        raise ValueError("slots must be strictly increasing and not negative")
    low = _low_bytes(gaps)
    quotients = gaps >> (8 * low)
    ends = np.cumsum(quotients + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1 if len(ends) else 0, np.uint8)
    unary[ends] = 1
    head = int(slots[0]).to_bytes(8, "big") + len(slots).to_bytes(4, "big") + bytes([low])
    columns = gaps.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :low]
    return head + np.ascontiguousarray(columns).tobytes() + np.packbits(unary).tobytes()


def _low_bytes(gaps: Places) -> int:
    mean = float(gaps.mean()) if len(gaps) else 0.0
    return next((size for size in (1, 2, 3) if mean < 1.5 * 256**size), 4)


def decode_slots(data: bytes) -> Places:
    """The slots; BlockAbort(protocol) unless `data` is exactly what encode_slots writes."""
    if len(data) < _HEAD:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement is too short")
    first, count, low = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big"), data[12]
    slots = _decode(data[_HEAD:], first, count, low) if count else np.empty(0, np.int64)
    rising = not count or (int(slots[0]) >= 0 and bool((np.diff(slots) > 0).all()))
    if not rising or encode_slots(slots) != data:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement is not in canonical form")
    return slots


def _decode(body: bytes, first: int, count: int, low: int) -> Places:
    gaps = count - 1
    if count > _MOST or not 1 <= low <= 4 or len(body) < gaps * low or first >= 1 << 62:
        raise BlockAbort(Cause.PROTOCOL, "slot announcement has impossible sizes")
    columns = np.zeros((gaps, 8), np.uint8)
    columns[:, :low] = np.frombuffer(body, np.uint8, gaps * low).reshape(gaps, low)
    unary = np.unpackbits(np.frombuffer(body, np.uint8, offset=gaps * low))
    ends = np.flatnonzero(unary)
    if len(ends) != gaps:
        raise BlockAbort(Cause.PROTOCOL, f"{len(ends)} gaps announced instead of {gaps}")
    quotients = np.diff(ends, prepend=-1) - 1
    values = columns.reshape(-1).view("<u8").astype(np.int64) + (quotients << (8 * low))
    return np.concatenate([[first], first + np.cumsum(values + 1)]).astype(np.int64)
