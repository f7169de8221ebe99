"""Key values become digests wherever they stand; what is no key stays readable."""

import base64
import json

import pytest

from qorridor.prove.conformance.redaction import Redactor

KEY = bytes(range(100, 132))
TEXT = base64.b64encode(KEY).decode()


@pytest.fixture
def redactor():
    return Redactor(b"run key of this test, 32 bytes..")


@pytest.mark.parametrize(
    "body",
    [json.dumps({"keys": [{"key_ID": "x", "key": TEXT}]}), f'{{"keys": [{{"key": "{TEXT}"', f"<html>{TEXT}</html>",
     json.dumps({"pool": [TEXT]}), json.dumps({TEXT: 1}), json.dumps([TEXT]), json.dumps(TEXT), TEXT, KEY.hex(),
     json.dumps({"Key": {"a": TEXT}}), json.dumps({"key": list(KEY)}), '{"KEY" : "short"}'],
)  # fmt: skip
def test_a_key_is_taken_out_of_any_body(redactor, body):
    shown = redactor.body(body.encode())
    assert "HMAC:" in shown
    for secret in (TEXT, TEXT[:16], KEY.hex()[:16], "short", "100, 101"):
        assert secret not in shown


@pytest.mark.parametrize(
    "text", ["one or more keys specified are not found on KME", "00000000-0000-4000-8000-00000000c0de",
             "additional_slave_SAE_IDs: this KME serves no multicast", "size shall be a multiple of 8"],
)  # fmt: skip
def test_what_is_no_key_stays_readable(redactor, text):
    assert redactor.body(json.dumps({"message": text}).encode()) == json.dumps({"message": text})


def test_long_names_stay_readable_in_a_status_and_nowhere_else(redactor):
    told = json.dumps({"source_KME_ID": "AAAABBBBCCCCDDDDEEEEFFFF"}).encode()
    assert "AAAABBBB" in redactor.body(told, trusted=True)
    assert "AAAABBBB" not in redactor.body(told)


def test_a_short_key_that_was_seen_is_found_again_everywhere(redactor):
    short = base64.b64encode(KEY[:8]).decode()
    echo = f"HTTP/1.1 200 OK\r\nX-Key: {short}\r\nX-Hex: {KEY[:8].hex()}\r\n"
    assert short in redactor.head(echo)
    assert not redactor.knows(echo.encode())
    redactor.body(json.dumps({"key": short}).encode())
    assert short not in redactor.head(echo)
    assert KEY[:8].hex() not in redactor.head(echo)
    assert redactor.knows(echo.encode())


def test_long_bodies_are_cut(redactor):
    assert redactor.body(json.dumps({"x": "a b " * 5000}).encode()).endswith("more characters")
    assert len(redactor.body(b"a " * 10_000)) < 2100
    assert len(redactor.body(b"[" * 100_000)) < 2100
