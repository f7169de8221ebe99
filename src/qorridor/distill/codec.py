"""One message of the classical channel: a header that can have one value only, then the payload.

    u8 version | u8 kind | u8 direction | 16 B block id | u64 block sequence | u32 turn
    | link | sender | receiver (each u8 length, ASCII) | u32 payload length | payload

A receiver knows every byte of the header it waits for (a strict window): anything else is no message of
this turn. Payloads are lists of byte strings, each with its u32 length.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from qorridor.distill.aborts import BlockAbort, Cause

VERSION = 1
MESSAGE_MOST = 1 << 27
_BLOCK = slice(3, 19)
_SEQUENCE = slice(19, 27)


class Kind(IntEnum):
    """What a message is for, in the order of the protocol."""

    OPEN = 1
    DETECTIONS = 2
    SIFT = 3
    ESTIMATE = 4
    RECONCILE = 5
    PARITY = 6
    VERIFY = 7
    VERDICT = 8
    AMPLIFY = 9
    AUTH = 10
    COMMIT = 11
    DONE = 12
    ABORT = 13
    SYNDROME = 14  # with FRAMES the other way of reconciling, in place of PARITY
    FRAMES = 15


class Direction(IntEnum):
    """Which way a message travels."""

    TO_RECEIVER = 0
    TO_TRANSMITTER = 1


@dataclass(frozen=True, slots=True)
class Names:
    """Who speaks on which link: names of the estate, 1..255 ASCII characters."""

    link: str
    transmitter: str
    receiver: str

    def pair(self, direction: Direction) -> tuple[str, str]:
        """Sender and receiver of a message in this direction."""
        ends = (self.transmitter, self.receiver)
        return ends if direction == Direction.TO_RECEIVER else ends[::-1]


def header(names: Names, block: tuple[bytes, int], *, kind: Kind, direction: Direction, turn: int) -> bytes:
    """The header up to the payload length; `block` is (block id, block sequence)."""
    block_id, sequence = block
    start = bytes([VERSION, kind, direction]) + block_id + sequence.to_bytes(8, "big")
    out = start + turn.to_bytes(4, "big")
    for name in (names.link, *names.pair(direction)):
        out += bytes([len(name)]) + name.encode("ascii")
    return out


def join(parts: list[bytes]) -> bytes:
    """Length-prefixed parts, one after the other."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def split(payload: bytes, count: int) -> list[bytes]:
    """Exactly `count` parts; BlockAbort(protocol) for anything else."""
    parts: list[bytes] = []
    at = 0
    while at + 4 <= len(payload) and len(parts) <= count:
        end = at + 4 + int.from_bytes(payload[at : at + 4], "big")
        parts.append(payload[at + 4 : end])
        at = end
    if at != len(payload) or len(parts) != count:
        raise BlockAbort(Cause.PROTOCOL, "a message has other parts than its kind wants")
    return parts


def opened(message: bytes) -> tuple[bytes, int]:
    """Block id and sequence of an OPEN message, before its header is checked byte for byte."""
    if len(message) < _SEQUENCE.stop:
        raise BlockAbort(Cause.PROTOCOL, "a message is shorter than its header")
    return message[_BLOCK], int.from_bytes(message[_SEQUENCE], "big")


def payload_of(message: bytes, expected: bytes) -> bytes:
    """The payload behind exactly this header; raises BlockAbort(protocol or peer-aborted)."""
    end = len(expected) + 4
    if message[: len(expected)] != expected:
        raise _unexpected(message)
    if len(message) - end != int.from_bytes(message[len(expected) : end], "big"):
        raise BlockAbort(Cause.PROTOCOL, "a message has another length than it says")
    return message[end:]


def _unexpected(message: bytes) -> BlockAbort:
    if len(message) > 1 and message[:2] == bytes([VERSION, Kind.ABORT]):
        return BlockAbort(Cause.PEER, "the peer has aborted the block")
    return BlockAbort(Cause.PROTOCOL, "a message of another turn, block, link or sender arrived")
