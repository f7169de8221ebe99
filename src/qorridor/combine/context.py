"""What both ends must believe alike: fifteen context fields in deterministic CBOR (QCOMB-1 section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from qorridor.base import cbor
from qorridor.base.errors import KeySupplyError
from qorridor.combine.components import Components, Suite

DIGEST_BYTES = 48
NONCE_BYTES = 32
KEY_ID_BYTES = 16


class Profile(StrEnum):
    """Which combiner; bound into every output."""

    QCOMB_1 = "qorridor/qcomb/1"
    QCOMB_X = "qorridor/qcomb-x/1"


class Mode(StrEnum):
    """Where slot 2 comes from; an input of the derivation, so that a downgrade cannot be silent."""

    HYBRID = "hybrid"
    CACHED = "cached"
    PQC_ONLY = "pqc-only"


@dataclass(frozen=True, slots=True)
class Context:
    """Fields 0 to 13; each end builds it from its own facts and never parses the peer's.

    `epoch` is 1..2^63-1; texts are 1..128 printable ASCII characters without spaces; digests are 48
    bytes (SHA-384; `kem_digest` empty for the TLS exporter suite); `key_ids` are distinct 16-byte UUIDs
    in the order of slot 2; `paths` name the nodes from the initiator's end to the responder's. Pairs
    are (initiator, responder). Raises KeySupplyError Q-KEY-003.
    """

    suite: Suite
    corridor: str
    epoch: int
    mode: Mode
    policy: str
    policy_digest: bytes
    saes: tuple[str, str]
    kmes: tuple[str, str]
    paths: tuple[tuple[str, ...], ...]
    key_ids: tuple[bytes, ...]
    kem_digest: bytes
    group: str
    transcript: bytes
    profile: Profile = Profile.QCOMB_1

    def __post_init__(self) -> None:
        _one_of("profile", self.profile, Profile)
        _one_of("suite", self.suite, Suite)
        _one_of("mode", self.mode, Mode)
        _texts(self)
        if not 1 <= self.epoch < 2**63:
            raise _refused("epoch", f"{self.epoch} is outside 1..2^63-1")
        _digests(self)
        _key_ids(self.key_ids)

    def encode(self, components: Components) -> bytes:
        """Deterministic CBOR of all fifteen fields; refuses components that contradict the context."""
        _agree(self, components)
        xor = self.profile == Profile.QCOMB_X
        return cbor.encode({
            0: str(self.profile), 1: str(self.suite), 2: self.corridor, 3: self.epoch, 4: str(self.mode),
            5: self.policy, 6: self.policy_digest, 7: list(self.saes), 8: list(self.kmes),
            9: [list(path) for path in self.paths], 10: list(self.key_ids), 11: self.kem_digest,
            12: self.group, 13: self.transcript, 14: list(components.ids(xor=xor)),
        })  # fmt: skip


def sha384(data: bytes) -> bytes:
    """H of the contract: SHA-384, 48 bytes."""
    return hashlib.sha384(data).digest()


def _one_of(name: str, value: str, choices: type[StrEnum]) -> None:
    if value not in list(choices):
        raise _refused(name, f"{value[:40]!r} is unknown")


def _texts(context: Context) -> None:
    flat: list[tuple[str, str]] = [
        ("corridor", context.corridor), ("policy", context.policy), ("group", context.group),
        *(("saes", name) for name in _pair("saes", context.saes)),
        *(("kmes", name) for name in _pair("kmes", context.kmes)),
        *(("paths", node) for path in context.paths for node in path),
    ]  # fmt: skip
    for name, text in flat:
        if not 1 <= len(text) <= 128:
            raise _refused(name, f"a text of {len(text)} characters; 1 to 128 are allowed")
        if not all("!" <= character <= "~" for character in text):
            raise _refused(name, "a character outside printable ASCII 0x21..0x7E")


def _pair(name: str, value: Sequence[str]) -> Sequence[str]:
    if len(value) != 2:
        raise _refused(name, f"{len(value)} names; initiator and responder are two")
    return value


def _digests(context: Context) -> None:
    fields = [("policy_digest", context.policy_digest), ("transcript", context.transcript)]
    if context.suite == Suite.TLS_EXPORTER:
        if context.kem_digest:
            raise _refused("kem_digest", "not empty although the suite has no KEM ciphertext")
    else:
        fields.append(("kem_digest", context.kem_digest))
    for name, digest in fields:
        if len(digest) != DIGEST_BYTES:
            raise _refused(name, f"{len(digest)} bytes instead of {DIGEST_BYTES}")


def _key_ids(key_ids: tuple[bytes, ...]) -> None:
    if any(len(key_id) != KEY_ID_BYTES for key_id in key_ids):
        raise _refused("key_ids", f"a key_ID that has not {KEY_ID_BYTES} bytes")
    if len(set(key_ids)) != len(key_ids):
        raise _refused("key_ids", "a key_ID twice; each enters one derivation only")


def _agree(context: Context, components: Components) -> None:
    if context.suite != components.suite:
        raise _refused("suite", "the components were made for another suite")
    present = components.qkd is not None
    if present == (context.mode == Mode.PQC_ONLY) or present != bool(context.key_ids):
        raise KeySupplyError(
            "Q-KEY-002",
            f"mode {context.mode} with {len(context.key_ids)} key_IDs and QKD key "
            f"{'present' if present else 'absent'}",
            "bind QKD keys for hybrid and cached, none for pqc-only",
        )
    if components.qkd is not None and len(components.qkd) % len(context.key_ids):
        raise KeySupplyError(
            "Q-KEY-004", f"{len(components.qkd)} bytes are no {len(context.key_ids)} keys of one size",
            "ask the key supply for keys of one size",
        )  # fmt: skip


def _refused(name: str, cause: str) -> KeySupplyError:
    return KeySupplyError(
        "Q-KEY-003", f"context field {name}: {cause}",
        "compare estate and policy of both sites, then start a new epoch",
    )  # fmt: skip
