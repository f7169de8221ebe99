"""A TLS ClientHello that offers groups without a key share, and what the answer tells (RFC 8446, 5246).

An empty key share forces a TLS 1.3 server to answer with a HelloRetryRequest that names the group
it would take. No key is made and no cryptography runs. Everything here is bytes in, facts out.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
LIMIT = 64 * 1024
_SCHEMES = (
    0x0905,
    0x0904,
    0x0906,
    0x0403,
    0x0503,
    0x0603,
    0x0807,
    0x0808,
    0x0804,
    0x0805,
    0x0806,
    0x0401,
    0x0501,
    0x0601,
)
_SUITES_13 = (0x1301, 0x1302, 0x1303)
_SUITES_12 = (0xC02C, 0xC030, 0xC02B, 0xC02F, 0xCCA9, 0xCCA8, 0x009D, 0x009C, 0xC009, 0xC013, 0x002F, 0x0035)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's first answer. `retry` = HelloRetryRequest with `group`; `hello` = ServerHello with
    `version` and `suite`; `alert` with its number; `closed` without a word; `other` = no TLS."""

    kind: Literal["retry", "hello", "alert", "closed", "other"]
    group: int | None = None
    version: int | None = None
    suite: int | None = None
    alert: int | None = None


def _u16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def _vector(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _extension(number: int, data: bytes) -> bytes:
    return _u16(number) + _vector(data)


def _name(host: str) -> bytes:
    """Server name indication; an address has none (RFC 6066 section 3)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _extension(0, _vector(b"\x00" + _vector(host.encode("idna"))))
    return b""


def client_hello(host: str, groups: Sequence[int], noise: bytes, *, tls13: bool = True) -> bytes:
    """One record with a ClientHello; `noise` is 64 random bytes (random and legacy session id)."""
    extensions = (
        _name(host) + _extension(10, _vector(_u16(*groups))) + _extension(13, _vector(_u16(*_SCHEMES)))
    )
    if tls13:
        extensions += _extension(43, b"\x02\x03\x04") + _extension(51, _vector(b""))
    else:
        extensions += _extension(11, b"\x01\x00") + _extension(23, b"") + _extension(0xFF01, b"\x00")
    suites = _u16(*(_SUITES_13 if tls13 else _SUITES_12))
    body = (
        b"\x03\x03"
        + noise[:32]
        + _vector(noise[32:64], 1)
        + _vector(suites)
        + b"\x01\x00"
        + _vector(extensions)
    )
    return b"\x16\x03\x01" + _vector(b"\x01" + _vector(body, 3))


def parse(data: bytes) -> Answer | None:
    """The answer in `data`, or None while more bytes are needed; never raises."""
    handshake, position = b"", 0
    while len(data) - position >= 5:
        kind, size = data[position], int.from_bytes(data[position + 3 : position + 5], "big")
        if kind not in {0x15, 0x16} or data[position + 1] != 3 or size > 16640 or size == 0:
            return Answer("other")
        fragment = data[position + 5 : position + 5 + size]
        if len(fragment) < size:
            return None
        if kind == 0x15:
            return Answer("alert", alert=fragment[1]) if size == 2 else Answer("other")
        handshake += fragment
        position += 5 + size
        if len(handshake) >= 4 and len(handshake) >= 4 + int.from_bytes(handshake[1:4], "big"):
            return _server_hello(handshake)
    if data and (data[0] not in {0x15, 0x16} or len(data) > LIMIT):
        return Answer("other")
    return None


def _server_hello(message: bytes) -> Answer:
    body = message[4 : 4 + int.from_bytes(message[1:4], "big")]
    if message[0] != 2 or len(body) < 38:
        return Answer("other")
    rest = body[35 + body[34] :]
    if len(rest) < 3:
        return Answer("other")
    suite, extensions = int.from_bytes(rest[:2], "big"), _extensions(rest[5:])
    if extensions is None:
        return Answer("other")
    version = int.from_bytes(extensions.get(43, body[:2])[:2], "big")
    share = extensions.get(51, b"")
    if body[2:34] == RETRY:
        group = int.from_bytes(share, "big") if len(share) == 2 else None
        return Answer("retry", group=group, version=version, suite=suite)
    group = int.from_bytes(share[:2], "big") if len(share) >= 4 else None
    return Answer("hello", group=group, version=version, suite=suite)


def _extensions(data: bytes) -> dict[int, bytes] | None:
    """Extensions by number; None where lengths do not fit."""
    found: dict[int, bytes] = {}
    while data:
        if len(data) < 4:
            return None
        number, size = struct.unpack(">HH", data[:4])
        if len(data) < 4 + size:
            return None
        found[number], data = data[4 : 4 + size], data[4 + size :]
    return found
