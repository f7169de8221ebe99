"""The connection: C37, C38, C39."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qorridor.adapters.scanners import hello
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.parties import Address
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.verdicts import expect, inconclusive

_VERSIONS = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1"}
_TRADITIONAL_GROUPS = (0x001D, 0x0017, 0x0018)
_AT_VERSION = 9
"""Where the version stands in a ClientHello: after record header (5), type and length (4)."""


async def c37_old_tls(bench: Bench) -> None:
    """A ClientHello of TLS 1.0 and one of 1.1: an alert or an end, no ServerHello."""
    kme = bench.parties.a.kme
    for version, name in _VERSIONS.items():
        answer = await _first_answer(bench, kme, _old_hello(kme, version))
        bench.note(f"{name}: {answer.kind if answer else 'no answer'}")
        accepted = answer is not None and answer.kind == "hello"
        expect(not accepted, f"{name} is accepted")


def _old_hello(kme: Address, version: int) -> bytes:
    noise = SystemEntropy().draw(64)
    made = bytearray(hello.client_hello(kme.host, _TRADITIONAL_GROUPS, noise, tls13=False))
    made[_AT_VERSION : _AT_VERSION + 2] = version.to_bytes(2, "big")
    return bytes(made)


async def _first_answer(bench: Bench, kme: Address, data: bytes) -> hello.Answer | None:
    received = await _plain(bench, kme, data, lambda data: hello.parse(data) is not None)
    return hello.parse(received) or (hello.Answer("closed") if not received else None)


async def _plain(bench: Bench, kme: Address, data: bytes, is_enough: Callable[[bytes], bool]) -> bytes:
    """What arrives on a TCP connection after `data`, until it is enough, ends or takes too long."""
    received = b""
    reader, writer = await asyncio.open_connection(kme.host, kme.port)
    try:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(min(3.0, bench.settings.seconds)):
                writer.write(data)
                while chunk := await reader.read(65536):
                    received += chunk
                    if len(received) > hello.LIMIT or is_enough(received):
                        break
    finally:
        writer.transport.abort()
    return received


async def _leaf(bench: Bench) -> tuple[x509.Certificate, str, str]:
    async with bench.connection(bench.parties.a) as connection:
        peer = connection.stream.peer
        if not peer.chain:
            inconclusive("the KME shows no certificate")
        return x509.load_der_x509_certificate(peer.chain[0]), peer.version, peer.group


async def c38a_kme_certificate(bench: Bench) -> None:
    """The chain was verified when the connection was made; here its leaf is read."""
    leaf, version, group = await _leaf(bench)
    bench.note(f"{version}, {group or 'no group reported'}, serial {leaf.serial_number:x}")
    now = datetime.fromtimestamp(SystemClock().now(), UTC)
    expect(leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc, "the certificate is out of date")
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        bench.note("the certificate has no extended key usage")
    else:
        expect(ExtendedKeyUsageOID.SERVER_AUTH in uses, "the certificate is not meant for servers")
    host = bench.parties.a.kme.host
    names = _names(leaf)
    expect(
        any(_matches(name, host) for name in names), f"the certificate names {names or 'nothing'}, not {host}"
    )


def _names(leaf: x509.Certificate) -> list[str]:
    """DNS and IP names; the common name counts for nothing (RFC 9525 section 2)."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = found.get_values_for_type(x509.IPAddress)
    return [*found.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _matches(name: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    except ValueError:
        pass
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:] and bool(host.partition(".")[0])
    return name == host


def common_name(leaf: x509.Certificate) -> str:
    """The common name of a certificate, for the report only."""
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


async def c38b_post_quantum(bench: Bench) -> None:
    """What is recorded today is read when a quantum computer comes."""
    _, version, group = await _leaf(bench)
    bench.note(f"{version}, {group or 'no group reported'}")
    expect("MLKEM" in group.upper(), f"the key exchange is {group or 'without a group'}: not post-quantum")


async def c39_plain_http(bench: Bench) -> None:
    """The same port without TLS."""
    kme = bench.parties.a.kme
    target = f"/api/v1/keys/{bench.parties.b.sae_id}/status"
    received = await _plain(
        bench, kme, bench.request(bench.parties.a, "GET", target), lambda data: b"}" in data
    )
    status = received.split(b" ", 2)[1:2] if received.startswith(b"HTTP/") else []
    body = received.partition(b"\r\n\r\n")[2]
    told = judgement.json_object(body) or {}
    expect(status != [b"200"] and "source_KME_ID" not in told, "status is served over plain HTTP")
    bench.note(f"answered with {bytes(status[0]).decode('latin-1')}" if status else "no HTTP answer")
