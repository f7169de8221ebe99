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
        "key_oid": certificate.public_key_algorithm_oid.dotted_string,
        "role": _role(certificate),
        **_key(certificate),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _role(certificate: x509.Certificate) -> str:
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_ca = False
    if not is_ca:
        return "leaf"
    return "root" if certificate.subject == certificate.issuer else "intermediate"


def _key(certificate: x509.Certificate) -> dict[str, Json]:
    try:
        return key_facts(certificate.public_key())
    except Exception:  # noqa: BLE001 - a key type that the library refuses; its place in the DER is enough
        return {"spki": hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()}


def key_facts(key: Any) -> dict[str, Json]:
    """Digest of the SubjectPublicKeyInfo, size in bits and curve of a public key."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    size = getattr(key, "key_size", None)
    curve = _CURVES.get(key.curve.name, key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else ""
    return {
        "spki": hashlib.sha256(spki).hexdigest(),
        "key_size": size,
        "curve": curve,
        "key_oid": spki_oid(spki),
    }


def spki_oid(spki: bytes) -> str:
    """The algorithm OID of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""
    position = 2 if spki[1] < 0x80 else 2 + (spki[1] & 0x7F)
    inner = position + 2 if spki[position + 1] < 0x80 else position + 2 + (spki[position + 1] & 0x7F)
    content = spki[inner + 2 : inner + 2 + spki[inner + 1]]
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
