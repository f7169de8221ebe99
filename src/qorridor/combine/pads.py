"""QCOMB-X: one-time pads that stay information-theoretically secret if the QKD stream is (section 6)."""

from __future__ import annotations

from cryptography.hazmat.primitives.poly1305 import Poly1305

from qorridor.base import cbor
from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine.components import Components, wipe
from qorridor.combine.context import Context, Profile
from qorridor.combine.keys import EpochKeys, Role, expand, extract

PAD_MOST = 8192


class XorKeys(EpochKeys):
    """Confirmation and audit commitment of a QCOMB-X epoch; none of them depends on the QKD stream,
    because a published MAC of it would end its information-theoretic secrecy."""

    def output(self, usage: str, tunnel: str) -> Secret:
        """Refused: a QCOMB-X epoch gives pads only."""
        raise ValueError(f"a QCOMB-X epoch has no usage {usage!r} for {tunnel!r}, only pads")

    def pad(self, role: Role, stream: Secret) -> Pad:
        """The pad of one direction over its own part of the QKD stream, which the pad then owns."""
        return Pad(Secret(self._prk.reveal()), self._context, role, stream)


class Pad:
    """Pad bytes K_n = mask_n XOR next bytes of the stream, each stream byte used once."""

    def __init__(self, prk: Secret, context: bytes, role: Role, stream: Secret) -> None:
        self._prk = prk
        self._context = context
        self._usage = f"otp-pad-{role}"
        self._stream = bytearray(stream.reveal())
        self._used = 0
        self._count = 0
        stream.wipe()

    @property
    def left(self) -> int:
        """Bytes of the stream not yet used."""
        return len(self._stream) - self._used

    def take(self, tunnel: str, length: int) -> Secret:
        """The next `length` pad bytes, 1..8192; KeySupplyError Q-KEY-007 when the stream has fewer."""
        if not 1 <= length <= PAD_MOST:
            raise ValueError(f"a pad has 1 to {PAD_MOST} bytes")
        if length > self.left:
            raise KeySupplyError(
                "Q-KEY-007", f"{length} pad bytes wanted, {self.left} left of the QKD stream",
                "bind further QKD keys; a pad byte is never used twice",
            )  # fmt: skip
        info = self._context + cbor.encode([self._usage, tunnel, length, self._count])
        part = memoryview(self._stream)[self._used : self._used + length]
        with expand(self._prk, info, length) as mask:
            pad = bytearray(left ^ right for left, right in zip(mask.reveal(), part, strict=True))
        part[:] = bytes(length)
        self._used += length
        self._count += 1
        secret = Secret(pad)
        wipe(pad)
        return secret

    def wipe(self) -> None:
        """Forget mask key and stream."""
        self._prk.wipe()
        wipe(self._stream)
        self._used = len(self._stream)


def derive_xor(components: Components, nonce_i: bytes, nonce_r: bytes, context: Context) -> XorKeys:
    """QCOMB-X: confirmation and masks from slots 1, 3 and 4; the QKD slot only enters by XOR.

    Refuses `pqc-only` (Q-KEY-002): without a QKD stream there is nothing to keep secret this way.
    """
    if context.profile != Profile.QCOMB_X:
        raise ValueError("derive_xor is QCOMB-X; QCOMB-1 has derive")
    if components.qkd is None:
        raise KeySupplyError(
            "Q-KEY-002", "QCOMB-X in mode pqc-only has no QKD stream", "use QCOMB-1 for this epoch"
        )
    encoded = context.encode(components)
    return XorKeys(extract(components, nonce_i, nonce_r, xor=True), encoded)


def agreement_tag(stream: Secret, one_time_key: Secret) -> bytes:
    """Poly1305 of the QKD stream under a fresh 32-byte key out of the reserve: both ends compare it."""
    return Poly1305.generate_tag(bytes(one_time_key.reveal()), bytes(stream.reveal()))
