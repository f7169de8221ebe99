"""ML-KEM with X25519 or P-384: fresh keys per epoch (FIPS 203, RFC 7748), behind ports.rolls.KeyExchange."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.ports.rolls import Shared


def _malformed(error: Exception) -> KeySupplyError:
    return KeySupplyError(
        "Q-KEY-032", f"the peer's key exchange value is malformed ({type(error).__name__})",
        "both ends must run the same combiner suite; the epoch is aborted",
    )  # fmt: skip


class _Offer768:
    def __init__(self) -> None:
        self._kem = mlkem.MLKEM768PrivateKey.generate()
        self._dh = x25519.X25519PrivateKey.generate()
        self.encapsulation_key = self._kem.public_key().public_bytes_raw()
        self.public = self._dh.public_key().public_bytes_raw()

    def finish(self, ciphertext: bytes, public: bytes) -> Shared:
        try:
            shared = self._kem.decapsulate(ciphertext)
            agreed = self._dh.exchange(x25519.X25519PublicKey.from_public_bytes(public))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(error) from error
        return Shared(Secret(shared), Secret(agreed))


def _answer768(encapsulation_key: bytes, public: bytes) -> tuple[bytes, bytes, Shared]:
    own = x25519.X25519PrivateKey.generate()
    shared, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(encapsulation_key).encapsulate()
    agreed = own.exchange(x25519.X25519PublicKey.from_public_bytes(public))
    return ciphertext, own.public_key().public_bytes_raw(), Shared(Secret(shared), Secret(agreed))


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class _Offer1024:
    def __init__(self) -> None:
        self._kem = mlkem.MLKEM1024PrivateKey.generate()
        self._dh = ec.generate_private_key(ec.SECP384R1())
        self.encapsulation_key = self._kem.public_key().public_bytes_raw()
        self.public = _point(self._dh.public_key())

    def finish(self, ciphertext: bytes, public: bytes) -> Shared:
        try:
            shared = self._kem.decapsulate(ciphertext)
            peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(error) from error
        return Shared(Secret(shared), Secret(self._dh.exchange(ec.ECDH(), peer)))


def _answer1024(encapsulation_key: bytes, public: bytes) -> tuple[bytes, bytes, Shared]:
    own = ec.generate_private_key(ec.SECP384R1())
    shared, ciphertext = mlkem.MLKEM1024PublicKey.from_public_bytes(encapsulation_key).encapsulate()
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
    agreed = own.exchange(ec.ECDH(), peer)
    return ciphertext, _point(own.public_key()), Shared(Secret(shared), Secret(agreed))


_MLKEM768 = "MLKEM768-X25519-HKDF-SHA384"


class HybridKeyExchange:
    """KeyExchange (ports.rolls) of the two default suites."""

    def offer(self, suite: str) -> _Offer768 | _Offer1024:
        """Fresh keys of the initiator."""
        return _Offer768() if suite == _MLKEM768 else _Offer1024()

    def answer(self, suite: str, encapsulation_key: bytes, public: bytes) -> tuple[bytes, bytes, Shared]:
        """(ciphertext, public value, shared secrets) of the responder."""
        try:
            answer = _answer768 if suite == _MLKEM768 else _answer1024
            return answer(encapsulation_key, public)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(error) from error
