"""One name per algorithm: OIDs, TLS code points and cipher suites to family, primitive and quantum class.

Classes: shor-broken, grover-weakened, pqc, hybrid, symmetric-safe, broken-today, unknown.
Sources: IANA TLS Supported Groups and SignatureScheme registries; RFC 5480, 8017, 8410; FIPS 203 and 204.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

QuantumClass = Literal[
    "shor-broken", "grover-weakened", "pqc", "hybrid", "symmetric-safe", "broken-today", "unknown"
]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A normalised algorithm; `primitive` in CycloneDX words, `level` = NIST category 0..6 or None."""

    name: str
    primitive: str
    quantum_class: QuantumClass
    parameter_set: str = ""
    curve: str = ""
    level: int | None = None
    functions: tuple[str, ...] = ()


def _group(name: str, parameter_set: str = "", curve: str = "") -> Algorithm:
    return Algorithm(name, "key-agree", "shor-broken", parameter_set, curve, 0, ("keygen", "keyderive"))


def _kem(name: str, level: int, quantum: QuantumClass = "pqc", primitive: str = "kem") -> Algorithm:
    size = name.rsplit("-", 1)[-1] if primitive == "kem" else ""
    return Algorithm(name, primitive, quantum, size, "", level, ("keygen", "encapsulate", "decapsulate"))


GROUPS: dict[int, Algorithm] = {
    0x11EC: _kem("X25519MLKEM768", 3, "hybrid", "combiner"),
    0x11EB: _kem("SecP256r1MLKEM768", 3, "hybrid", "combiner"),
    0x11ED: _kem("SecP384r1MLKEM1024", 5, "hybrid", "combiner"),
    0x0200: _kem("ML-KEM-512", 1),
    0x0201: _kem("ML-KEM-768", 3),
    0x0202: _kem("ML-KEM-1024", 5),
    0x6399: _kem("X25519Kyber768Draft00", 3, "hybrid", "combiner"),
    29: _group("X25519", curve="Curve25519"),
    23: _group("ECDH-P-256", curve="P-256"),
    24: _group("ECDH-P-384", curve="P-384"),
    25: _group("ECDH-P-521", curve="P-521"),
    30: _group("X448", curve="Curve448"),
    256: _group("FFDHE-2048", "2048"),
    257: _group("FFDHE-3072", "3072"),
}
POST_QUANTUM = tuple(code for code, group in GROUPS.items() if group.quantum_class in {"pqc", "hybrid"})
_SPELLINGS = {
    "x25519": 29, "secp256r1": 23, "prime256v1": 23, "secp384r1": 24, "secp521r1": 25, "x448": 30,
    "mlkem512": 0x0200, "mlkem768": 0x0201, "mlkem1024": 0x0202, "ffdhe2048": 256, "ffdhe3072": 257,
}  # fmt: skip


def _signature(name: str, quantum: QuantumClass = "shor-broken", level: int = 0, **more: str) -> Algorithm:
    return Algorithm(
        name, "signature", quantum, more.get("size", ""), more.get("curve", ""), level, ("sign", "verify")
    )


OIDS: dict[str, Algorithm] = {
    "1.2.840.113549.1.1.1": _signature("RSA"),
    "1.2.840.113549.1.1.5": _signature("RSA-PKCS1-SHA-1", "broken-today"),
    "1.2.840.113549.1.1.4": _signature("RSA-PKCS1-MD5", "broken-today"),
    "1.2.840.113549.1.1.10": _signature("RSA-PSS"),
    "1.2.840.113549.1.1.11": _signature("RSA-PKCS1-SHA-256"),
    "1.2.840.113549.1.1.12": _signature("RSA-PKCS1-SHA-384"),
    "1.2.840.113549.1.1.13": _signature("RSA-PKCS1-SHA-512"),
    "1.2.840.10045.2.1": _signature("EC"),
    "1.2.840.10045.4.3.2": _signature("ECDSA-SHA-256"),
    "1.2.840.10045.4.3.3": _signature("ECDSA-SHA-384"),
    "1.2.840.10045.4.3.4": _signature("ECDSA-SHA-512"),
    "1.3.101.110": _group("X25519", curve="Curve25519"),
    "1.3.101.112": _signature("Ed25519", curve="Ed25519"),
    "1.3.101.113": _signature("Ed448", curve="Ed448"),
    "2.16.840.1.101.3.4.3.17": _signature("ML-DSA-44", "pqc", 2, size="44"),
    "2.16.840.1.101.3.4.3.18": _signature("ML-DSA-65", "pqc", 3, size="65"),
    "2.16.840.1.101.3.4.3.19": _signature("ML-DSA-87", "pqc", 5, size="87"),
    "2.16.840.1.101.3.4.4.1": _kem("ML-KEM-512", 1),
    "2.16.840.1.101.3.4.4.2": _kem("ML-KEM-768", 3),
    "2.16.840.1.101.3.4.4.3": _kem("ML-KEM-1024", 5),
    "2.16.840.1.101.3.4.3.20": _signature("SLH-DSA-SHA2-128s", "pqc", 1),
    "2.16.840.1.101.3.4.3.21": _signature("SLH-DSA-SHA2-128f", "pqc", 1),
    "2.16.840.1.101.3.4.3.22": _signature("SLH-DSA-SHA2-192s", "pqc", 3),
    "2.16.840.1.101.3.4.3.23": _signature("SLH-DSA-SHA2-192f", "pqc", 3),
    "2.16.840.1.101.3.4.3.24": _signature("SLH-DSA-SHA2-256s", "pqc", 5),
    "2.16.840.1.101.3.4.3.25": _signature("SLH-DSA-SHA2-256f", "pqc", 5),
}  # fmt: skip


def by_oid(oid: str, *, size: int | None = None, curve: str = "") -> Algorithm:
    """The algorithm of an OID; unknown ones keep their OID as name and the class unknown."""
    found = OIDS.get(oid)
    if found is None:
        return Algorithm(oid, "unknown", "unknown")
    if found.name == "RSA" and size:
        return _signature(f"RSA-{size}", size=str(size))
    if found.name == "EC" and curve:
        return _signature(f"EC-{curve}", curve=curve)
    return found


def by_group(name: str) -> Algorithm:
    """A TLS group in any spelling that OpenSSL uses."""
    plain = name.lower().replace("-", "").replace("_", "")
    for group in GROUPS.values():
        if group.name.lower().replace("-", "") == plain:
            return group
    return GROUPS[_SPELLINGS[plain]] if plain in _SPELLINGS else Algorithm(name, "unknown", "unknown")


def by_suite(name: str) -> Algorithm:
    """The record protection of a TLS cipher suite name."""
    upper = name.upper()
    if "CHACHA20" in upper:
        return _cipher("ChaCha20-Poly1305", "ae", "symmetric-safe", "256", 5)
    if "AES_256" in upper or "AES256" in upper:
        return _cipher(f"AES-256-{_mode(upper)}", _primitive(upper), "symmetric-safe", "256", 5)
    if "AES_128" in upper or "AES128" in upper:
        return _cipher(f"AES-128-{_mode(upper)}", _primitive(upper), "grover-weakened", "128", 1)
    broken = any(word in upper for word in ("RC4", "3DES", "DES-CBC", "NULL", "EXPORT"))
    return Algorithm(name or "unknown", "unknown", "broken-today" if broken else "unknown")


def _cipher(name: str, primitive: str, quantum: QuantumClass, size: str, level: int) -> Algorithm:
    return Algorithm(name, primitive, quantum, size, level=level, functions=("encrypt", "decrypt"))


def _mode(suite: str) -> str:
    return next((mode for mode in ("GCM", "CCM") if mode in suite), "CBC")


def _primitive(suite: str) -> str:
    return "block-cipher" if _mode(suite) == "CBC" else "ae"
