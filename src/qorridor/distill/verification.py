"""Are both keys equal? A polynomial hash over GF(2^127 - 1), its key drawn after correction."""

from __future__ import annotations

import hmac

from qorridor.distill.bits import Bits, pack

PRIME = (1 << 127) - 1
TAG_BITS = 128  # as sent, and as charged
_CHUNK = 15


def block_tag(key: bytes, bits: Bits) -> bytes:
    """Hash of the block under a 16-byte public key, 16 bytes.

    Two different blocks of n bits collide with probability at most (n/120 + 2)/2^127: a polynomial of
    that degree has no more roots. The length is the last coefficient.
    """
    point = int.from_bytes(key, "big") % PRIME
    data = pack(bits)
    value = 0
    for at in range(0, len(data), _CHUNK):
        value = (value + int.from_bytes(data[at : at + _CHUNK], "big")) * point % PRIME
    return ((value + len(bits)) * point % PRIME).to_bytes(16, "big")


def equal_tags(left: bytes, right: bytes) -> bool:
    """Constant-time comparison."""
    return hmac.compare_digest(left, right)


def collision_bound(size: int) -> float:
    """Probability that two different blocks of `size` bits pass."""
    return (size / (8 * _CHUNK) + 2) / 2.0**127
