"""A clock that is ten minutes off is named as such, and nothing else breaks."""

import asyncio
import json

import pytest

from qorridor.adapters.wire.certificates import key_hash
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.authority import enrolment_ticket, open_authority, serve_authority
from qorridor.app.enrolment import enrol, prepare
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.base.names import Identity
from tests.support.runs import short_folder


class OffClock(SystemClock):
    """The system's clock and so many seconds."""

    def __init__(self, offset):
        self.offset = offset

    def now(self):
        return super().now() + self.offset


def enrol_against(offset, *, wait=0.0):
    """Enrol a node with an authority whose clock is `offset` seconds off."""
    identity = Identity("test", "node", "london")

    async def body(folder):
        clock = OffClock(offset)
        authority = open_authority(folder / "authority", "Test", "test", clock, SystemEntropy())
        listener, tokens = await serve_authority(authority, "127.0.0.1", folder / "tokens.sock")
        host, port = listener.sockets[0].getsockname()[:2]
        anchor = (folder / "authority" / "authority-traditional.pem").read_bytes()
        (key,) = prepare(folder / "pki", ("ecdsa-p256",))
        token = authority.grant(identity, [key_hash(key.public_key())])
        clock.offset += wait
        ticket = folder / "ticket.json"
        ticket.write_text(json.dumps(enrolment_ticket(f"{host}:{port}", anchor, identity, token)))
        try:
            return await enrol(folder / "pki", ticket, ("ecdsa-p256",))
        finally:
            listener.close()
            tokens.close()
            authority.register.close()

    with short_folder() as folder:
        (folder / "authority").mkdir()
        return asyncio.run(body(folder)).folder.name


def test_two_minutes_of_difference_are_no_trouble():
    assert enrol_against(120) == "pki"


def test_an_authority_ten_minutes_ahead_is_told_apart_from_a_stranger():
    with pytest.raises(OutsideError) as refused:
        enrol_against(600)
    assert "compare the clocks" in refused.value.cause


def test_an_authority_far_behind_issues_certificates_that_have_expired():
    with pytest.raises(OutsideError) as refused:
        enrol_against(-400 * 86400)
    assert "compare the clocks" in refused.value.cause


def test_a_token_is_worth_nothing_after_fifteen_minutes():
    with pytest.raises(PolicyRefusal) as refused:
        enrol_against(0, wait=16 * 60)
    assert "expired" in refused.value.cause
