"""The four component slots of an epoch secret and their one byte layout (QCOMB-1 section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret

QKD_KDF, QKD_XOR = 0x0201, 0x0202
STATIC = 0x0401
QKD_LEAST, QKD_MOST = 32, 1024
STATIC_LEAST, STATIC_MOST = 32, 64


class Suite(StrEnum):
    """Which algorithms fill slots 1 and 3; exactly one suite per epoch."""

    MLKEM768_X25519 = "MLKEM768-X25519-HKDF-SHA384"
    MLKEM1024_P384 = "MLKEM1024-P384-HKDF-SHA384"
    TLS_EXPORTER = "TLSEXP-HKDF-SHA384"


@dataclass(frozen=True, slots=True)
class _Form:
    slot1: int
    length1: int
    slot3: int
    length3: int


_FORMS = {
    Suite.MLKEM768_X25519: _Form(0x0101, 32, 0x0301, 32),
    Suite.MLKEM1024_P384: _Form(0x0102, 32, 0x0302, 48),
    Suite.TLS_EXPORTER: _Form(0x0103, 48, 0x0300, 0),
}


@dataclass(frozen=True, slots=True)
class Components:
    """The secrets of one epoch in the order of the slots.

    `mlkem` 32 bytes (48 for the TLS exporter suite), `qkd` 32 to 1024 bytes or absent,
    `traditional` 32 (X25519) or 48 (P-384) bytes or absent where the suite has none, `static` 32 to 64
    bytes or absent. Any other length is a KeySupplyError Q-KEY-001 before anything is derived.
    """

    suite: Suite
    mlkem: Secret
    qkd: Secret | None = None
    traditional: Secret | None = None
    static: Secret | None = None

    def __post_init__(self) -> None:
        form = _FORMS[Suite(self.suite)]
        _exact("slot 1 (ML-KEM or TLS exporter)", self.mlkem, form.length1)
        _exact("slot 3 (traditional)", self.traditional, form.length3)
        if self.qkd is not None and len(self.qkd) < QKD_LEAST:
            raise _refused("slot 2 (QKD)", len(self.qkd), f"at least {QKD_LEAST}")
        if self.static is not None and not STATIC_LEAST <= len(self.static) <= STATIC_MOST:
            raise _refused("slot 4 (static)", len(self.static), f"{STATIC_LEAST} to {STATIC_MOST}")

    def ids(self, *, xor: bool = False) -> tuple[int, int, int, int]:
        """The four slot ids as context field 14 names them; `xor` marks slot 2 as used by QCOMB-X."""
        form = _FORMS[Suite(self.suite)]
        qkd = (QKD_XOR if xor else QKD_KDF) if self.qkd is not None else 0x0200
        return form.slot1, qkd, form.slot3, STATIC if self.static is not None else 0x0400

    def input_keying_material(self, *, xor: bool = False) -> bytearray:
        """`slot(1) || slot(2) || slot(3) || slot(4)`; the caller wipes it. Under `xor` slot 2 is empty."""
        if not xor and self.qkd is not None and len(self.qkd) > QKD_MOST:
            raise _refused("slot 2 (QKD)", len(self.qkd), f"{QKD_LEAST} to {QKD_MOST}")
        one, two, three, four = self.ids()
        secrets = (self.mlkem, None if xor else self.qkd, self.traditional, self.static)
        out = bytearray()
        for ident, secret in zip((one, 0x0200 if xor else two, three, four), secrets, strict=True):
            size = 0 if secret is None else len(secret)
            out += ident.to_bytes(2, "big") + size.to_bytes(2, "big")
            if secret is not None:
                out += secret.reveal()
        return out

    def wipe(self) -> None:
        """Overwrite every component."""
        for secret in (self.mlkem, self.qkd, self.traditional, self.static):
            if secret is not None:
                secret.wipe()


def join_keys(keys: Sequence[Secret]) -> Secret:
    """Slot 2 out of the keys of one epoch, in the order of their key_IDs.

    All must have one size (Q-KEY-004): keys of several sizes would let bytes move between them.
    """
    sizes = {len(key) for key in keys}
    if len(sizes) != 1:
        raise KeySupplyError(
            "Q-KEY-004", f"the QKD keys of one epoch have sizes {sorted(sizes)} bytes",
            "ask the key supply for keys of one size",
        )  # fmt: skip
    joined = bytearray()
    for key in keys:
        joined += key.reveal()
    secret = Secret(joined)
    wipe(joined)
    return secret


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer with zeros."""
    buffer[:] = bytes(len(buffer))


def _exact(name: str, secret: Secret | None, length: int) -> None:
    found = 0 if secret is None else len(secret)
    if found != length:
        raise _refused(name, found, str(length))


def _refused(name: str, found: int, wanted: str) -> KeySupplyError:
    return KeySupplyError(
        "Q-KEY-001", f"{name} has {found} bytes where the suite wants {wanted}",
        "let both ends use the suite of the estate and renew the exchange",
    )  # fmt: skip
