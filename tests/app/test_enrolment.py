"""Enrolment over real TLS: one token, one identity, one use; the private key never leaves its folder."""

import json
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import certificates, contexts, frames, http, tls
from qorridor.app.authority import enrolment_ticket, serve_authority
from qorridor.app.enrolment import Pki, enrol
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.base.names import Identity
from tests.support.authority import DOMAIN
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

    def ticket(self, identity=LONDON, token=None):
        file = self.folder / "ticket.json"
        token = token or self.authority.grant(identity)
        file.write_text(json.dumps(enrolment_ticket(self.address, self.anchor, identity, token)))
        return file

    async def __aexit__(self, *_):
        self.client.close()
        self.listener.close()
        self.tokens.close()


def test_a_node_enrols_once_with_both_families_and_its_ticket_is_gone(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            ticket = desk.ticket()
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
            token = desk.authority.grant(LONDON)
            await enrol(folder / "one", desk.ticket(token=token), ("ecdsa-p256",))
            with pytest.raises(PolicyRefusal, match="spent") as refusal:
                await enrol(folder / "two", desk.ticket(token=token), ("ecdsa-p256",))
            assert refusal.value.code == "Q-POLICY-003"
            assert not Pki(folder / "two").is_enrolled
            assert token not in str(refusal.value)

    run(main())


def test_a_token_is_stored_only_as_its_hash(organisation):
    token = organisation.authority.grant(LONDON)
    rows = organisation.authority.register.execute("SELECT * FROM token").fetchall()
    assert token not in str(rows)


def test_a_refused_request_issues_nothing_and_leaves_the_token(organisation):
    authority = organisation.authority
    token, count = authority.grant(LONDON), "SELECT count(*) FROM certificate"
    before = authority.register.execute(count).fetchone()
    key = certificates.generate_key("ecdsa-p256")
    good = certificates.make_request(LONDON, key)
    for bad in (certificates.make_request(Identity(DOMAIN, "node", "other"), key), b"rubbish", b""):
        with pytest.raises(PolicyRefusal) as refusal:
            authority.enrol(token, [good, bad])
        assert refusal.value.code == "Q-POLICY-002"
    assert authority.register.execute(count).fetchone() == before
    assert authority.enrol(token, [good])


@pytest.mark.parametrize("text", [None, "", "{}", "not json", '{"authority": "x"}'])
def test_without_certificate_and_readable_ticket_the_error_says_what_to_do(folder, text):
    ticket = folder / "ticket.json"
    if text is not None:
        ticket.write_text(text)
    with pytest.raises(OutsideError) as error:
        run(enrol(folder / "pki", ticket, ("ecdsa-p256",)))
    assert error.value.code == "Q-KME-046"


def test_an_authority_that_the_ticket_does_not_pin_is_left(organisation, folder):
    async def main():
        async with Desk(organisation, folder) as desk:
            stranger = certificates.make_root(
                "Other", "ecdsa-p384", certificates.utc(desk.authority.clock.now()), "root"
            )
            desk.anchor = certificates.certificate_pem(stranger.certificate)
            token = desk.authority.grant(LONDON)
            with pytest.raises(OutsideError) as error:
                await enrol(folder / "pki", desk.ticket(token=token), ("ecdsa-p256",))
            assert error.value.code == "Q-KME-043"
            used = desk.authority.register.execute("SELECT count(*) FROM token WHERE used IS NULL").fetchone()
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
            await channel.send({"identity": identity})
            assert "refused" in await channel.receive()
            await channel.send({"identity": LONDON.uri})
            assert len((await channel.receive())["token"]) == 64
            await channel.close()

    run(main())
