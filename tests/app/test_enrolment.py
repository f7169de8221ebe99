"""Enrolment over real TLS: one token, one identity, one use; the private key never leaves its folder."""

import base64
import contextlib
import json
import sqlite3
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import certificates, contexts, frames, http, tls
from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import enrolment
from qorridor.app.authority import TOKEN_SECONDS, enrolment_ticket, hosts_in, open_authority, serve_authority
from qorridor.app.enrolment import Pki, enrol, hosts_of, prepare
from qorridor.app.estate_file import load
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.base.names import Identity
from tests.support.authority import DOMAIN
from tests.support.lone_node import EXAMPLE
from tests.support.loop import run

LONDON = Identity(DOMAIN, "node", "enrolled")


class Desk:
    """The organisation's authority behind its listener and its token socket."""

    def __init__(self, organisation, folder):
        self.authority, self.folder = organisation.authority, folder
        self.anchor = (self.authority.folder / "authority-traditional.pem").read_bytes()

    async def __aenter__(self):
        self.socket = self.folder / "t.sock"
        self.listener, self.tokens = await serve_authority(self.authority, "127.0.0.1", self.socket)
        self.address = f"127.0.0.1:{self.listener.sockets[0].getsockname()[1]}"
        context = contexts.mutual_client(None, self.authority.folder / "authority-traditional.pem")
        host, _, port = self.address.rpartition(":")
        self.client = http.Client(lambda: tls.connect(host, int(port), context))
        return self

    def ticket(self, identity=LONDON, token=None, folder="pki", algorithms=("ecdsa-p256",)):
        """A ticket for the keys of a folder, made now."""
        file = self.folder / "ticket.json"
        token = token or self.grant(identity, folder, algorithms)
        file.write_text(json.dumps(enrolment_ticket(self.address, self.anchor, identity, token)))
        return file

    def grant(self, identity=LONDON, folder="pki", algorithms=("ecdsa-p256",)):
        keys = prepare(self.folder / folder, algorithms)
        return self.authority.grant(identity, [certificates.key_hash(key.public_key()) for key in keys])

    async def __aexit__(self, *_):
        self.client.close()
        self.listener.close()
        self.tokens.close()


def test_a_node_enrols_once_with_both_families_and_its_ticket_is_gone(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            ticket = desk.ticket(algorithms=("ecdsa-p256", "ml-dsa-65"))
            pki = await enrol(folder / "pki", ticket, ("ecdsa-p256", "ml-dsa-65"), ("127.0.0.1",))
            assert pki.is_enrolled
            assert pki.identity == LONDON
            assert not ticket.exists()
            for name in ("ecdsa-p256", "ml-dsa-65"):
                assert stat.S_IMODE((pki.folder / f"{name}.key").stat().st_mode) == 0o600
                context = contexts.mutual_server(pki.credentials(name), pki.trust("node"))
                assert context.is_server
            before = {path: path.read_bytes() for path in pki.folder.iterdir()}
            assert await enrol(folder / "pki", ticket, ("ecdsa-p256", "ml-dsa-65")) == pki
            assert {path: path.read_bytes() for path in pki.folder.iterdir()} == before
            kept = b"".join(path.read_bytes() for path in desk.authority.folder.rglob("*") if path.is_file())
            assert (pki.folder / "ml-dsa-65.key").read_bytes() not in kept

    run(main())


def test_a_token_serves_once(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            token = desk.grant(folder="one")
            await enrol(folder / "one", desk.ticket(token=token), ("ecdsa-p256",))
            with pytest.raises(PolicyRefusal, match="spent") as refusal:
                await enrol(folder / "two", desk.ticket(token=token), ("ecdsa-p256",))
            assert refusal.value.code == "Q-POLICY-003"
            assert not Pki(folder / "two").is_enrolled
            assert token not in str(refusal.value)

    run(main())


@pytest.mark.parametrize("file", ["ecdsa-p256.pem", "ml-dsa-65.pem", "trust-node.pem", "identity"])
def test_a_process_killed_between_its_token_and_its_certificate_enrols_at_its_next_start(
    organisation, folder, file, monkeypatch
):
    class Killed(BaseException):
        pass

    def write(path, data):
        if path.name == file:
            raise Killed
        write_atomically(path, data)

    async def main():
        both = ("ecdsa-p256", "ml-dsa-65")
        async with Desk(organisation, folder) as desk:
            ticket = desk.ticket(algorithms=both)
            with monkeypatch.context() as patch, pytest.raises(Killed):
                patch.setattr(enrolment, "write_atomically", write)
                await enrol(folder / "pki", ticket, both)
            assert not Pki(folder / "pki").is_enrolled
            count = "SELECT count(*) FROM certificate"
            issued = desk.authority.register.execute(count).fetchone()
            pki = await enrol(folder / "pki", ticket, both)
            assert pki.is_enrolled
            assert contexts.mutual_server(pki.credentials(*both), pki.trust("node")).is_server
            assert desk.authority.register.execute(count).fetchone() == issued

    run(main())


def test_a_spent_token_brings_nothing_to_another_key_and_nothing_after_its_time(organisation):
    authority, now = organisation.authority, organisation.authority.clock.now()
    key, other = (certificates.generate_key("ecdsa-p256") for _ in range(2))
    token = authority.grant(LONDON, [certificates.key_hash(key.public_key())])
    request = certificates.make_request(LONDON, key)
    first = authority.enrol(token, [request])
    assert authority.enrol(token, [request]) == first
    assert authority.enrol(token, [certificates.make_request(LONDON, key)]) == first
    with pytest.raises(PolicyRefusal, match="spent"):
        authority.enrol(token, [certificates.make_request(LONDON, other)])
    der = bytearray(x509.load_pem_x509_csr(request).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(PolicyRefusal, match="not signed by its own key"):
        authority.enrol(token, [pem_of(bytes(der))])

    class Later:
        def now(self):
            return now + TOKEN_SECONDS + 60

    authority.clock, clock = Later(), authority.clock
    try:
        with pytest.raises(PolicyRefusal, match="expired"):
            authority.enrol(token, [request])
    finally:
        authority.clock = clock


def test_a_token_is_stored_only_as_its_hash(organisation):
    token = organisation.authority.grant(LONDON, ["0" * 64])
    rows = organisation.authority.register.execute("SELECT * FROM ticket").fetchall()
    assert token not in str(rows)


def test_a_refused_request_issues_nothing_and_leaves_the_token(organisation):
    authority = organisation.authority
    key = certificates.generate_key("ecdsa-p256")
    token = authority.grant(LONDON, [certificates.key_hash(key.public_key())])
    count = "SELECT count(*) FROM certificate"
    before = authority.register.execute(count).fetchone()
    good = certificates.make_request(LONDON, key)
    other = certificates.generate_key("ecdsa-p256")
    for bad in (certificates.make_request(Identity(DOMAIN, "node", "other"), key), b"rubbish", b"",
                certificates.make_request(LONDON, other), certificates.make_request(LONDON, key, ("evil.example",)),
                unknown_key(good), repeated_extension(key)):  # fmt: skip
        with pytest.raises(PolicyRefusal) as refusal:
            authority.enrol(token, [good, bad])
        assert refusal.value.code == "Q-POLICY-002"
    assert authority.register.execute(count).fetchone() == before
    assert authority.enrol(token, [good])


def unknown_key(request):
    """The same request with a key algorithm that nobody knows."""
    der = x509.load_pem_x509_csr(request).public_bytes(Encoding.DER)
    return pem_of(der.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")))


def repeated_extension(key):
    """A request, rightly signed, that names its subject twice."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(LONDON.uri)])
    twin = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), names.public_bytes())
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
        .add_extension(twin, critical=False).sign(key, SHA256())
    )  # fmt: skip
    asked = request.tbs_certrequest_bytes.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11"))
    signature = key.sign(asked, ec.ECDSA(SHA256()))
    return pem_of(
        sequence(asked + bytes.fromhex("300a06082a8648ce3d040302") + tagged(0x03, b"\0" + signature))
    )


def sequence(content):
    return tagged(0x30, content)


def tagged(tag, content):
    size = len(content)
    head = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + head + content


def pem_of(der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n".encode()


@pytest.mark.parametrize("text", [None, "", "{}", "not json", '{"authority": "x"}'])
def test_without_certificate_and_readable_ticket_the_error_says_what_to_do(folder, text, monkeypatch):
    monkeypatch.setattr(enrolment, "TICKET_SECONDS", 0.1)
    ticket = folder / "ticket.json"
    if text is not None:
        ticket.write_text(text)
    with pytest.raises(OutsideError) as error:
        run(enrol(folder / "pki", ticket, ("ecdsa-p256",)))
    assert error.value.code == "Q-KME-046"
    assert "request.json" in error.value.remedy
    assert "qorridor authority ticket" in error.value.remedy
    assert (folder / "pki" / "request.json").is_file(), "what the authority must know lies there"


def test_a_token_is_for_the_keys_that_it_was_given_for_and_a_thief_has_others(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            token = desk.grant(folder="rightful")
            with pytest.raises(PolicyRefusal, match="not one that the token was given for"):
                await enrol(folder / "thief", desk.ticket(token=token, folder="thief"), ("ecdsa-p256",))
            assert (await enrol(folder / "rightful", desk.ticket(token=token), ("ecdsa-p256",))).is_enrolled

    run(main())


@pytest.mark.parametrize("keys", [[], ["0" * 63], ["x" * 64], ["0" * 64] * 5, None])
def test_no_token_is_given_without_the_hashes_of_the_keys(organisation, folder, keys):
    async def main():
        async with Desk(organisation, folder) as desk:
            channel = await frames.dial_unix(desk.socket)
            await channel.send({"identity": LONDON.uri, "keys": keys})
            assert "key hashes" in (await channel.receive())["refused"]
            await channel.close()

    run(main())


@pytest.mark.parametrize(
    ("bind", "kind", "name", "host", "given"),
    [("192.0.2.1", "node", "london", "node.london.meridian.example", True),
     ("192.0.2.1", "link", "london-hayes/hayes", "node.hayes.meridian.example", True),
     ("192.0.2.1", "node", "london", "node.hayes.meridian.example", False),
     ("192.0.2.1", "node", "london", "127.0.0.1", False), ("192.0.2.1", "node", "london", "0.0.0.0", False),
     ("192.0.2.1", "sae", "london", "node.london.meridian.example", False),
     ("127.0.0.1", "node", "london", "127.0.0.1", True), ("127.0.0.1", "node", "london", "192.0.2.1", False)],
)  # fmt: skip
def test_a_certificate_carries_only_the_names_that_the_estate_gives(bind, kind, name, host, given):
    estate = load(EXAMPLE)
    assert hosts_in(estate, bind)(Identity("meridian-bank", kind, name), host) is given
    if given and kind == "node":
        assert hosts_of(estate, name, bind) == (host,), "the node asks for just this name"


def test_an_authority_that_the_ticket_does_not_pin_is_left(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            stranger = certificates.make_root(
                "Other", "ecdsa-p384", certificates.utc(desk.authority.clock.now()), "root"
            )
            desk.anchor = certificates.certificate_pem(stranger.certificate)
            token = desk.grant()
            with pytest.raises(OutsideError) as error:
                await enrol(folder / "pki", desk.ticket(token=token), ("ecdsa-p256",))
            assert error.value.code == "Q-KME-043"
            used = desk.authority.register.execute(
                "SELECT count(*) FROM ticket WHERE used IS NULL"
            ).fetchone()
            assert used[0] >= 1, "the token was not shown to a stranger"

    run(main())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"[" * 60_000, b'{"token": "x", "requests": "abc"}', b'{"token": 1, "requests": [""]}',
                           b'{"token": "x", "requests": ["\\ud800"]}', b'{"token": "x", "requests": []}',
                           b'{"token": "x", "requests": [{}]}', b"null"]),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_garbage_gets_400_or_403_and_the_authority_goes_on(organisation, folder, bodies):
    async def main():
        async with Desk(organisation, folder) as desk:
            for body in bodies:
                assert (await desk.client.request("POST", "/enrol/v1", body)).status in {400, 403}
            assert (await desk.client.request("GET", "/")).status == 404

    run(main())


@pytest.mark.parametrize(
    "identity", ["spiffe://other/node/x", f"spiffe://{DOMAIN}/authority/authority", "rubbish", ""]
)
def test_no_token_is_given_for_another_domain_or_the_authority_itself(organisation, folder, identity):
    async def main():
        async with Desk(organisation, folder) as desk:
            channel = await frames.dial_unix(desk.socket)
            await channel.send({"identity": identity, "keys": ["0" * 64]})
            assert "refused" in await channel.receive()
            await channel.send({"identity": LONDON.uri, "keys": ["0" * 64]})
            assert len((await channel.receive())["token"]) == 64
            await channel.close()

    run(main())


def test_a_register_that_cannot_be_written_is_an_answer_and_the_token_still_serves(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            ticket, register = desk.ticket(), desk.authority.register
            size = register.execute("PRAGMA page_count").fetchone()[0]
            register.execute("CREATE TABLE IF NOT EXISTS ballast (x BLOB)")
            register.execute(f"PRAGMA max_page_count = {size}")
            with contextlib.suppress(sqlite3.OperationalError), register:
                while True:
                    register.execute("INSERT INTO ballast VALUES (zeroblob(1000))")
            register.execute("PRAGMA query_only = ON")
            with pytest.raises(PolicyRefusal, match="cannot be used"):
                await enrol(folder / "pki", ticket, ("ecdsa-p256",))
            register.execute("PRAGMA query_only = OFF")
            register.execute("PRAGMA max_page_count = 1000000")
            assert (await enrol(folder / "pki", ticket, ("ecdsa-p256",))).is_enrolled

    run(main())


@pytest.mark.parametrize("damage", ["register", "version", "key", "certificate", "missing"])
def test_an_authority_whose_files_are_damaged_says_so(tmp_path, damage):
    folder = tmp_path / "authority"
    folder.mkdir()
    opened = lambda: open_authority(folder, "Test", DOMAIN, SystemClock(), SystemEntropy())
    opened().register.close()
    match damage:
        case "register":
            for file in folder.glob("authority.db-*"):
                file.unlink()
            (folder / "authority.db").write_bytes(b"no database" * 100)
        case "version":
            with contextlib.closing(sqlite3.connect(folder / "authority.db")) as register:
                register.execute("PRAGMA user_version = 0")
        case "key":
            (folder / "node-traditional.key").write_bytes(b"no key")
        case "certificate":
            (folder / "node-traditional.pem").write_bytes(b"no certificate")
        case "missing":
            (folder / "sae-post-quantum.key").unlink()
    with pytest.raises(OutsideError) as refused:
        opened()
    assert refused.value.code == "Q-KME-073"
