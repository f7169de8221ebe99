"""TLS end points as they really answer on loopback."""

import asyncio

import pytest
from OpenSSL import SSL

from qorridor.adapters.scanners.targets import Endpoint
from qorridor.adapters.scanners.tls import Budget, TlsScanner
from qorridor.adapters.wire import openssl, tls
from qorridor.adapters.wire.contexts import Context, Credentials, anonymous_server, mutual_server
from qorridor.adapters.wire.system import SystemEntropy
from qorridor.records.observations import Coverage, Observation


def files(folder, leaf):
    (folder / "chain.pem").write_bytes(leaf.chain_pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    return Credentials(((folder / "chain.pem", folder / "key.pem"),))


def plain(folder, leaf, *, groups, newest):
    """A server of today's kind: traditional groups, perhaps no TLS 1.3."""
    files(folder, leaf)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(newest)
    context.use_certificate_chain_file(str(folder / "chain.pem"))
    context.use_privatekey_file(str(folder / "key.pem"))
    openssl.set_groups(context, groups)
    return Context(context, is_server=True, groups=frozenset())


async def look(context, seconds=3.0):
    async def nothing(stream):
        await stream.read()

    server = await tls.serve(nothing, lambda: context, "127.0.0.1", 0, refused=lambda *_: None)
    port = server.sockets[0].getsockname()[1]
    scanner = TlsScanner(SystemEntropy(), Budget(seconds=seconds, per_second=1000))
    seen = [one async for one in scanner.observe([Endpoint("127.0.0.1", port)])]
    server.close()
    return seen


def facts(seen):
    (observation,) = [one for one in seen if isinstance(one, Observation)]
    return observation.facts


@pytest.mark.requirement("B-01")
def test_a_post_quantum_end_point_is_seen_with_its_group_and_chain(tmp_path, leaf):
    found = facts(asyncio.run(look(anonymous_server(files(tmp_path, leaf)))))
    assert found["post_quantum_group"] == "X25519MLKEM768"
    assert found["tls13"] is True
    assert found["version"] == "TLSv1.3"
    assert found["group"] == "X25519MLKEM768"
    assert [row["role"] for row in found["chain"]] == ["leaf", "intermediate"]


def test_an_end_point_with_an_ml_dsa_certificate_is_seen(tmp_path, quantum_leaf):
    found = facts(asyncio.run(look(anonymous_server(files(tmp_path, quantum_leaf)))))
    assert found["chain"][0]["key_oid"] == "2.16.840.1.101.3.4.3.18"


def test_a_traditional_end_point_has_no_post_quantum_group(tmp_path, leaf):
    found = facts(asyncio.run(look(plain(tmp_path, leaf, groups="X25519:P-256", newest=SSL.TLS1_3_VERSION))))
    assert found["post_quantum_group"] == ""
    assert found["preferred_group"] == "X25519"
    assert found["group"].lower() == "x25519"


def test_an_end_point_without_tls_1_3_is_told_apart(tmp_path, leaf):
    found = facts(asyncio.run(look(plain(tmp_path, leaf, groups="P-256", newest=SSL.TLS1_2_VERSION))))
    assert found["tls13"] is False
    assert found["version"] == "TLSv1.2"
    assert found["post_quantum_group"] == ""


async def against(handler, seconds=0.5):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    scanner = TlsScanner(SystemEntropy(), Budget(seconds=seconds, per_second=1000))
    seen = [one async for one in scanner.observe([Endpoint("127.0.0.1", port)])]
    server.close()
    return seen


async def _say_ssh(_, writer):
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    writer.close()


async def _silent(reader, writer):
    await reader.read(-1)
    writer.close()


async def _flood(_, writer):
    try:
        while True:
            writer.write(b"\x16\x03\x03\x40\x00" + bytes(16384))
            await writer.drain()
    except ConnectionError:
        writer.close()


@pytest.mark.parametrize(
    ("handler", "why"), [(_say_ssh, "parse-error"), (_silent, "timeout"), (_flood, "parse-error")]
)
def test_what_speaks_no_tls_is_a_coverage_record_never_silence(handler, why):
    (unit,) = asyncio.run(against(handler))
    assert isinstance(unit, Coverage)
    assert (unit.state, unit.why) == ("failed", why)


def test_a_closed_port_is_a_coverage_record():
    async def look_at_nothing():
        server = await asyncio.start_server(_silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        scanner = TlsScanner(SystemEntropy(), Budget(seconds=1))
        return [one async for one in scanner.observe([Endpoint("127.0.0.1", port)])]

    (unit,) = asyncio.run(look_at_nothing())
    assert (unit.state, unit.why) == ("failed", "filtered")


def test_an_end_point_that_asks_for_a_client_certificate_is_told_so(tmp_path, leaf):
    credentials = files(tmp_path, leaf)
    found = facts(asyncio.run(look(mutual_server(credentials, tmp_path / "chain.pem"))))
    assert found["client_certificate"] == "requested"
    assert found["group"] == "X25519MLKEM768"
    other = facts(asyncio.run(look(anonymous_server(credentials))))
    assert other["client_certificate"] == "not requested"
