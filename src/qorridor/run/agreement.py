"""What both ends of a link compute alike without talking: owners, key_IDs, digests, pads.

Source: contract of key agreement, sections 3 and 5; a block's first atom is internal, never sold.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from qorridor.base import names
from qorridor.base.canonical import canonical_json
from qorridor.ports.key_store import Association
from qorridor.records.keys import ATOM_BITS

ATOM_BYTES = ATOM_BITS // 8
FIRST_SOLD = 1
"""Index of the first atom that may leave a block; atom 0 makes key_IDs and digests."""


def owner(link_ends: tuple[str, str], sequence: int) -> str:
    """The end whose SAEs may be initiators with block `sequence`: ends in lexical order, alternating."""
    return sorted(link_ends)[sequence % 2]


def atoms_for(size_bits: int) -> int:
    """Atoms that a key of `size_bits` takes; the tail of the last one is burnt."""
    return -(-size_bits // ATOM_BITS)


@dataclass(frozen=True, slots=True)
class BlockKeys:
    """Keys of one block's agreement, derived from its internal atom."""

    naming: bytes
    binding: bytes

    @classmethod
    def of(cls, internal_atom: bytes | memoryview) -> BlockKeys:
        """Both keys from the 32-byte internal atom."""
        return cls(
            hmac.digest(internal_atom, b"qorridor/key-id/1", "sha256"),
            hmac.digest(internal_atom, b"qorridor/bind/1", "sha256"),
        )

    def key_id(self, link: str, block_id: bytes, first: int) -> str:
        """The key_ID of the key that begins at atom `first`: unguessable, equal at both ends."""
        place = _prefixed(link.encode()) + _prefixed(block_id) + first.to_bytes(4, "big")
        return names.key_id_text(hmac.digest(self.naming, place, "sha256"))

    def digest(self, key_id: str, association: Association, key: bytes | memoryview) -> bytes:
        """32 bytes that agree only when association and key bytes do (HMAC-SHA-384, truncated)."""
        text = (
            b"qbind-1"
            + _prefixed(key_id.encode())
            + _prefixed(association_bytes(association))
            + _prefixed(bytes(key))
        )
        return hmac.digest(self.binding, text, "sha384")[:32]


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def association_bytes(association: Association) -> bytes:
    """Canonical bytes of an association."""
    return canonical_json(association.as_json())
