"""Transition records of a corridor: deterministic CBOR, chained by hash, signed by both ends.

Source: contract of roll-over, section 6. A record with one signature is legal only into FAIL_CLOSED.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from qorridor.base import cbor
from qorridor.run.corridor_state import State

CONTEXT = b"qorridor/state/1"
GENESIS = bytes(48)


@dataclass(frozen=True, slots=True)
class Transition:
    """One record; `supply` is (left, floor, keys per roll, interval in ms), `deadline` POSIX seconds or 0."""

    corridor: str
    seq: int
    origin: State
    to: State
    cause: str
    epoch: int
    policy_digest: bytes
    supply: tuple[int, int, int, int]
    proposer: Literal["i", "r"]
    previous: bytes
    deadline: int
    time: int
    signature_i: bytes = b""
    signature_r: bytes = b""

    def payload(self) -> bytes:
        """What both ends sign."""
        return cbor.encode({
            0: "qorridor/state/1", 1: self.corridor, 2: self.seq, 3: str(self.origin), 4: str(self.to),
            5: self.cause, 6: self.epoch, 7: self.policy_digest, 8: list(self.supply), 9: self.proposer,
            10: self.previous, 11: self.deadline, 12: self.time,
        })  # fmt: skip

    @property
    def digest(self) -> bytes:
        """SHA-384 of the payload: the next record's `previous`."""
        return hashlib.sha384(self.payload()).digest()

    def signed(self, role: Literal["i", "r"], signature: bytes) -> Transition:
        """The record with one more signature."""
        return replace(self, **{f"signature_{role}": signature})  # type: ignore[arg-type]

    @property
    def is_complete(self) -> bool:
        """Both signatures, or one where that is enough."""
        if self.to is State.FAIL_CLOSED:
            return bool(self.signature_i or self.signature_r)
        return bool(self.signature_i and self.signature_r)

    def encode(self) -> bytes:
        """Payload and signatures, for the wire and the store."""
        return cbor.encode([self.payload(), self.signature_i, self.signature_r])


def read_transition(data: bytes) -> Transition:
    """A record from the wire or the store; raises ValueError for anything malformed."""
    match cbor.decode(data):
        case [bytes(payload), bytes(signature_i), bytes(signature_r)]:
            fields = cbor.decode(payload)
        case _:
            raise ValueError("this is no transition record")
    match fields:
        case {
            0: "qorridor/state/1", 1: str(corridor), 2: int(seq), 3: str(origin), 4: str(to), 5: str(cause),
            6: int(epoch), 7: bytes(policy), 8: [int(left), int(floor), int(keys), int(interval)],
            9: "i" | "r" as proposer, 10: bytes(previous), 11: int(deadline), 12: int(time),
        } if isinstance(fields, dict) and len(fields) == 13 and _fit(
            seq, epoch, left, floor, keys, interval, deadline, time
        ):  # fmt: skip
            return Transition(
                corridor, seq, State(origin), State(to), cause, epoch, policy, (left, floor, keys, interval),
                proposer, previous, deadline, time, signature_i, signature_r,
            )  # fmt: skip
    raise ValueError("this is no transition record")


def _fit(*numbers: int) -> bool:
    """Numbers that a store and a journal can hold."""
    return all(0 <= number < 1 << 53 for number in numbers)


_WAYS = {
    State.FAIL_CLOSED: {State.HYBRID},
    State.HYBRID: {State.CACHED, State.FAIL_CLOSED},
    State.CACHED: {State.HYBRID, State.PQC_ONLY, State.FAIL_CLOSED},
    State.PQC_ONLY: {State.CACHED, State.HYBRID, State.FAIL_CLOSED},
}
"""Transitions of the contract's table: whatever an end proposes, QKD is never left but through the reserve."""


def follows(record: Transition, last: Transition | None, state: State) -> str:
    """Why `record` cannot come after `last` at an end in `state`; empty when it can."""
    expected = 1 if last is None else last.seq + 1
    if record.seq != expected:
        return "sequence"
    if record.previous != (GENESIS if last is None else last.digest):
        return "chain"
    if record.origin is not state:
        return "origin"
    if record.to not in _WAYS[state]:
        return "way"
    return ""


def times_in(state: State, records: Sequence[Transition], until: float) -> list[tuple[float, float]]:
    """Begin and end of each time in `state` that records in order tell of, POSIX seconds; the last goes on."""
    ends = [float(record.time) for record in records[1:]] + [until]
    return [
        (float(record.time), end) for record, end in zip(records, ends, strict=True) if record.to is state
    ]
