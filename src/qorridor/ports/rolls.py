"""What a roll-over needs from the world: key exchange, signatures, its own durable rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qorridor.base.secret import Secret
from qorridor.records.events import Event


@dataclass(frozen=True, slots=True)
class RollRow:
    """One end's memory of one epoch; `outputs` is sealed by the store, empty when there are none, and the
    store notes when the row was written (`at`, seconds since the epoch of POSIX).

    Phases of the initiator: prepared, committed, installed, done; of the responder: derived,
    committed, done; of both: aborted.
    """

    corridor: str
    epoch: int
    role: str
    phase: str
    outputs: Secret | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class StateRow:
    """One complete or half-signed transition record of a corridor."""

    corridor: str
    seq: int
    record: bytes


Row = Event | RollRow | StateRow

LOOK_BACK = 32
"""Epochs in which the one in use is looked for: a row of aborted ones must not hide it."""


class RollStore(Protocol):
    """The rows of roll-overs in the same database as the keys that they burn."""

    async def write(self, rows: Sequence[Row]) -> None:
        """All rows in one durable transaction."""
        ...

    async def rolls(self, corridor: str, most: int = 3) -> list[RollRow]:
        """The newest rolls of a corridor, newest first."""
        ...

    async def last_state(self, corridor: str) -> StateRow | None:
        """The newest transition record of a corridor."""
        ...

    async def states(self, corridor: str) -> list[StateRow]:
        """All transition records of a corridor that are kept, oldest first."""
        ...

    async def forget_outputs(self, corridor: str, below: int) -> None:
        """Erase the stored outputs of all epochs below `below`."""
        ...


@dataclass(frozen=True, slots=True)
class Shared:
    """Both fresh shared secrets of one epoch: post-quantum and traditional."""

    mlkem: Secret
    traditional: Secret


class Offer(Protocol):
    """The initiator's half of a key exchange."""

    encapsulation_key: bytes
    public: bytes

    def finish(self, ciphertext: bytes, public: bytes) -> Shared:
        """Shared secrets from the responder's answer; raises KeySupplyError for malformed ones."""
        ...


class KeyExchange(Protocol):
    """ML-KEM with a traditional exchange, by suite."""

    def offer(self, suite: str) -> Offer:
        """Fresh keys of the initiator."""
        ...

    def answer(self, suite: str, encapsulation_key: bytes, public: bytes) -> tuple[bytes, bytes, Shared]:
        """(ciphertext, public value, shared secrets) of the responder."""
        ...


class Signer(Protocol):
    """Signatures of one node's state key and verification of the other end's (ML-DSA-65)."""

    def sign(self, message: bytes, context: bytes) -> bytes:
        """A signature of 3309 bytes."""
        ...

    def verify(self, site: str, message: bytes, signature: bytes, context: bytes) -> bool:
        """Whether `site` signed; False for unknown sites."""
        ...
