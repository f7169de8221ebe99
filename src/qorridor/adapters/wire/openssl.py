"""The private names of pyOpenSSL that TLS 1.3 groups and external PSKs need, proven at start-up.

pyOpenSSL has no public call for key exchange groups or TLS 1.3 external PSKs. The names below are in
the binding of the pinned wheels; `missing_names` is what `doctor` and every start look at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

PRIVATE_NAMES = (
    "SSL_CTX_set1_curves_list",
    "SSL_CTX_set1_sigalgs_list",
    "SSL_CTX_set_psk_use_session_callback",
    "SSL_CTX_set_psk_find_session_callback",
    "SSL_CIPHER_find",
    "Cryptography_SSL_SESSION_new",
    "SSL_SESSION_set1_master_key",
    "SSL_SESSION_set_cipher",
    "SSL_SESSION_set_protocol_version",
    "SSL_session_reused",
)

_TLS13 = 0x0304
_AES_256_GCM_SHA384 = b"\x13\x02"


def missing_names() -> list[str]:
    """Private names that this installation's binding lacks; empty when all is well."""
    return [name for name in PRIVATE_NAMES if not hasattr(lib, name)]


def set_groups(context: SSL.Context, groups: str) -> None:
    """Restrict key exchange to `groups`, colon-separated names as OpenSSL spells them."""
    if lib.SSL_CTX_set1_curves_list(context._context, groups.encode()) != 1:  # noqa: SLF001
        raise ValueError(f"OpenSSL does not know the groups {groups}")


def was_psk_used(connection: SSL.Connection) -> bool:
    """Whether the handshake used the external PSK (RFC 8446 section 4.2.11)."""
    return bool(lib.SSL_session_reused(connection._ssl) == 1)  # noqa: SLF001


def _session(ssl: Any, key: memoryview) -> Any:
    """A session object that carries `key` as external PSK for TLS_AES_256_GCM_SHA384; OpenSSL owns it."""
    cipher = lib.SSL_CIPHER_find(ssl, _AES_256_GCM_SHA384)
    session = lib.Cryptography_SSL_SESSION_new()
    buffer = ffi.from_buffer("unsigned char[]", key)
    lib.SSL_SESSION_set1_master_key(session, buffer, len(key))
    lib.SSL_SESSION_set_cipher(session, cipher)
    lib.SSL_SESSION_set_protocol_version(session, _TLS13)
    return session


def use_psk(context: SSL.Context, identity: str, key: Callable[[], memoryview]) -> list[object]:
    """Offer the external PSK `identity`; returns what must live as long as the context."""
    name = ffi.new("unsigned char[]", identity.encode())

    @ffi.callback(  # type: ignore[untyped-decorator]
        "int(SSL *, const EVP_MD *, const unsigned char **, size_t *, SSL_SESSION **)", error=0
    )
    def use(ssl: Any, _digest: Any, id_out: Any, id_size: Any, session_out: Any) -> int:
        session_out[0] = _session(ssl, key())
        id_out[0] = name
        id_size[0] = len(identity.encode())
        return 1

    lib.SSL_CTX_set_psk_use_session_callback(context._context, use)  # noqa: SLF001
    return [name, use]


def connection_number(connection: SSL.Connection) -> int:
    """What a PSK callback knows of a connection: the address of its SSL object."""
    return int(ffi.cast("uintptr_t", connection._ssl))  # noqa: SLF001


def find_psk(
    context: SSL.Context, lookup: Callable[[str], memoryview | None], found: dict[int, str]
) -> list[object]:
    """Accept external PSKs that `lookup` knows; notes the identity in `found` by connection number;
    returns what must live as long as the context.

    An unknown identity answers 0, never "no such PSK": the latter would let OpenSSL go on to
    certificates. No exception may leave a callback, its traceback would show local data.
    """

    @ffi.callback("int(SSL *, const unsigned char *, size_t, SSL_SESSION **)", error=0)  # type: ignore[untyped-decorator]
    def find(ssl: Any, identity: Any, size: int, session_out: Any) -> int:
        try:
            name = bytes(ffi.buffer(identity, size)).decode("ascii")
            key = lookup(name)
            if key is None:
                return 0
            session_out[0] = _session(ssl, key)
            found[int(ffi.cast("uintptr_t", ssl))] = name
        except Exception:  # noqa: BLE001
            return 0
        return 1

    lib.SSL_CTX_set_psk_find_session_callback(context._context, find)  # noqa: SLF001
    return [find]
