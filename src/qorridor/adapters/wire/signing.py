"""ML-DSA-65 signatures with context (FIPS 204): state records, checkpoints, policies."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa

from qorridor.adapters.wire.certificates import key_pem
from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError


def load_or_make_key(file: Path) -> mldsa.MLDSA65PrivateKey:
    """The signing key of `file`, made on first use (mode 0600); raises OutsideError Q-KME-058 for another file."""
    if not file.is_file():
        write_atomically(file, key_pem(mldsa.MLDSA65PrivateKey.generate()))
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(file) from error
    if not isinstance(key, mldsa.MLDSA65PrivateKey):
        raise _no_key(file)
    return key


def _no_key(file: Path) -> OutsideError:
    return OutsideError("Q-KME-058", "the file holds no ML-DSA-65 signing key",
                        "name another file: a missing one is made on first use", str(file))  # fmt: skip


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
