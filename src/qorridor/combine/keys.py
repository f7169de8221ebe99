"""Extract, expand, confirm: the keys of one epoch out of its components and context (QCOMB-1).

    components -> IKM --HMAC(salt of both nonces)--> PRK --EXPAND(context, usage, tunnel, L)--> outputs

No output is derived from another output and nothing is carried into the next epoch.
"""

from __future__ import annotations

import hmac
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from qorridor.base import cbor
from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine.components import Components, wipe
from qorridor.combine.context import NONCE_BYTES, Context, Profile, sha384

Role = Literal["i", "r"]

USAGES = {
    "confirm-i": 48, "confirm-r": 48, "audit-commit": 16, "wg-psk": 32, "ipsec-ppk": 32, "tls-psk": 48,
    "macsec-cak": 32, "macsec-ckn": 16, "data-tx-i": 32, "data-tx-r": 32,
}  # fmt: skip
_INTERNAL = frozenset({"confirm-i", "confirm-r", "audit-commit"})
_CONFIRM = "qorridor/confirm/1"


class EpochKeys:
    """The outputs of one epoch; holds the PRK until `wipe`, so wipe it as soon as all are taken.

    `context_digest` (48 bytes) and `audit_commitment` (16 bytes) are public.
    """

    def __init__(self, prk: Secret, context: bytes) -> None:
        self._prk = prk
        self._context = context
        self.context_digest = sha384(context)
        self.audit_commitment = bytes(self._expand("audit-commit", "").reveal())

    def output(self, usage: str, tunnel: str) -> Secret:
        """The key for one usage of one tunnel; the length is the usage's (table of section 3).

        `tunnel` is the corridor-wide name of the tunnel. ValueError for an unknown usage or a wrong
        tunnel: that is a mistake in the program. KeySupplyError Q-KEY-006 after `wipe`.
        """
        if usage not in USAGES or usage in _INTERNAL:
            raise ValueError(f"{usage!r} is no usage that leaves the combiner")
        if not 1 <= len(tunnel) <= 128 or not all("!" <= character <= "~" for character in tunnel):
            raise ValueError("a tunnel name is 1..128 printable ASCII characters")
        return self._expand(usage, tunnel)

    def mac(self, role: Role) -> bytes:
        """The confirmation that this role sends, 48 bytes (section 4)."""
        message = cbor.encode([_CONFIRM, role, self.context_digest])
        with self._expand(f"confirm-{role}", "") as key:
            return hmac.digest(bytes(key.reveal()), message, "sha384")

    def verify(self, role: Role, mac: bytes) -> None:
        """Check the confirmation of the peer, whose role is `role`; raises KeySupplyError Q-KEY-005."""
        if not hmac.compare_digest(self.mac(role), mac):
            raise KeySupplyError(
                "Q-KEY-005", "the key confirmation of the peer does not fit: the ends disagree",
                "nothing was installed; compare estate, policy and clock of both sites",
            )  # fmt: skip

    def wipe(self) -> None:
        """Forget the PRK; every later call but the public properties is refused."""
        self._prk.wipe()

    def _expand(self, usage: str, tunnel: str) -> Secret:
        length = USAGES[usage]
        return expand(self._prk, self._context + cbor.encode([usage, tunnel, length]), length)


def derive(components: Components, nonce_i: bytes, nonce_r: bytes, context: Context) -> EpochKeys:
    """QCOMB-1: the keys of one epoch. Nonces have 32 bytes, fresh per epoch.

    Raises KeySupplyError Q-KEY-001..004 for anything illegal, and then nothing was derived. The caller
    wipes the components and burns their key_IDs before it calls (section 5, rule 2).
    """
    if context.profile != Profile.QCOMB_1:
        raise ValueError("derive is QCOMB-1; QCOMB-X has derive_xor")
    encoded = context.encode(components)
    return EpochKeys(extract(components, nonce_i, nonce_r), encoded)


def extract(components: Components, nonce_i: bytes, nonce_r: bytes, *, xor: bool = False) -> Secret:
    """PRK = HMAC-SHA-384(H(nonce_i || nonce_r), IKM), 48 bytes (SP 800-56C r2, two-step)."""
    if len(nonce_i) != NONCE_BYTES or len(nonce_r) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    material = components.input_keying_material(xor=xor)
    prk = bytearray(HKDF.extract(SHA384(), sha384(nonce_i + nonce_r), bytes(material)))
    wipe(material)
    secret = Secret(prk)
    wipe(prk)
    return secret


def expand(prk: Secret, info: bytes, length: int) -> Secret:
    """HKDF-Expand with SHA-384 (RFC 5869) into a buffer of ours; KeySupplyError Q-KEY-006 once wiped."""
    if not len(prk):
        raise KeySupplyError(
            "Q-KEY-006", "the keys of this epoch were wiped", "start a new epoch; none is derived twice"
        )
    buffer = bytearray(length)
    HKDFExpand(SHA384(), length, info).derive_into(bytes(prk.reveal()), buffer)
    secret = Secret(buffer)
    wipe(buffer)
    return secret
