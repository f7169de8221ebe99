"""Encryption at rest: a root key wraps one random key per block, these encrypt pages and held keys."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError

_NONCE = 12


class Sealer:
    """AES-256-GCM under one key; each call draws a fresh random nonce and binds its place."""

    def __init__(self, key: bytes | bytearray) -> None:
        self._cipher = AESGCM(bytes(key))

    def seal(self, plain: bytes | bytearray | memoryview, place: str) -> bytes:
        """Nonce and ciphertext of `plain`, valid only at `place`."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, bytes(plain), place.encode())

    def open(self, sealed: bytes, place: str) -> bytearray:
        """The plaintext; raises OutsideError Q-KEY-040 when it is not what was sealed at `place`."""
        try:
            return bytearray(self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode()))
        except (InvalidTag, ValueError) as error:  # the latter for what is shorter than a nonce
            raise OutsideError(
                "Q-KEY-040", "a stored key does not decrypt: the store or its root key was changed",
                "restore the root key that belongs to this store, or begin a new store",
                place.partition("/")[0],
            ) from error  # fmt: skip


def root_sealer(file: Path) -> Sealer:
    """The sealer of a root key file (32 bytes, mode 0600), made on first use."""
    if not file.is_file():
        write_atomically(file, os.urandom(32))
    key = file.read_bytes()
    if len(key) != 32:
        raise OutsideError(
            "Q-KEY-041", f"the root key has {len(key)} bytes instead of 32", "restore the file", str(file)
        )
    return Sealer(key)
