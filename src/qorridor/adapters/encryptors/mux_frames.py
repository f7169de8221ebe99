"""Frames inside a tunnel: many streams on one trunk, every byte with its offset.

    type u8 | stream u32 | offset u64 | length u32 | payload

The end of a stream counts as one more byte of its sequence, so that it is acknowledged like data.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from qorridor.adapters.wire.tls import Stream

_HEAD = struct.Struct("!BIQI")
PAYLOAD_LIMIT = 256 * 1024


class Type(IntEnum):
    """Kinds of frames."""

    HELLO = 1
    """Exporter tag of the connection: both ends see the same TLS connection."""
    RESUME = 2
    """The sender has received this stream up to `offset`."""
    READY = 3
    """No more RESUME follows."""
    OPEN = 4
    DATA = 5
    ACK = 6
    END = 7
    RESET = 8


class MuxFrame(NamedTuple):
    """One frame."""

    kind: Type
    stream: int
    offset: int
    payload: bytes = b""


def pack(frame: MuxFrame) -> bytes:
    """Header and payload."""
    return _HEAD.pack(frame.kind, frame.stream, frame.offset, len(frame.payload)) + frame.payload


async def read(stream: Stream) -> MuxFrame:
    """The next frame; raises ConnectionError for anything that is none, IncompleteReadError at the end."""
    kind, number, offset, size = _HEAD.unpack(await stream.readexactly(_HEAD.size))
    if size > PAYLOAD_LIMIT or kind not in Type._value2member_map_:
        raise ConnectionAbortedError("the tunnel's peer does not speak this version")
    payload = await stream.readexactly(size) if size else b""
    return MuxFrame(Type(kind), number, offset, payload)
