"""The steps that a party yields to its driver, and the classical channel that records what was said.

Send(message)      driver delivers it          reply None
Receive()          driver waits                reply bytes
Collect(count)     receiver: next detections   reply Received
Recall(slots)      transmitter: its memory     reply Recalled
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places
from qorridor.distill.codec import MESSAGE_MOST, Direction, Kind, Names, header, opened, payload_of


@dataclass(frozen=True, slots=True)
class Send:
    """Deliver `message` to the peer."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for the peer's next message."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Wait for the next `count` detections of the receiver's module."""

    count: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask the transmitter's module what it sent in these slots."""

    slots: Places


@dataclass(frozen=True, slots=True)
class Received:
    """Detections in slot order: basis 0 key, 1 test; click 1, 2 or 3 (both detectors)."""

    slots: Places
    bases: Bits
    clicks: Bits


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was sent: intensity index, basis, bit; one entry for each slot asked for."""

    intensities: Bits
    bases: Bits
    bits: Bits


Step: TypeAlias = Send | Receive | Collect | Recall
Reply: TypeAlias = bytes | Received | Recalled | None
T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Reply, T]


class Channel:
    """Messages of one block as one end sees them; turns advance alike at both ends.

    Messages sent at the same moment share a turn; the transcript then has the transmitter's first.
    """

    def __init__(self, names: Names, mine: Direction) -> None:
        self.names, self.mine = names, mine
        self.theirs = Direction(1 - mine)
        self.block = (bytes(16), 0)
        self.turn = self.messages = 0
        self._said = bytearray()
        self._last = 0  # where the last message begins

    def send(self, kind: Kind, payload: bytes) -> Steps[None]:
        """One turn in which only this end speaks."""
        self.turn += 1
        yield from self._out(kind, payload)

    def receive(self, kind: Kind) -> Steps[bytes]:
        """One turn in which only the peer speaks; its payload."""
        self.turn += 1
        payload = yield from self._in(kind)
        return payload

    def exchange(self, kind: Kind, payload: bytes) -> Steps[bytes]:
        """One turn in which both speak at the same moment."""
        self.turn += 1
        own = self._message(kind, payload)
        yield Send(own)
        message = yield from self._next()
        theirs = payload_of(message, self._header(kind, self.theirs))
        for said in (own, message) if self.mine == Direction.TO_RECEIVER else (message, own):
            self._note(said)
        self.messages += 1
        return theirs

    def accept(self, sequence: int) -> Steps[bytes]:
        """The peer's OPEN: adopt its block id if it opens block `sequence`."""
        self.turn += 1
        message = yield from self._next()
        block_id, stated = opened(message)
        self.block = (block_id, sequence)
        if stated != sequence:
            raise BlockAbort(Cause.PROTOCOL, f"block {stated} opened instead of {sequence}")
        payload = payload_of(message, self._header(Kind.OPEN, self.theirs))
        self._note(message)
        return payload

    def last(self) -> Steps[bytes]:
        """The peer's last message, whole and unchecked: what it carries is redundant and has a tag."""
        self.turn += 1
        message = yield from self._next()
        self._note(message)
        return message

    def transcript(self, *, without_last: bool = False) -> memoryview:
        """Every message so far, in order; a tag does not cover the message that carries it.

        A view, to be let go before the next message: a block of 10^7 says some 60 MB.
        """
        return memoryview(self._said)[: self._last if without_last else None].toreadonly()

    def _note(self, message: bytes) -> None:
        self._last = len(self._said)
        self._said += message

    def farewell(self, reason: Cause) -> bytes:
        """The message that tells the peer of an abort; it is a courtesy and carries no authority."""
        return self._message(Kind.ABORT, reason.value.encode())

    def _out(self, kind: Kind, payload: bytes) -> Steps[None]:
        message = self._message(kind, payload)
        self._note(message)
        self.messages += 1
        yield Send(message)

    def _in(self, kind: Kind) -> Steps[bytes]:
        message = yield from self._next()
        payload = payload_of(message, self._header(kind, self.theirs))
        self._note(message)
        return payload

    def _next(self) -> Steps[bytes]:
        message = yield Receive()
        if not isinstance(message, bytes) or len(message) > MESSAGE_MOST:
            raise BlockAbort(Cause.PROTOCOL, "the driver handed over no message")
        return message

    def _header(self, kind: Kind, direction: Direction) -> bytes:
        return header(self.names, self.block, kind=kind, direction=direction, turn=self.turn)

    def _message(self, kind: Kind, payload: bytes) -> bytes:
        return self._header(kind, self.mine) + len(payload).to_bytes(4, "big") + payload
