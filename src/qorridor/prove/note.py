"""Checkpoints as signed notes (C2SP tlog-checkpoint, signed-note, tlog-cosignature).

origin          — name base64(key id || signature)
size
base64 root     Ed25519 note signature (0x01) and ML-DSA-44 cosignature (0x06) by the log itself
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from qorridor.base.errors import EvidenceError

ED25519 = 0x01
MLDSA44 = 0x06
_DASH = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def verification_key(name: str, kind: int, public: bytes) -> str:
    """`name+key id+base64(kind || public key)` (signed-note)."""
    encoded = base64.b64encode(bytes([kind]) + public).decode()
    return f"{name}+{_key_id(name, kind, public).hex()}+{encoded}"


def cosigned_message(name: str, origin: str, timestamp: int, size: int, root: bytes) -> bytes:
    """What an ML-DSA-44 cosignature covers: subtree 0 to `size` of `origin`."""
    return (
        b"subtree/v1\n\0" + bytes([len(name)]) + name.encode() + timestamp.to_bytes(8, "big")
        + bytes([len(origin)]) + origin.encode() + (0).to_bytes(8, "big") + size.to_bytes(8, "big") + root
    )  # fmt: skip


class LogSigner:
    """The two keys of one log; its name is its origin."""

    def __init__(self, origin: str, ed: ed25519.Ed25519PrivateKey, ml: mldsa.MLDSA44PrivateKey) -> None:
        self.origin = origin
        self._ed, self._ml = ed, ml

    @property
    def verification_keys(self) -> list[str]:
        """Both public keys as vkeys."""
        return [
            verification_key(self.origin, ED25519, self._ed.public_key().public_bytes_raw()),
            verification_key(self.origin, MLDSA44, self._ml.public_key().public_bytes_raw()),
        ]

    def sign(self, checkpoint: Checkpoint, timestamp: int) -> str:
        """The signed note of a checkpoint."""
        keys = [read_key(text) for text in self.verification_keys]
        ed = self._ed.sign(checkpoint.text.encode())
        message = cosigned_message(
            self.origin, checkpoint.origin, timestamp, checkpoint.size, checkpoint.root
        )
        ml = timestamp.to_bytes(8, "big") + self._ml.sign(message)
        lines = [
            f"{_DASH} {self.origin} {base64.b64encode(key.key_id + signature).decode()}\n"
            for key, signature in zip(keys, (ed, ml), strict=True)
        ]
        return checkpoint.text + "\n" + "".join(lines)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key of a log."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Its four-byte id."""
        return _key_id(self.name, self.kind, self.public)

    def accepts(self, checkpoint: Checkpoint, signature: bytes) -> bool:
        """Whether a signature line of this key verifies."""
        try:
            if self.kind == ED25519:
                ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(
                    signature, checkpoint.text.encode()
                )
            else:
                timestamp = int.from_bytes(signature[:8], "big")
                message = cosigned_message(
                    self.name, checkpoint.origin, timestamp, checkpoint.size, checkpoint.root
                )
                mldsa.MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[8:], message)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_key(text: str) -> VerificationKey:
    """A vkey; raises EvidenceError Q-PROOF-002 for a malformed one."""
    try:
        name, key_id, encoded = text.strip().split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        key = VerificationKey(name, data[0], data[1:])
        if key.kind not in {ED25519, MLDSA44} or key.key_id.hex() != key_id:
            raise ValueError("key id or kind")
    except (ValueError, IndexError) as error:
        raise EvidenceError(
            "Q-PROOF-002",
            "a verification key of the log is malformed",
            "take the key from the log's operator again",
        ) from error
    return key


def open_note(note: str, keys: list[VerificationKey]) -> Checkpoint:
    """The checkpoint of a note that every given key has signed; raises EvidenceError Q-PROOF-003
    otherwise, Q-PROOF-002 without any key."""
    if not keys:
        raise EvidenceError("Q-PROOF-002", "no verification key of the log is given, and unsigned notes prove nothing",
                            "take the keys from the log's operator again")  # fmt: skip
    text, _, signatures = note.rpartition("\n\n")
    try:
        origin, size, root = text.split("\n")
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
        if checkpoint.text != text + "\n" or not 0 <= checkpoint.size < 1 << 63:
            raise ValueError("another spelling than the one that was signed")
        lines = [line.split(" ") for line in signatures.splitlines()]
        found = {
            base64.b64decode(blob)[:4]: base64.b64decode(blob)[4:] for dash, _, blob in lines if dash == _DASH
        }
    except ValueError as error:
        raise EvidenceError(
            "Q-PROOF-003", "the checkpoint is no signed note", "restore the journal's checkpoint file"
        ) from error
    for key in keys:
        if key.key_id not in found or not key.accepts(checkpoint, found[key.key_id]):
            raise EvidenceError(
                "Q-PROOF-003", f"the checkpoint of size {checkpoint.size} is not signed by {key.name}",
                "somebody without the log's key wrote it: compare with the neighbours' checkpoints",
            )  # fmt: skip
    return checkpoint
