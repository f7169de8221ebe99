"""One real TLS handshake that trusts nobody: what would this end point negotiate, and what does it show?

For scanners only. Nothing is sent after the handshake, nothing that arrives is believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from qorridor.adapters.wire import openssl

GROUPS = "X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024:X25519:P-256:P-384:P-521:X448"
_LIMIT = 256 * 1024
_ASKED = b"read server certificate request"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was negotiated; `chain` is what the server sent in DER, leaf first, unverified."""

    version: str
    group: str
    cipher: str
    chain: tuple[bytes, ...]
    asks_for_certificate: bool


async def observe(host: str, port: int, seconds: float) -> Sight:
    """Shake hands within `seconds`; raises OSError, TimeoutError or ConnectionError."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            return await _shake_hands(host, reader, writer)
        finally:
            writer.transport.abort()


async def _shake_hands(host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Sight:
    connection, states = _connection(host)
    arrived = 0
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            _flush(connection, writer)
        except SSL.Error as error:
            raise ConnectionError(_reason(error)) from None
        else:
            return _sight(connection, asks=any(_ASKED in state for state in states))
        data = await reader.read(65536)
        arrived += len(data)
        if not data or arrived > _LIMIT:
            raise ConnectionError(
                "the server ended the handshake" if not data else "the server sends too much"
            )
        connection.bio_write(data)


def _connection(host: str) -> tuple[SSL.Connection, list[bytes]]:
    states: list[bytes] = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    context.set_info_callback(lambda connection, *_: states.append(connection.get_state_string()))
    openssl.set_groups(context, GROUPS)
    connection = SSL.Connection(context, None)
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        host = ""
    if host:
        connection.set_tlsext_host_name(host.encode("idna"))
    connection.set_connect_state()
    return connection, states


def _flush(connection: SSL.Connection, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(SSL.WantReadError):
        while True:
            writer.write(connection.bio_read(65536))


def _reason(error: SSL.Error) -> str:
    rows = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(row[-1]) for row in rows) or "the handshake failed"


def _sight(connection: SSL.Connection, *, asks: bool) -> Sight:
    chain = connection.get_peer_cert_chain() or []
    return Sight(
        version=connection.get_protocol_version_name(),
        group=connection.get_group_name() or "",
        cipher=connection.get_cipher_name() or "",
        chain=tuple(c.to_cryptography().public_bytes(Encoding.DER) for c in chain[:10]),
        asks_for_certificate=asks,
    )
