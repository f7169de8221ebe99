"""The raw ClientHello and the parser of its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.adapters.scanners.hello import RETRY, Answer, client_hello, parse

NOISE = bytes(64)


def server_hello(random, extensions, suite=b"\x13\x02", version=b"\x03\x03"):
    body = (
        version
        + random
        + b"\x20"
        + bytes(32)
        + suite
        + b"\x00"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


VERSION_13 = b"\x00\x2b\x00\x02\x03\x04"
RETRY_PQ = server_hello(RETRY, VERSION_13 + b"\x00\x33\x00\x02\x11\xec")


def test_the_hello_has_the_lengths_that_it_states():
    record = client_hello("www.example", [0x11EC], NOISE)
    assert record[:3] == b"\x16\x03\x01"
    assert int.from_bytes(record[3:5], "big") == len(record) - 5
    assert int.from_bytes(record[6:9], "big") == len(record) - 9
    assert b"www.example" in record
    assert b"\x00\x0a\x00\x04\x00\x02\x11\xec" in record
    assert b"\x00\x33\x00\x02\x00\x00" in record


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_no_server_name(address):
    assert address.encode() not in client_hello(address, [29], NOISE)


def test_a_hello_for_tls_1_2_carries_no_tls_1_3_extension():
    assert b"\x00\x2b\x00\x03" not in client_hello("a.example", [29], NOISE, tls13=False)


def test_a_retry_names_the_group():
    assert parse(RETRY_PQ) == Answer("retry", group=0x11EC, version=0x0304, suite=0x1302)


def test_a_server_hello_of_tls_1_2_has_its_version_and_suite():
    assert parse(server_hello(bytes(32), b"", b"\xc0\x2f")) == Answer("hello", version=0x0303, suite=0xC02F)


@pytest.mark.parametrize("number", [40, 70, 112])
def test_an_alert_keeps_its_number(number):
    assert parse(b"\x15\x03\x03\x00\x02\x02" + bytes([number])) == Answer("alert", alert=number)


def test_an_answer_over_several_records_and_segments_is_put_together():
    message = RETRY_PQ[5:]
    parts = [message[:3], message[3:40], message[40:]]
    split = b"".join(b"\x16\x03\x03" + len(part).to_bytes(2, "big") + part for part in parts)
    assert parse(split) == parse(RETRY_PQ)
    assert all(parse(split[:end]) is None for end in range(1, len(split)))


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x03\x00\x00", b"\x00"]
)
def test_what_is_no_tls_is_told_apart(data):
    assert parse(data) == Answer("other")


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_without_a_fault(data):
    parse(data)


@given(st.integers(0, len(RETRY_PQ) - 1), st.integers(0, 255))
def test_any_changed_byte_of_an_answer_is_parsed_without_a_fault(position, value):
    parse(RETRY_PQ[:position] + bytes([value]) + RETRY_PQ[position + 1 :])
