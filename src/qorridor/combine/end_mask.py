"""What the two ends of a relay add to a key before its first hop: a mask that no relay knows, and a digest.

A trusted node sees what it relays. With the mask it sees K xor mask, and who wants K needs a relay *and*
the key exchange of the ends' own TLS connection. The mask is computational; the hops' one-time pads stay
what they are. The digest shows at the far end that no relay has changed a bit.

Source: contract of key agreement, section 10.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from qorridor.base.secret import Secret

SECRET_BYTES = 48
DIGEST_BYTES = 32


def masked(secret: Secret, place: bytes, key: bytes | memoryview) -> Secret:
    """K xor mask, and back again; `place` names the key_ID and its association."""
    stream = HKDFExpand(SHA384(), len(key), b"qorridor/mask/1" + place).derive(bytes(secret.reveal()))
    return Secret(bytes(left ^ right for left, right in zip(key, stream, strict=True)))


def digest(secret: Secret, place: bytes, key: bytes | memoryview) -> bytes:
    """32 bytes that agree only for the same key at the same place under the same secret."""
    own = HKDFExpand(SHA384(), SECRET_BYTES, b"qorridor/mask-digest/1").derive(bytes(secret.reveal()))
    return hmac.digest(own, place + bytes(key), "sha384")[:DIGEST_BYTES]


def agrees(secret: Secret, place: bytes, key: bytes | memoryview, shown: bytes) -> bool:
    """Whether the digest is that of the key, compared in constant time."""
    return hmac.compare_digest(digest(secret, place, key), shown)
