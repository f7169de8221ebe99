"""TLS contexts of the product's listeners and dialers: which groups, which certificates, no resumption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL, crypto

from qorridor.adapters.wire import openssl
from qorridor.base.errors import OutsideError, words_of

POST_QUANTUM_GROUPS = "X25519MLKEM768:SecP384r1MLKEM1024"
DEFAULT_GROUP = "X25519MLKEM768"
COMPATIBILITY_GROUPS = "X25519MLKEM768:X25519:P-256:P-384"
FOREIGN_GROUPS = "X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024:X25519:P-256:P-384:P-521"
_NO_RENEGOTIATION = 0x40000000


@dataclass(frozen=True, slots=True)
class Credentials:
    """One or two certificate chains with their keys (traditional, ML-DSA) as PEM files."""

    chains: tuple[tuple[Path, Path], ...]
    """Pairs (chain file: leaf first, key file)."""


@dataclass(slots=True)
class Context:
    """An OpenSSL context and what must live as long as it does; `groups` is what a peer may negotiate."""

    ssl: SSL.Context
    is_server: bool
    groups: frozenset[str]
    is_psk: bool = False
    keep: Sequence[object] = ()
    psk_identities: dict[int, str] = field(default_factory=dict)
    """Identities of accepted PSKs by connection; key 0 is the identity that a client offers."""
    server_name: str = ""
    """What a client asks for by name (RFC 6066 section 3); empty for none."""
    resume: SSL.Session | None = None
    """A session that a client takes up again: only to test that somebody else's server refuses it."""


def _base(method: int, groups: str, minimum: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(minimum)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | _NO_RENEGOTIATION)
    # Both together: either alone still resumes, and a resumed connection outlives a revocation.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    openssl.set_groups(context, groups)
    return context


def _load(context: SSL.Context, credentials: Credentials) -> None:
    for chain_file, key_file in credentials.chains:
        try:
            # From files, not objects: pyOpenSSL's own types know no ML-DSA keys, OpenSSL does.
            context.use_certificate_chain_file(str(chain_file))
            context.use_privatekey_file(str(key_file))
            context.check_privatekey()
        except SSL.Error as error:
            raise OutsideError(
                "Q-KME-041", "cannot use the certificate with its key",
                "enrol again, or correct the files' rights", str(chain_file),
            ) from error  # fmt: skip


def _trust(context: SSL.Context, bundle: Path, revoked: Path | None) -> None:
    store = context.get_cert_store()
    if store is None:  # pragma: no cover - OpenSSL always gives a new context a store
        raise OutsideError("Q-KME-041", "OpenSSL gave no certificate store", "reinstall pyOpenSSL")
    try:
        anchors = x509.load_pem_x509_certificates(bundle.read_bytes())
    except (OSError, ValueError) as error:
        raise OutsideError(
            "Q-KME-041", f"cannot read the certificates that others are verified with: {words_of(error)}",
            "enrol again, or correct the file", str(bundle),
        ) from error  # fmt: skip
    for anchor in anchors:
        store.add_cert(crypto.X509.from_cryptography(anchor))
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    if revoked is not None and revoked.is_file():
        for block in revoked.read_bytes().split(b"-----END X509 CRL-----\n")[:-1]:
            store.add_crl(x509.load_pem_x509_crl(block + b"-----END X509 CRL-----\n"))
        flags |= crypto.X509StoreFlags.CRL_CHECK
    # The issuing authority is the anchor: a certificate of a sister authority does not verify here.
    store.set_flags(flags)


def mutual_server(
    credentials: Credentials, trust: Path, *, crl: Path | None = None, compatibility: bool = False
) -> Context:
    """A listener that demands a client certificate issued below `trust`; TLS 1.3 and post-quantum
    groups only, unless it is the compatibility listener."""
    groups = COMPATIBILITY_GROUPS if compatibility else POST_QUANTUM_GROUPS
    minimum = SSL.TLS1_2_VERSION if compatibility else SSL.TLS1_3_VERSION
    context = _base(SSL.TLS_SERVER_METHOD, groups, minimum)
    context.set_session_id(b"qorridor")
    _load(context, credentials)
    _trust(context, trust, crl)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_openssl_verdict)
    return Context(context, is_server=True, groups=_normalised(groups))


def mutual_client(
    credentials: Credentials | None, trust: Path, *, groups: str = POST_QUANTUM_GROUPS
) -> Context:
    """A dialer that verifies the server below `trust` and shows its own certificate when it has one."""
    context = _base(SSL.TLS_CLIENT_METHOD, groups, SSL.TLS1_3_VERSION)
    if credentials is not None:
        _load(context, credentials)
    _trust(context, trust, None)
    context.set_verify(SSL.VERIFY_PEER, _accept_openssl_verdict)
    return Context(context, is_server=False, groups=_normalised(groups))


def foreign_client(credentials: Credentials | None, trust: Path, server_name: str = "") -> Context:
    """A dialer to somebody else's server: TLS 1.2 and traditional groups are taken as well, post-quantum
    ones first. The chain is verified below `trust`; whom the certificate names is for the caller to judge."""
    context = _base(SSL.TLS_CLIENT_METHOD, FOREIGN_GROUPS, SSL.TLS1_2_VERSION)
    if credentials is not None:
        _load(context, credentials)
    _trust(context, trust, None)
    context.set_verify(SSL.VERIFY_PEER, _accept_openssl_verdict)
    # TLS 1.2 without ephemeral keys over a curve reports no group at all.
    return Context(
        context, is_server=False, groups=_normalised(FOREIGN_GROUPS) | {""}, server_name=server_name
    )


def anonymous_server(credentials: Credentials) -> Context:
    """A listener that asks for no client certificate: enrolment, where a one-time token speaks."""
    context = _base(SSL.TLS_SERVER_METHOD, POST_QUANTUM_GROUPS, SSL.TLS1_3_VERSION)
    _load(context, credentials)
    return Context(context, is_server=True, groups=_normalised(POST_QUANTUM_GROUPS))


def psk_server(lookup: Callable[[str], memoryview | None]) -> Context:
    """A listener for external PSKs that `lookup` knows; it holds no certificate to fall back to."""
    context = _base(SSL.TLS_SERVER_METHOD, DEFAULT_GROUP, SSL.TLS1_3_VERSION)
    context.set_session_id(b"qorridor-psk")
    found: dict[int, str] = {}
    keep = openssl.find_psk(context, lookup, found)
    return Context(context, is_server=True, groups=_normalised(DEFAULT_GROUP), is_psk=True, keep=keep,
                   psk_identities=found)  # fmt: skip


def psk_client(identity: str, key: Callable[[], memoryview]) -> Context:
    """A dialer that offers the external PSK `identity`."""
    context = _base(SSL.TLS_CLIENT_METHOD, DEFAULT_GROUP, SSL.TLS1_3_VERSION)
    context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
    keep = openssl.use_psk(context, identity, key)
    return Context(context, is_server=False, groups=_normalised(DEFAULT_GROUP), is_psk=True, keep=keep,
                   psk_identities={0: identity})  # fmt: skip


VERIFY_ERRORS = {
    9: "a certificate is not valid yet: compare the clocks of both machines",
    10: "a certificate has expired: enrol again, and compare the clocks of both machines",
    20: "a certificate comes from an authority that is not trusted here",
    23: "a certificate was revoked",
    26: "a certificate is not meant for this use",
}
"""X509_V_ERR_* of OpenSSL in words, where they help more than its own."""


def _accept_openssl_verdict(
    connection: SSL.Connection, _certificate: crypto.X509, error: int, _depth: int, verdict: int
) -> bool:
    if not verdict:
        connection.set_app_data(
            VERIFY_ERRORS.get(error, f"a certificate does not verify (X509 error {error})")
        )
    return bool(verdict)


def _normalised(groups: str) -> frozenset[str]:
    return frozenset(normalised_group(name) for name in groups.split(":"))


def normalised_group(name: str) -> str:
    """One spelling per group: OpenSSL reports `x25519` and `secp256r1` for `X25519` and `P-256`."""
    lowered = name.lower()
    return {"p-256": "secp256r1", "p-384": "secp384r1", "p-521": "secp521r1"}.get(lowered, lowered)
