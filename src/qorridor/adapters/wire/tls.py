"""TLS over asyncio through OpenSSL memory BIOs: the one transport of every listener and dialer.

socket <-> _Pump (asyncio.Protocol) <-> memory BIO <-> Stream (what the rest of the product sees)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from qorridor.adapters.wire import handshakes as handshakes_module
from qorridor.adapters.wire import openssl
from qorridor.adapters.wire.contexts import Context, normalised_group
from qorridor.adapters.wire.handshakes import Handshakes
from qorridor.base.errors import OutsideError, words_of
from qorridor.base.names import Identity

HANDSHAKE_SECONDS = 10.0
_CHUNK = 128 * 1024
_BUFFER = 1024 * 1024
_HANDSHAKE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end and what was negotiated; `chain` is the verified chain in DER, leaf first."""

    chain: tuple[bytes, ...]
    group: str
    version: str
    cipher: str
    psk_identity: str
    """Identity of the external PSK that the connection rests on; empty with certificates."""
    address: str

    @property
    def identity(self) -> Identity:
        """The one SAN URI of the leaf; raises ValueError when it has none or several."""
        if not self.chain:
            raise ValueError("the peer showed no certificate")
        return identity_of(x509.load_der_x509_certificate(self.chain[0]))

    @property
    def serial(self) -> int:
        """Serial number of the leaf certificate."""
        return x509.load_der_x509_certificate(self.chain[0]).serial_number


def identity_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> Identity:
    """The identity that a certificate speaks for: exactly one URI SAN, else ValueError."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate has no subject alternative name") from None
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the certificate's names cannot be read: {error}") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise ValueError(f"the certificate has {len(uris)} URI names; exactly one is required")
    return Identity.parse(uris[0])


class Stream:
    """A TLS connection after its handshake: bytes in, bytes out, and who the peer is."""

    def __init__(self, pump: _Pump, peer: Peer) -> None:
        self._pump = pump
        self.peer = peer

    async def read(self, size: int = _CHUNK) -> bytes:
        """At most `size` bytes; empty at the end of the stream."""
        return await self._pump.reader.read(size)

    async def readexactly(self, size: int) -> bytes:
        """Exactly `size` bytes; raises asyncio.IncompleteReadError at an early end."""
        return await self._pump.reader.readexactly(size)

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, waiting while the peer reads slowly; raises ConnectionError when it is gone."""
        self._pump.send(data)
        await self._pump.writable()

    def exporter(self, label: bytes, size: int, context: bytes = b"") -> bytes:
        """Keying material of this connection (RFC 8446 section 7.5), equal at both ends."""
        return self._pump.tls.export_keying_material(label, size, context)

    def session(self) -> SSL.Session | None:
        """The session that a later connection may offer to resume; for conformance tests alone."""
        return self._pump.tls.get_session()

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended at either side."""
        return self._pump.gone.is_set() or self._pump.reader.at_eof()

    def close(self) -> None:
        """Send close_notify and close; idempotent."""
        self._pump.shutdown()

    def abort(self) -> None:
        """Drop the connection at once; what was not yet sent is lost."""
        self._pump.abort()

    async def closed(self) -> None:
        """Wait until the socket is gone."""
        await self._pump.gone.wait()


class _Pump(asyncio.Protocol):
    """Moves bytes between the socket and OpenSSL; finishes `ready` when the handshake ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.tls = SSL.Connection(context.ssl, None)
        if context.is_server:
            self.tls.set_accept_state()
        else:
            self.tls.set_connect_state()
            if context.server_name:
                self.tls.set_tlsext_host_name(context.server_name.encode("idna"))
            if context.resume is not None:
                self.tls.set_session(context.resume)
        self.reader = asyncio.StreamReader(limit=_BUFFER)
        self.ready: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
        self.made = asyncio.Event()
        self.gone = asyncio.Event()
        self.address = ""
        """Where the peer is, `host:port`."""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._transport: asyncio.Transport | None = None
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):  # pragma: no cover - asyncio gives one
            raise TypeError("a stream transport is needed")
        self._transport = transport
        transport.set_write_buffer_limits(high=_BUFFER)
        self.reader.set_transport(transport)
        self.address = _address(transport)
        self.made.set()
        self._advance()

    def data_received(self, data: bytes) -> None:
        self.tls.bio_write(data)
        self._advance(len(data))

    def eof_received(self) -> None:
        self._end(ConnectionResetError("the peer closed the connection without close_notify"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the connection was closed"))
        if self._context.is_server:
            self._context.psk_identities.pop(openssl.connection_number(self.tls), None)
        self.gone.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def writable(self) -> None:
        await self._may_write.wait()
        if self.gone.is_set():
            raise ConnectionResetError("the connection is closed")

    def send(self, data: bytes | bytearray | memoryview) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        view = memoryview(data)
        try:
            while view:
                view = view[self.tls.send(view[:_CHUNK]) :]
                self._flush()
        except SSL.Error as error:
            raise ConnectionResetError("TLS refused to send") from error

    def shutdown(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        with contextlib.suppress(SSL.Error):
            self.tls.shutdown()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def drop(self, cause: str) -> None:
        self._end(ConnectionAbortedError(cause))
        self.abort()

    def _advance(self, arrived: int = 0) -> None:
        try:
            if not self.ready.done():
                self._handshake(arrived)
            if self.ready.done():
                self._deliver()
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.reader.feed_eof()
        except (SSL.Error, OutsideError, ValueError) as error:
            self._end(_explained(error, self.tls.get_app_data()))
            self._flush()
            if self._transport is not None:
                self._transport.close()
        else:
            return
        self._flush()

    def _handshake(self, arrived: int) -> None:
        self._received += arrived
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            if self._received > _HANDSHAKE_LIMIT:
                raise ValueError("the handshake is larger than 64 KiB") from None
            raise
        self._flush()
        self.ready.set_result(self._peer())

    def _peer(self) -> Peer:
        group = self.tls.get_group_name() or ""
        if normalised_group(group) not in self._context.groups:
            raise ValueError(f"the peer negotiated the group {group or 'none'}")
        psk = openssl.was_psk_used(self.tls)
        if psk != self._context.is_psk and self._context.resume is None:
            raise ValueError("the connection does not rest on the authentication that was asked for")
        chain = [] if psk else self.tls.get_verified_chain() or []
        return Peer(
            chain=tuple(certificate.to_cryptography().public_bytes(Encoding.DER) for certificate in chain),
            group=group,
            version=self.tls.get_protocol_version_name(),
            cipher=self.tls.get_cipher_name() or "",
            psk_identity=self._psk_identity() if psk else "",
            address=self.address,
        )

    def _psk_identity(self) -> str:
        known = self._context.psk_identities
        return known.get(openssl.connection_number(self.tls) if self._context.is_server else 0, "")

    def _deliver(self) -> None:
        while True:
            self.reader.feed_data(self.tls.recv(_CHUNK))

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self._transport.write(self.tls.bio_read(_CHUNK))

    def _end(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # it may be that nobody waits any more
        elif not self.reader.at_eof() and self.reader.exception() is None:
            self.reader.set_exception(error)


def _address(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return ":".join(map(str, name[:2])) if name else ""


def _explained(error: Exception, verdict: object = None) -> ConnectionError:
    if isinstance(verdict, str):
        return ConnectionAbortedError(verdict)
    reasons = [part[-1] for part in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    text = ", ".join(map(str, reasons)) or str(error) or "the peer ended the handshake"
    return ConnectionAbortedError(text)


async def connect(
    host: str, port: int, context: Context, *, accept: Callable[[Identity], bool] | None = None
) -> Stream:
    """Dial and shake hands; `accept` judges the server's identity (always given for certificates).

    Raises OutsideError Q-KME-042 when nobody answers and Q-KME-043 when the handshake or the
    identity is refused.
    """
    where = f"{host}:{port}"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            transport, pump = await loop.create_connection(lambda: _Pump(context), host, port)
    except (OSError, TimeoutError) as error:
        raise OutsideError(
            "Q-KME-042", f"nobody answers: {words_of(error)}", "start the peer or correct its address", where
        ) from error
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            peer = await pump.ready
        _expect(peer, accept)
    except (ConnectionError, TimeoutError, ValueError) as error:
        transport.abort()
        raise OutsideError(
            "Q-KME-043", f"the TLS handshake failed: {words_of(error)}", _remedy(error), where,
        ) from error  # fmt: skip
    return Stream(pump, peer)


_ABOUT_CERTIFICATES = ("certificate", "unknown ca", "signature", "share", "group", "clock", "somebody else")


def _remedy(error: Exception) -> str:
    """What helps; a certificate is blamed only when something says so."""
    if any(word in str(error).lower() for word in _ABOUT_CERTIFICATES):
        return "both ends need certificates of the same authority and X25519MLKEM768"
    return "the peer may be overloaded or just starting: look at its log and at `auth.refused` in its journal, try again"


def _expect(peer: Peer, accept: Callable[[Identity], bool] | None) -> None:
    if accept is not None and not accept(peer.identity):
        raise ValueError(f"the peer is {peer.identity.uri}, somebody else was expected")


Refused = Callable[[str, str], None]
"""Told (address, cause) about each connection that a listener refuses."""


async def serve(
    handler: Callable[[Stream], Awaitable[None]],
    context: Callable[[], Context],
    host: str,
    port: int,
    *,
    refused: Refused,
    most: int = 1024,
    handshakes: Handshakes | None = None,
) -> asyncio.Server:
    """Listen and run `handler` for each connection whose handshake succeeds, at most `most` at once;
    `context` is asked for each connection, so that a new certificate takes effect without a restart.

    Connections in mid-handshake are bounded on their own (`handshakes`), and never take a session's place.
    """
    under_way = handshakes or Handshakes()
    tasks: set[asyncio.Task[None]] = set()
    sessions: set[Stream] = set()

    async def run(pump: _Pump) -> None:
        number = 0
        try:
            async with asyncio.timeout(handshakes_module.SECONDS):
                await pump.made.wait()
                number = under_way.begin(pump.address.rpartition(":")[0], pump.drop)
                peer = await pump.ready
            if len(sessions) >= most:
                raise ConnectionAbortedError("too many connections")
        except (ConnectionError, TimeoutError, OSError) as error:
            refused(pump.address, str(error) or "no handshake in time")
            pump.shutdown()
            return
        finally:
            under_way.end(number)
        stream = Stream(pump, peer)
        sessions.add(stream)
        try:
            await handler(stream)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the peer went away or was too slow: nothing is owed to it
        finally:
            sessions.discard(stream)
            stream.close()

    def accept() -> _Pump:
        pump = _Pump(context())
        task = asyncio.get_running_loop().create_task(run(pump))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return pump

    return await asyncio.get_running_loop().create_server(accept, host, port, backlog=256)
