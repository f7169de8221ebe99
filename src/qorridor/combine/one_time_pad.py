"""One hop of a key relay: one-time pad and one-time Poly1305 tag, both burnt by use.

Source: contract of key agreement, section 10; RFC 8439 section 2.5.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.poly1305 import Poly1305

from qorridor.base.errors import KeySupplyError

TAG_KEY_BYTES = 32


def seal_hop(key: bytes | memoryview, pad: memoryview, header: bytes) -> tuple[bytes, bytes]:
    """One hop of a relay: key XOR pad, and a one-time Poly1305 tag (RFC 8439 section 2.5).

    `pad` is len(key) bytes of one-time pad, then 32 bytes of one-time tag key; all used once.
    """
    if len(pad) != len(key) + TAG_KEY_BYTES:
        raise ValueError("a hop needs one byte of pad per byte of key and 32 for its tag")
    cipher = bytes(left ^ right for left, right in zip(key, pad, strict=False))
    return cipher, Poly1305.generate_tag(bytes(pad[len(key) :]), header + cipher)


def open_hop(cipher: bytes, tag: bytes, pad: memoryview, header: bytes) -> bytes:
    """Undo `seal_hop`; raises KeySupplyError Q-KEY-030 when the tag does not verify (the pad is burnt)."""
    if len(pad) != len(cipher) + TAG_KEY_BYTES or not hmac.compare_digest(
        Poly1305.generate_tag(bytes(pad[len(cipher) :]), header + cipher), tag
    ):
        raise KeySupplyError(
            "Q-KEY-030", "a relayed key failed its hop authentication",
            "look for somebody between the two nodes; the pad is burnt, the key is not used",
        )  # fmt: skip
    return bytes(left ^ right for left, right in zip(cipher, pad, strict=False))
