"""Messages of a roll-over on the control channel: CBOR([type, body, mac]), strictly read.

STATUS both ways first; PREPARE -> CONFIRM; COMMIT -> INSTALLED; DONE -> ACK; ABORT -> ACK; STATE.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from qorridor.base import cbor

TYPES = ("STATUS", "PREPARE", "CONFIRM", "COMMIT", "INSTALLED", "DONE", "ACK", "ABORT", "STATE")
LIMIT = 64 * 1024
_KINDS: dict[str, type] = {
    "epoch": int, "journal": int, "state_seq": int, "suites": list, "key_ids": list, "path": list, "tunnel": list,
    "suite": str, "mode": str, "policy_id": str, "cause": str, "policy_digest": bytes, "nonce": bytes,
    "ek": bytes, "dh": bytes, "ct": bytes, "record": bytes, "public": bytes,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One message; `body` holds the exact bytes that the transcript hashes."""

    kind: str
    body: bytes
    mac: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the control channel."""
        return cbor.encode([self.kind, self.body, self.mac])

    def fields(self, *names: str) -> list[Any]:
        """The named fields of the body, exactly these and each of its type; raises ValueError otherwise."""
        value = cbor.decode(self.body)
        if not isinstance(value, dict) or set(value) != set(names):
            raise ValueError(f"{self.kind} does not hold the fields {', '.join(names)}")
        for name in names:
            _check(name, value[name])
        return [value[name] for name in names]


def _check(name: str, value: cbor.Value) -> None:
    """Integers fit a database, key_IDs are byte strings: nothing that is read here fails later."""
    if type(value) is not _KINDS[name]:
        raise ValueError(f"{name} is no {_KINDS[name].__name__}")
    if isinstance(value, int) and not 0 <= value < 1 << 53:
        raise ValueError(f"{name} is out of range")
    if name == "key_ids" and not all(isinstance(item, bytes) for item in value):  # type: ignore[union-attr]
        raise ValueError("key_ids are byte strings")


def frame(kind: str, mac: bytes = b"", **fields: cbor.Value) -> Frame:
    """A message with these body fields."""
    return Frame(kind, cbor.encode(fields), mac)


def read_frame(data: bytes) -> Frame:
    """One message; raises ValueError for anything else."""
    if len(data) > LIMIT:
        raise ValueError("the message is too large")
    match cbor.decode(data):
        case [str(kind), bytes(body), bytes(mac)] if kind in TYPES and len(mac) in {0, 48}:
            return Frame(kind, body, mac)
    raise ValueError("this is no message of a roll-over")


def transcript(prepare: Frame, confirm: Frame) -> bytes:
    """T = H(u32(len P) || P || u32(len C) || C) over the exact bodies (context field 13)."""
    parts = b"".join(len(item.body).to_bytes(4, "big") + item.body for item in (prepare, confirm))
    return hashlib.sha384(parts).digest()
