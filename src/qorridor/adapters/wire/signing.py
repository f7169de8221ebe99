"""ML-DSA-65 signatures with context (FIPS 204): state records, checkpoints, policies."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa

from qorridor.adapters.wire.certificates import key_pem
from qorridor.adapters.wire.files import write_atomically


def load_or_make_key(file: Path) -> mldsa.MLDSA65PrivateKey:
    """The signing key of `file`, made on first use (mode 0600)."""
    if not file.is_file():
        write_atomically(file, key_pem(mldsa.MLDSA65PrivateKey.generate()))
    return cast("mldsa.MLDSA65PrivateKey", serialization.load_pem_private_key(file.read_bytes(), None))


def public_bytes(key: mldsa.MLDSA65PrivateKey) -> bytes:
    """The public key, 1952 bytes."""
    return key.public_key().public_bytes_raw()


def is_signed(public: bytes, message: bytes, signature: bytes, context: bytes) -> bool:
    """Whether `signature` is one of `public` over `message` in `context`."""
    try:
        mldsa.MLDSA65PublicKey.from_public_bytes(public).verify(signature, message, context)
    except (InvalidSignature, ValueError):
        return False
    return True


class NodeSigner:
    """Signer (ports.rolls): this node's state key, and the public keys that other nodes have shown."""

    def __init__(self, file: Path) -> None:
        self._key = load_or_make_key(file)
        self.public = public_bytes(self._key)
        self._known: dict[str, bytes] = {}

    def learn(self, site: str, public: bytes) -> None:
        """Remember the state key of a site; shown over mutual TLS, the first one stays."""
        self._known.setdefault(site, public)

    def sign(self, message: bytes, context: bytes) -> bytes:
        """A signature of 3309 bytes."""
        return self._key.sign(message, context)

    def verify(self, site: str, message: bytes, signature: bytes, context: bytes) -> bool:
        """Whether `site` signed; False for unknown sites."""
        public = self._known.get(site)
        return public is not None and is_signed(public, message, signature, context)
