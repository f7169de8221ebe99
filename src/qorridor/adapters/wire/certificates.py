"""X.509 certificates of an organisation's own authority: traditional and ML-DSA side by side.

    root (P-384 | ML-DSA-87) -> issuing authority per kind of identity (P-256 | ML-DSA-65) -> leaf

Each kind (node, sae, link, operator) has an issuing authority of its own, and a listener trusts just
that one: a certificate of another kind does not even verify there.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qorridor.adapters.wire.tls import identity_of
from qorridor.base.names import Identity

Algorithm = Literal["ecdsa-p256", "ecdsa-p384", "ml-dsa-65", "ml-dsa-87"]
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey

LEAF_LIFETIME = timedelta(days=14)
ISSUER_LIFETIME = timedelta(days=365)
ROOT_LIFETIME = timedelta(days=3650)
_UNREADABLE = (
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)
_BACKDATED = timedelta(minutes=5)  # clocks of two machines differ a little

_GENERATORS = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may sign others, with its key."""

    certificate: x509.Certificate
    key: PrivateKey


def generate_key(algorithm: Algorithm) -> PrivateKey:
    """A fresh private key."""
    return cast("PrivateKey", _GENERATORS[algorithm]())


def algorithm_of(key: object) -> Algorithm:
    """The algorithm of a public or private key; raises ValueError for any other."""
    match key:
        case mldsa.MLDSA65PublicKey() | mldsa.MLDSA65PrivateKey():
            return "ml-dsa-65"
        case mldsa.MLDSA87PublicKey() | mldsa.MLDSA87PrivateKey():
            return "ml-dsa-87"
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            if key.curve.name == "secp256r1":
                return "ecdsa-p256"
            if key.curve.name == "secp384r1":
                return "ecdsa-p384"
    raise ValueError("the key is neither P-256, P-384, ML-DSA-65 nor ML-DSA-87")


def hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash that a key signs with; ML-DSA brings its own."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()
    return None


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs, crl_sign=signs,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: object, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)  # type: ignore[arg-type]  # checked by algorithm_of before
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def make_root(organisation: str, algorithm: Algorithm, now: datetime, common: str) -> Issuer:
    """A self-signed root."""
    key = generate_key(algorithm)
    name = _name(organisation, common)
    builder = _builder(name, name, key.public_key(), now, ROOT_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    return Issuer(builder.sign(key, hash_for(key)), key)


def make_issuer(root: Issuer, organisation: str, algorithm: Algorithm, now: datetime, common: str) -> Issuer:
    """An issuing authority below `root`; it signs leaves only (path length 0)."""
    key = generate_key(algorithm)
    builder = _builder(
        _name(organisation, common), root.certificate.subject, key.public_key(), now, ISSUER_LIFETIME
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    builder = builder.add_extension(_authority_key(root), critical=False)
    return Issuer(builder.sign(root.key, hash_for(root.key)), key)


def _authority_key(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def make_request(identity: Identity, key: PrivateKey, hosts: tuple[str, ...] = ()) -> bytes:
    """A certificate signing request in PEM: one URI name, and a DNS or IP name per host."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
    names += [_host_name(host) for host in hosts]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.name[:64])]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hash_for(key))
    )
    return request.public_bytes(serialization.Encoding.PEM)


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def sign_request(
    issuer: Issuer, request_pem: bytes, identity: Identity, now: datetime, admits: Callable[[str], bool]
) -> x509.Certificate:
    """The leaf for a request that speaks for `identity`; raises ValueError for any other request, and for
    one with a host name that `admits` does not.

    Nodes and link ends are both servers and clients of each other; SAEs and operators only clients.
    """
    request = _read_request(request_pem)
    if not request.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    if identity_of(request) != identity:
        raise ValueError("the request speaks for another identity than its token")
    algorithm_of(request.public_key())
    asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = x509.SubjectAlternativeName([_admitted(name, identity, admits) for name in asked])
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if identity.kind in {"node", "link", "authority"}:
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
    organisation = issuer.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    builder = _builder(
        _name(str(organisation), identity.name), issuer.certificate.subject,
        request.public_key(), now, LEAF_LIFETIME,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(_authority_key(issuer), critical=False)
    return builder.sign(issuer.key, hash_for(issuer.key))


def _admitted(name: x509.GeneralName, identity: Identity, admits: Callable[[str], bool]) -> x509.GeneralName:
    """A name of a request as the authority itself writes it."""
    if isinstance(name, x509.UniformResourceIdentifier):
        return x509.UniformResourceIdentifier(identity.uri)
    if isinstance(name, x509.DNSName | x509.IPAddress) and admits(str(name.value)):
        return name
    shown = str(name.value) if isinstance(name, x509.DNSName | x509.IPAddress) else type(name).__name__
    raise ValueError(f"the estate gives {identity.name} no name {shown[:80]}")


def _read_request(request_pem: bytes) -> x509.CertificateSigningRequest:
    """A request whose key and extensions can be read; raises ValueError for every other one."""
    try:
        request = x509.load_pem_x509_csr(request_pem)
        request.public_key()
        request.is_signature_valid  # noqa: B018 - raises for a signature that it does not know
        list(request.extensions)
    except _UNREADABLE as error:
        raise ValueError(f"it cannot be read: {error}") from None
    return request


def key_hash(public: CertificatePublicKeyTypes) -> str:
    """SHA-256 of a public key (SubjectPublicKeyInfo) in hex: what a token is bound to."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """PEM of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """Unencrypted PKCS#8 PEM of a key; the file that takes it has mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def request_key(request: bytes) -> tuple[Algorithm, str]:
    """Algorithm and hash of the key that has signed a request; raises ValueError for unknown ones."""
    read = _read_request(request)
    if not read.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    key = read.public_key()
    return algorithm_of(key), key_hash(key)


def load_key(pem: bytes) -> PrivateKey:
    """A private key from PEM."""
    return cast("PrivateKey", serialization.load_pem_private_key(pem, None))


def load_issuer(certificate: bytes, key: bytes) -> Issuer:
    """An issuer from PEM."""
    private = serialization.load_pem_private_key(key, None)
    return Issuer(x509.load_pem_x509_certificate(certificate), cast("PrivateKey", private))


def utc(seconds: float) -> datetime:
    """Seconds since the epoch as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
