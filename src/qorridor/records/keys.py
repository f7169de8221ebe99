"""Key blocks as a link end hands them to its node, and keys as a node hands them to an SAE."""

from __future__ import annotations

from dataclasses import dataclass, field

from qorridor.base.secret import Secret

ATOM_BITS = 256


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """One distilled block, equal at both ends of its link.

    `block_id` is 16 bytes and equal at both ends, `sequence` counts the released blocks of the link
    from 0 without gaps on each side of a restart; `epsilon` is the block's failure probability
    (secrecy + correctness + authentication) as a decimal string.
    """

    link: str
    block_id: bytes
    sequence: int
    key: Secret
    simulated: bool
    epsilon: str
    record: bytes = field(repr=False, default=b"{}")


@dataclass(frozen=True, slots=True)
class DeliveredKey:
    """A key on its one way out to an SAE; `path` names the nodes from its end to the other."""

    key_id: str
    key: Secret
    simulated: bool
    path: tuple[str, ...] = ()
