"""Mutual TLS 1.3 with post-quantum groups: whom a listener lets in, whom it refuses, and that it says so."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from qorridor.adapters.wire import contexts, openssl, tls
from qorridor.adapters.wire.handshakes import Handshakes
from qorridor.base.errors import OutsideError
from tests.support.authority import Organisation
from tests.support.loop import run, until


class Listener:
    """A listener that echoes and notes whom it met and whom it refused."""

    def __init__(self, context, handler=None, most=64, handshakes=None):
        self.context, self.met, self.refusals, self.most = context, [], [], most
        self.handshakes = handshakes or Handshakes()
        self.handler = handler or self.echo

    async def echo(self, stream):
        self.met.append(stream.peer)
        while data := await stream.read():
            await stream.write(data)

    async def __aenter__(self):
        self.server = await tls.serve(
            self.handler, lambda: self.context, "127.0.0.1", 0,
            refused=lambda address, cause: self.refusals.append((address, cause)), most=self.most,
            handshakes=self.handshakes,
        )  # fmt: skip
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()


def peer_server(organisation, *algorithms):
    london = organisation.enrol("node", "london", *(algorithms or ("ml-dsa-65",)))
    return contexts.mutual_server(london.credentials(*(algorithms or ("ml-dsa-65",))), london.trust("node"))


def client(pki, algorithm="ecdsa-p256", kind="node", **options):
    return contexts.mutual_client(pki.credentials(algorithm), pki.trust(kind), **options)


async def is_refused(listener, context):
    """Dial, then read: in TLS 1.3 the client learns only then that its certificate was refused."""
    try:
        stream = await tls.connect("127.0.0.1", listener.port, context)
        await stream.write(b"may I?")
        answer = await stream.read()
    except (OutsideError, ConnectionError):
        answer = b""
    await until(lambda: listener.refusals or listener.met)
    return answer == b"" and not listener.met and bool(listener.refusals)


@pytest.mark.parametrize("server", [("ecdsa-p256",), ("ml-dsa-65",)])
@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ml-dsa-65"])
def test_both_ends_know_each_other_by_their_certificates(organisation, server, algorithm):
    hayes = organisation.enrol("node", "hayes", "ecdsa-p256", "ml-dsa-65")

    async def main():
        async with Listener(peer_server(organisation, *server)) as listener:
            stream = await tls.connect("127.0.0.1", listener.port, client(hayes, algorithm),
                                       accept=lambda peer: peer.name == "london")  # fmt: skip
            await stream.write(b"hello" * 100_000)
            assert await stream.readexactly(500_000) == b"hello" * 100_000
            assert stream.peer.identity.uri == "spiffe://test-bank/node/london"
            assert listener.met[0].identity.uri == "spiffe://test-bank/node/hayes"
            assert (stream.peer.group, stream.peer.version) == ("X25519MLKEM768", "TLSv1.3")
            stream.close()
            await stream.closed()

    run(main())


def test_exporters_of_both_ends_are_equal_and_differ_by_label_and_context(organisation):
    hayes, seen = organisation.enrol("node", "hayes"), []

    async def main():
        async def handler(stream):
            seen.append([stream.exporter(label, 32, context) for label, context in cases])
            await stream.read()

        cases = [(b"EXPORTER-a", b""), (b"EXPORTER-b", b""), (b"EXPORTER-a", b"x")]
        async with Listener(peer_server(organisation), handler) as listener:
            stream = await tls.connect("127.0.0.1", listener.port, client(hayes))
            own = [stream.exporter(label, 32, context) for label, context in cases]
            await until(lambda: seen)
            assert seen[0] == own
            assert len(set(own)) == 3
            stream.close()

    run(main())


def test_a_client_without_a_certificate_is_refused_and_told_c32(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, contexts.mutual_client(None, hayes.trust("node")))
            assert "certificate" in listener.refusals[0][1]

    run(main())


@pytest.mark.parametrize("kind", ["sae", "link", "operator"])
def test_a_certificate_of_another_kind_does_not_open_the_port_of_nodes(organisation, kind):
    stranger = organisation.enrol(kind, "router/london" if kind == "link" else "router")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, client(stranger))
            assert "not trusted here" in listener.refusals[0][1]

    run(main())


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"valid": (-20, -1)}, "expired"),
        ({"valid": (1, 20)}, "not yet valid"),
        ({"uses": [ExtendedKeyUsageOID.SERVER_AUTH]}, "EKU without clientAuth"),
    ],
)
def test_expired_future_and_server_only_certificates_are_refused_c33(organisation, made, why):
    forged = organisation.forged("node", ["spiffe://test-bank/node/hayes"], **made)

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, client(forged)), why

    run(main())


def test_a_certificate_of_another_organisation_is_refused_c33(organisation):
    other = Organisation()
    hayes = organisation.enrol("node", "hayes")
    stranger = other.enrol("node", "hayes")
    shutil.copy(hayes.trust("node"), stranger.trust("node"))

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, client(stranger))

    run(main())
    other.authority.register.close()
    shutil.rmtree(other.folder)


@pytest.mark.parametrize("uris", [[], ["spiffe://test-bank/node/hayes", "spiffe://test-bank/node/slough"]])
def test_a_certificate_without_exactly_one_uri_name_speaks_for_nobody(organisation, uris):
    forged, caught = organisation.forged("node", uris), []

    async def main():
        async def handler(stream):
            with pytest.raises(ValueError, match=r"exactly one|no subject"):
                _ = stream.peer.identity
            caught.append(True)

        async with Listener(peer_server(organisation), handler) as listener:
            stream = await tls.connect("127.0.0.1", listener.port, client(forged))
            assert await stream.read() == b""
            assert caught

    run(main())


def test_a_server_that_is_somebody_else_is_left(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            with pytest.raises(OutsideError, match="somebody else was expected") as refusal:
                await tls.connect("127.0.0.1", listener.port, client(hayes),
                                  accept=lambda peer: peer.name == "slough")  # fmt: skip
            assert refusal.value.code == "Q-KME-043"

    run(main())


def test_a_client_that_offers_traditional_groups_only_is_refused_and_told(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        context = client(hayes)
        openssl.set_groups(context.ssl, "X25519")
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, context)
            assert "key share" in listener.refusals[0][1]

    run(main())


def test_another_tls_stack_without_post_quantum_groups_ends_in_a_clean_refusal(organisation):
    """The standard library's ssl: OpenSSL 3.0 on Debian 12, whose default group is X25519."""
    hayes = organisation.enrol("node", "hayes")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(hayes.folder / "ecdsa-p256.pem", hayes.folder / "ecdsa-p256.key")
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def main():
        async with Listener(peer_server(organisation, "ecdsa-p256")) as listener:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
            await until(lambda: listener.refusals)
            assert not listener.met

    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        run(main())


def test_the_openssl_program_with_a_traditional_group_is_refused(organisation):
    program = shutil.which("openssl")
    if program is None:
        pytest.fail("the Debian package openssl is needed")
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation, "ecdsa-p256")) as listener:
            done = await asyncio.create_subprocess_exec(
                program, "s_client", "-groups", "X25519", "-tls1_3", "-connect", f"127.0.0.1:{listener.port}",
                "-cert", str(hayes.folder / "ecdsa-p256.pem"), "-key", str(hayes.folder / "ecdsa-p256.key"),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            words, _ = await done.communicate()
            assert b"handshake failure" in words
            await until(lambda: listener.refusals)
            assert not listener.met

    run(main())


def test_the_compatibility_listener_takes_a_traditional_group_and_says_which(organisation):
    london, hayes = organisation.enrol("node", "london"), organisation.enrol("node", "hayes")
    server = contexts.mutual_server(
        london.credentials("ecdsa-p256"), london.trust("node"), compatibility=True
    )

    async def main():
        async with Listener(server) as listener:
            stream = await tls.connect("127.0.0.1", listener.port, client(hayes, groups="X25519"))
            await stream.write(b"x")
            assert await stream.read() == b"x"
            assert listener.met[0].group.lower() == "x25519"
            stream.close()

    run(main())


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_1_VERSION])
def test_older_versions_of_tls_are_refused_c37(organisation, version):
    hayes = organisation.enrol("node", "hayes")
    context = client(hayes, groups=contexts.COMPATIBILITY_GROUPS)
    context.ssl.set_min_proto_version(version)
    context.ssl.set_max_proto_version(version)

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            assert await is_refused(listener, context)

    run(main())


def test_no_connection_can_be_resumed_so_a_revocation_bites_at_once_c36(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            context = client(hayes)
            sessions = []
            context.ssl.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
            for _ in range(2):
                stream = await tls.connect("127.0.0.1", listener.port, context)
                await stream.write(b"x")
                await stream.read()
                sessions.append(stream._pump.tls.get_session())
                assert not openssl.was_psk_used(stream._pump.tls)
                stream.close()
                await stream.closed()
            assert listener.met[1].chain, "the second connection showed its certificate again"

            again = tls._Pump(context)
            again.tls.set_session(sessions[0])
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: again, "127.0.0.1", listener.port)
            await again.ready
            assert not openssl.was_psk_used(again.tls)
            again.shutdown()

    run(main())


def test_a_revoked_certificate_is_refused(organisation):
    london, hayes = organisation.enrol("node", "london"), organisation.enrol("node", "slough", "ecdsa-p256")
    issuer, now = organisation.authority.issuers["node", "traditional"], datetime.now(UTC)
    leaf = x509.load_pem_x509_certificates((hayes.folder / "ecdsa-p256.pem").read_bytes())[0]
    row = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(now).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(hours=1))
        .add_revoked_certificate(row)
        .sign(issuer.key, SHA256())
    )
    file = hayes.folder / "crl.pem"
    file.write_bytes(crl.public_bytes(Encoding.PEM))
    server = contexts.mutual_server(london.credentials("ecdsa-p256"), london.trust("node"), crl=file)

    async def main():
        async with Listener(server) as listener:
            assert await is_refused(listener, client(hayes))
            assert "was revoked" in listener.refusals[0][1]

    run(main())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=400), max_size=4), st.booleans())
def test_random_bytes_are_refused_and_the_listener_stays_up(organisation, chunks, looks_like_tls):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            if looks_like_tls:
                writer.write(b"\x16\x03\x01\x02\x00")
            with contextlib.suppress(ConnectionError):
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
                writer.write_eof()
                await reader.read()
            writer.close()
            await until(lambda: listener.refusals)
            stream = await tls.connect("127.0.0.1", listener.port, client(hayes))
            await stream.write(b"still there?")
            assert await stream.read() == b"still there?"
            stream.close()

    run(main())


def test_plain_http_on_a_tls_port_gets_no_answer_c39(organisation):
    async def main():
        async with Listener(peer_server(organisation)) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"GET /api/v1/keys/b/status HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP" not in await reader.read()
            writer.close()
            await until(lambda: listener.refusals)

    run(main())


def test_a_flood_of_handshake_bytes_is_bounded(organisation):
    """A client hello that never ends: at most 64 KiB are taken before the connection is refused."""

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"\x16\x03\x01\x40\x00\x01\x01\x00\x00\x03\x03" + bytes(16384 - 6))
            with contextlib.suppress(ConnectionError):
                for _ in range(12):
                    writer.write(b"\x16\x03\x03\x40\x00" + bytes(16384))
                    await writer.drain()
                await reader.read()
            writer.close()
            await until(lambda: listener.refusals)

    run(main())


def test_more_connections_than_allowed_are_refused_and_told(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation), most=1) as listener:
            first = await tls.connect("127.0.0.1", listener.port, client(hayes))
            await first.write(b"x")
            await first.read()
            with pytest.raises((OutsideError, ConnectionError, asyncio.IncompleteReadError)):
                await (await tls.connect("127.0.0.1", listener.port, client(hayes))).readexactly(1)
            await until(lambda: listener.refusals)
            address, cause = listener.refusals[0]
            assert address.startswith("127.0.0.1:")
            assert cause == "too many connections"
            first.close()

    run(main())


async def silent(port, count, source):
    """Connections that never say a word."""
    return [await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)) for _ in range(count)]


@pytest.mark.parametrize("sources", [("127.0.0.2",), ("127.0.0.1",), ("127.0.0.2", "127.0.0.3", "127.0.0.4")])
def test_a_flood_of_silent_connections_locks_nobody_out(organisation, sources):
    """Without any certificate: from elsewhere, from the lawful client's own address, from many."""
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation), handshakes=Handshakes(12, 4)) as listener:
            before = await tls.connect("127.0.0.1", listener.port, client(hayes))
            crowd = []
            for source in sources:
                crowd += await silent(listener.port, 30, source)
            for stream in (before, await tls.connect("127.0.0.1", listener.port, client(hayes))):
                await stream.write(b"lawful")
                assert await stream.read() == b"lawful"
                stream.close()
            await until(lambda: len(listener.refusals) >= len(crowd) - 4 * len(sources))
            assert {cause for _, cause in listener.refusals} == {
                "too many handshakes at once from this address"
            }
            for _, writer in crowd:
                writer.transport.abort()
            await until(lambda: not listener.handshakes._open)
            assert not listener.handshakes._counts

    run(main())


def test_a_silent_connection_ends_by_itself(organisation, monkeypatch):
    monkeypatch.setattr("qorridor.adapters.wire.handshakes.SECONDS", 0.1)

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            await reader.read()
            assert listener.refusals[0][1] == "no handshake in time"
            writer.close()

    run(main())


def test_nobody_listening_is_an_error_with_its_code(organisation):
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async with Listener(peer_server(organisation)) as listener:
            port = listener.port
        await listener.server.wait_closed()
        with pytest.raises(OutsideError) as error:
            await tls.connect("127.0.0.1", port, client(hayes))
        assert error.value.code == "Q-KME-042"

    run(main())


@pytest.mark.parametrize(
    ("after", "said"), [("closes", "closed"), ("stays silent", "no answer in time"), ("resets", "")]
)
def test_a_peer_that_ends_the_handshake_is_not_called_a_certificate_problem(
    organisation, monkeypatch, after, said
):
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.3)
    hayes = organisation.enrol("node", "hayes")

    async def main():
        async def rude(reader, writer):
            await reader.read(100)
            if after == "resets":
                writer.transport.abort()
            elif after == "stays silent":
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.close()
            over.set()

        over = asyncio.Event()
        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        with pytest.raises(OutsideError) as error:
            await tls.connect("127.0.0.1", server.sockets[0].getsockname()[1], client(hayes))
        await over.wait()
        server.close()
        await asyncio.sleep(0.01)
        return error.value

    error = run(main())
    assert error.code == "Q-KME-043"
    assert said in error.cause
    assert not error.cause.endswith(": ")
    assert "certificate" not in error.remedy
    assert "auth.refused" in error.remedy


def test_a_server_of_a_foreign_authority_is_called_a_certificate_problem(organisation):
    stranger = Organisation()

    async def main():
        async with Listener(peer_server(stranger)) as listener:
            with pytest.raises(OutsideError) as error:
                await tls.connect("127.0.0.1", listener.port, client(organisation.enrol("node", "hayes")))
            return error.value.remedy

    assert "certificates of the same authority" in run(main())
    stranger.authority.register.close()
    shutil.rmtree(stranger.folder)


def test_a_key_that_does_not_fit_its_certificate_is_an_error_with_its_code(organisation):
    hayes, slough = organisation.enrol("node", "hayes"), organisation.enrol("node", "slough")
    mixed = contexts.Credentials(((hayes.folder / "ecdsa-p256.pem", slough.folder / "ecdsa-p256.key"),))
    with pytest.raises(OutsideError) as error:
        contexts.mutual_client(mixed, hayes.trust("node"))
    assert error.value.code == "Q-KME-041"


# -- external PSK -----------------------------------------------------------------------------

KEY = bytes(range(48))


def psk_server(keys):
    return contexts.psk_server(lambda name: memoryview(keys[name]) if name in keys else None)


def test_a_psk_connection_names_its_identity_at_both_ends():
    async def main():
        async with Listener(psk_server({"q1|thames|7|flow": KEY})) as listener:
            context = contexts.psk_client("q1|thames|7|flow", lambda: memoryview(KEY))
            stream = await tls.connect("127.0.0.1", listener.port, context)
            await stream.write(b"x")
            assert await stream.read() == b"x"
            for peer in (stream.peer, listener.met[0]):
                assert (peer.psk_identity, peer.group, peer.cipher, peer.chain) == (
                    "q1|thames|7|flow", "X25519MLKEM768", "TLS_AES_256_GCM_SHA384", (),
                )  # fmt: skip
            stream.close()
            await stream.closed()
            await until(lambda: not listener.context.psk_identities)

    run(main())


@pytest.mark.parametrize(
    "context",
    [
        lambda _: contexts.psk_client("known", lambda: memoryview(bytes(48))),
        lambda _: contexts.psk_client("unknown", lambda: memoryview(KEY)),
        lambda _: contexts.psk_client("nicht-ascii-ü", lambda: memoryview(KEY)),
        client,
        lambda pki: contexts.mutual_client(None, pki.trust("node")),
    ],
    ids=["wrong key", "unknown identity", "non-ASCII identity", "certificate instead", "nothing"],
)
def test_a_psk_listener_holds_no_certificate_to_fall_back_to(organisation, context):
    dialer = context(organisation.enrol("node", "hayes"))

    async def main():
        async with Listener(psk_server({"known": KEY})) as listener:
            assert await is_refused(listener, dialer)

    run(main())


def test_a_lookup_that_fails_refuses_and_prints_nothing(capfd):
    def lookup(_):
        raise RuntimeError(KEY.hex())

    async def main():
        async with Listener(contexts.psk_server(lookup)) as listener:
            assert await is_refused(listener, contexts.psk_client("known", lambda: memoryview(KEY)))
            assert KEY.hex() not in str(listener.refusals)

    run(main())
    assert capfd.readouterr() == ("", "")


def test_every_private_name_of_the_binding_is_there():
    assert openssl.missing_names() == []


def test_unknown_groups_are_refused():
    with pytest.raises(ValueError, match="does not know"):
        openssl.set_groups(SSL.Context(SSL.TLS_CLIENT_METHOD), "NoSuchGroup")


@pytest.mark.parametrize("damage", ["garbage", "gone"])
def test_a_trust_bundle_that_cannot_be_read_is_named(organisation, folder, damage):
    bundle = folder / "trust-node.pem"
    if damage == "garbage":
        bundle.write_bytes(b"no certificate")
    london = organisation.enrol("node", "london", "ml-dsa-65")
    with pytest.raises(OutsideError) as refused:
        contexts.mutual_server(london.credentials("ml-dsa-65"), bundle)
    assert refused.value.code == "Q-KME-041"
    assert refused.value.where == str(bundle)
