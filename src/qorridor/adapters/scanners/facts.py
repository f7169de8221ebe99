"""Facts of certificates and keys, by OID, so that an algorithm nobody here knows is still recorded."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qorridor.base.canonical import Json

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def certificate_facts(certificate: x509.Certificate) -> dict[str, Json]:
    """Subject, issuer, validity (RFC 3339), key and signature of a certificate; digests in hexadecimal."""
    der = certificate.public_bytes(Encoding.DER)
    return {
        "kind": "certificate",
        "fingerprint": hashlib.sha256(der).hexdigest(),
        "serial": f"{certificate.serial_number:x}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "signature_oid": certificate.signature_algorithm_oid.dotted_string,
        "role": _role(certificate),
        **_key(certificate),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _role(certificate: x509.Certificate) -> str:
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except Exception:  # noqa: BLE001 - absent, twice or malformed: what foreign certificates bring
        is_ca = False
    if not is_ca:
        return "leaf"
    return "root" if certificate.subject == certificate.issuer else "intermediate"


def _key(certificate: x509.Certificate) -> dict[str, Json]:
    """Facts of the certificate's key; of a kind that the library does not know, digest and OID remain."""
    spki = spki_of(certificate.tbs_certificate_bytes)
    try:
        key: Any = certificate.public_key()
    except Exception:  # noqa: BLE001 - an unknown or malformed key is still an asset
        key = None
    return _facts(spki, key)


def key_facts(key: Any) -> dict[str, Json]:
    """Digest of the SubjectPublicKeyInfo, size in bits and curve of a public key."""
    return _facts(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key)


def _facts(spki: bytes, key: Any) -> dict[str, Json]:
    curve = _CURVES.get(key.curve.name, key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else ""
    return {
        "spki": hashlib.sha256(spki).hexdigest(), "key_size": getattr(key, "key_size", None), "curve": curve,
        "key_oid": spki_oid(spki),
    }  # fmt: skip


def _element(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag, start of the content and end of the DER element at a position; raises ValueError."""
    if position + 2 > len(data):
        raise ValueError("DER ends early")
    tag, size, start = data[position], data[position + 1], position + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + size > len(data):
        raise ValueError("DER element is longer than its data")
    return tag, start, start + size


def spki_of(tbs: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a TBSCertificate: its seventh field, the version counted (RFC 5280 4.1)."""
    _, position, end = _element(tbs, 0)
    fields = []
    while position < end:
        tag, _, after = _element(tbs, position)
        fields.append((tag, position, after))
        position = after
    has_version = bool(fields) and fields[0][0] == 0xA0
    if len(fields) < 6 + has_version:
        raise ValueError("a certificate has more fields than this")
    _, start, after = fields[5 + has_version]
    return tbs[start:after]


def spki_oid(spki: bytes) -> str:
    """The algorithm OID of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7); raises ValueError."""
    _, inner, _ = _element(spki, 0)
    _, inside, _ = _element(spki, inner)
    _, start, end = _element(spki, inside)
    arcs, value = [], 0
    for byte in spki[start:end]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        raise ValueError("an empty OID")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
