"""Who takes part in a conformance run: certificates from PEM files, SAE IDs, addresses of KMEs."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from qorridor.adapters.wire import certificates, contexts, tls
from qorridor.base.errors import OutsideError, words_of

_KEY_MARK = b"PRIVATE KEY-----"
_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a KME listens."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as a Host header and a URL have them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def server_name(self) -> str:
        """The host where it is a name; an IP address is none (RFC 6066 section 3)."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return self.host
        return ""


def address(url: str) -> Address:
    """The address in `https://HOST[:PORT]`; raises ValueError for any other form."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"{url!r} is no https://HOST[:PORT]")
    return Address(parts.hostname, parts.port or 443)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who calls a KME: an SAE, or somebody who only claims to be one."""

    role: str
    sae_id: str
    kme: Address
    credentials: contexts.Credentials | None = field(repr=False)
    trust: Path

    def context(self) -> contexts.Context:
        """A fresh TLS context of this party."""
        return contexts.foreign_client(self.credentials, self.trust, self.kme.server_name)


@dataclass(frozen=True, slots=True)
class Parties:
    """Everybody of a run. A is the SAE under test, B its peer."""

    a: Party
    b: Party
    c: Party | None = None
    outsider: Party | None = None
    bad: Mapping[str, Party] = field(default_factory=dict)
    """By what is wrong with the certificate: expired, not-yet-valid, wrong-use, revoked, revocable."""


def read_party(role: str, file: Path, kme: Address, trust: Path, sae_id: str = "") -> Party:
    """A party from a PEM file with its chain; its key is in the same file or in FILE.key beside it.

    Raises OutsideError Q-KME-080 for files that cannot be used.
    """
    try:
        data = file.read_bytes()
        leaf = x509.load_pem_x509_certificates(data)[0]
        key = file if _KEY_MARK in data else file.with_suffix(".key")
        serialization.load_pem_private_key(_key_block(key.read_bytes()), None)
    except (OSError, ValueError, TypeError) as error:
        raise OutsideError(
            "Q-KME-080", f"cannot read the certificate of {role} with its key: {words_of(error)}",
            "name a PEM file with the chain, leaf first, and its unencrypted key there or in NAME.key", str(file),
        ) from None  # fmt: skip
    return Party(role, sae_id or sae_id_of(leaf), kme, contexts.Credentials(((file, key),)), trust)


def _key_block(data: bytes) -> bytes:
    """The private key alone: what stands before it in a file is no concern of the parser."""
    marks = [line for line in data.splitlines() if line.startswith(b"-----BEGIN") and _KEY_MARK in line]
    if not marks:
        raise ValueError("there is no private key")
    return data[data.index(marks[0]) :]


def sae_id_of(leaf: x509.Certificate) -> str:
    """The SAE ID that a certificate suggests: the last part of its URI name, else its common name."""
    try:
        return tls.identity_of(leaf).name
    except ValueError:
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""


def imposters(honest: Party, folder: Path, now: datetime | None = None) -> dict[str, Party]:
    """A's certificate again, made by nobody who may: self-signed, and by an authority of the same name."""
    now = now or datetime.now(UTC)
    leaf = _leaf_of(honest)
    key = certificates.generate_key("ecdsa-p256")
    false_ca = certificates.generate_key("ecdsa-p256")
    made = {
        "self-signed": _copy(leaf, leaf.subject, key, key, now),
        "other-authority": _copy(leaf, leaf.issuer, key, false_ca, now),
    }
    found = {}
    for name, certificate in made.items():
        file = folder / f"{name}.pem"
        file.write_bytes(certificates.certificate_pem(certificate) + certificates.key_pem(key))
        file.chmod(0o600)
        found[name] = Party(
            name, honest.sae_id, honest.kme, contexts.Credentials(((file, file),)), honest.trust
        )
    return found


def _leaf_of(party: Party) -> x509.Certificate:
    if party.credentials is None:
        raise ValueError("the party has no certificate")
    return x509.load_pem_x509_certificates(party.credentials.chains[0][0].read_bytes())[0]


def _copy(
    leaf: x509.Certificate, issuer: x509.Name, key: certificates.PrivateKey, signer: certificates.PrivateKey,
    now: datetime,
) -> x509.Certificate:  # fmt: skip
    """A certificate with the subject and extensions of `leaf`, another key and another signer."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
    )
    for extension in leaf.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(signer, certificates.hash_for(signer))
