"""Our client of ETSI GS QKD 014: asks by POST, believes nothing, shows no key in an error."""

import asyncio
import base64
import json
import uuid

import pytest

from qorridor.adapters.peers.etsi014_client import Etsi014Client
from qorridor.adapters.wire.http import Response
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal

ONE, TWO = str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4))
BYTES = bytes(range(32))
TEXT = base64.b64encode(BYTES).decode()


class Scripted:
    """A KME that gives one answer."""

    def __init__(self, status, body):
        self.response = Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())
        self.asked = []

    async def request(self, method, target, body=b"", content_type="application/json"):
        self.asked.append((method, target, json.loads(body)))
        return self.response


def enc(body, number=1, size=256, status=200):
    kme = Scripted(status, body)
    return asyncio.run(Etsi014Client(kme, "router slough/é", "kme/london").enc_keys(number, size)), kme


def dec(body, *key_ids):
    return asyncio.run(Etsi014Client(Scripted(200, body), "a", "kme/london").dec_keys(key_ids))


def entry(key_id=ONE, key=TEXT):
    return {"key_ID": key_id, "key": key}


def test_it_asks_by_post_and_escapes_the_partner():
    (key,), kme = enc({"keys": [entry()], "key_container_extension": {"qorridor_simulated": True}})
    assert (key.key_id, bytes(key.key.reveal()), key.simulated) == (ONE, BYTES, True)
    assert kme.asked == [
        ("POST", "/api/v1/keys/router%20slough%2F%C3%A9/enc_keys", {"number": 1, "size": 256})
    ]


def test_keys_by_id_are_those_that_were_asked_for():
    assert [key.key_id for key in dec({"keys": [entry(TWO), entry(ONE)]}, ONE, TWO.upper())] == [TWO, ONE]
    with pytest.raises(OutsideError) as caught:
        dec({"keys": [entry(TWO)]}, ONE)
    assert caught.value.code == "Q-KME-057"


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b"\xff", b'{"keys": 1}', {}, {"keys": []}, {"keys": [entry(), entry(TWO)]}, {"keys": [1]},
    {"keys": [{"key_ID": ONE}]}, {"keys": [entry("no-uuid")]}, {"keys": [entry(key="AAAA")]}, {"keys": [entry(key="")]},
    {"keys": [entry(key=TEXT + "\n")]}, {"keys": [entry(key=TEXT.rstrip("="))]}, {"keys": [entry(key="é" * 44)]},
    {"keys": [entry(key=TEXT[:-2] + "9=")]}, {"keys": [entry(key=7)]},
])  # fmt: skip
def test_an_answer_that_breaks_the_standard_is_a_defect_and_shows_no_key(body):
    with pytest.raises(OutsideError) as caught:
        enc(body)
    assert caught.value.code == "Q-KME-057"
    assert TEXT[:10] not in str(caught.value)


def test_two_keys_under_one_id_are_refused():
    with pytest.raises(OutsideError):
        enc({"keys": [entry(), entry()]}, number=2)


@pytest.mark.parametrize(("status", "kind", "code"), [
    (401, PolicyRefusal, "Q-POLICY-014"), (503, KeySupplyError, "Q-KEY-027"), (400, OutsideError, "Q-KME-056"),
    (302, OutsideError, "Q-KME-056"), (500, OutsideError, "Q-KME-056"),
])  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": "no"}', b"[]"])
def test_each_refusal_has_its_error(status, kind, code, body):
    with pytest.raises(kind) as caught:
        enc(body, status=status)
    assert caught.value.code == code
