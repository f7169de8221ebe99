"""What both ends of a corridor know before they roll, and how an epoch's keys follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qorridor.base import cbor, names
from qorridor.base.secret import Secret
from qorridor.combine.components import Components, Suite, join_keys
from qorridor.combine.context import Context, Mode, sha384
from qorridor.combine.keys import EpochKeys, derive
from qorridor.ports.rolls import Shared
from qorridor.records.keys import DeliveredKey
from qorridor.run.roll_frames import Frame, transcript

USAGE = "tls-psk"


@dataclass(frozen=True, slots=True)
class RollTerms:
    """One corridor as the estate fixes it: first site of the path is the initiator, last the responder."""

    corridor: str
    tunnel: str
    path: tuple[str, ...]
    saes: tuple[str, str]
    suite: Suite
    policy_id: str
    policy_digest: bytes

    @property
    def initiator(self) -> str:
        """Site of the initiator."""
        return self.path[0]

    @property
    def responder(self) -> str:
        """Site of the responder."""
        return self.path[-1]

    def other(self, site: str) -> str:
        """The other end."""
        return self.responder if site == self.initiator else self.initiator


@dataclass(frozen=True, slots=True)
class Half:
    """The public half of an exchange that enters the context: what was sent, and the group of the
    control connection as this end reads it."""

    prepare: Frame
    confirm: Frame
    nonce_i: bytes
    nonce_r: bytes
    encapsulation_key: bytes
    ciphertext: bytes
    group: str


def derive_epoch(
    terms: RollTerms, epoch: int, mode: Mode, shared: Shared, keys: Sequence[DeliveredKey], half: Half
) -> EpochKeys:
    """The keys of one epoch by QCOMB-1; wipes every component. Raises KeySupplyError, nothing derived."""
    qkd = join_keys([key.key for key in keys]) if keys else None
    components = Components(terms.suite, shared.mlkem, qkd, shared.traditional)
    context = Context(
        suite=terms.suite, corridor=terms.corridor, epoch=epoch, mode=mode, policy=terms.policy_id,
        policy_digest=terms.policy_digest, saes=terms.saes, kmes=(terms.initiator, terms.responder),
        paths=(terms.path,) if keys else (),
        key_ids=tuple(names.key_id_bytes(key.key_id) for key in keys),
        kem_digest=sha384(half.ciphertext + half.encapsulation_key),
        group=half.group, transcript=transcript(half.prepare, half.confirm),
    )  # fmt: skip
    try:
        return derive(components, half.nonce_i, half.nonce_r, context)
    finally:
        components.wipe()
        for key in keys:
            key.key.wipe()


def any_simulated(keys: Sequence[DeliveredKey]) -> bool:
    """Whether an epoch of these QKD keys counts as simulated; one without any does not."""
    return any(key.simulated for key in keys)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What an end stores of an epoch until it is retired: the tunnel's key, its own confirmation, and
    whether a QKD key of the epoch was simulated."""

    key: Secret
    mac: bytes
    commitment: bytes
    simulated: bool

    @classmethod
    def of(cls, keys: EpochKeys, tunnel: str, role: Literal["i", "r"], *, simulated: bool) -> Outputs:
        """Take the outputs of an epoch and wipe what they came from."""
        outputs = cls(keys.output(USAGE, tunnel), keys.mac(role), keys.audit_commitment, simulated)
        keys.wipe()
        return outputs

    def pack(self) -> Secret:
        """For the store, which seals it."""
        return Secret(cbor.encode([bytes(self.key.reveal()), self.mac, self.commitment, self.simulated]))

    @classmethod
    def unpack(cls, packed: Secret) -> Outputs:
        """From the store."""
        match cbor.decode(packed.reveal()):
            case [bytes(key), bytes(mac), bytes(commitment), bool(simulated)]:
                return cls(Secret(key), mac, commitment, simulated)
        raise ValueError("stored outputs of another version")
