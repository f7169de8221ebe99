"""The raw client: requests go out byte for byte, answers are read leniently and within bounds."""

import asyncio
import ssl

import pytest

from qorridor.adapters.peers import raw_http
from qorridor.adapters.wire import contexts
from tests.support.loop import run
from tests.support.reference_net import Certificates


class Wire:
    """A stream that was recorded."""

    def __init__(self, *chunks):
        self.chunks, self.sent = list(chunks), b""

    async def read(self):
        return self.chunks.pop(0) if self.chunks else b""

    async def write(self, data):
        self.sent += data


async def received(*chunks, count=1, **options):
    connection = raw_http.RawConnection(Wire(*chunks))
    return [await connection.receive(**options) for _ in range(count)]


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
        (b"HTTP/1.0 400 Bad\r\n\r\nto the end", 400, b"to the end"),
        (b"HTTP/1.1 200\r\ncontent-length:2\r\n\r\n{}", 200, b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\n{\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n", 200, b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, b""),
    ],
)  # fmt: skip
def test_an_answer_is_read_in_any_framing_and_any_pieces(data, status, body):
    pieces = [data[i : i + 1] for i in range(len(data))]
    for chunks in ([data], pieces):
        (answer,) = run(received(*chunks))
        assert (answer.status, answer.body) == (status, body)


def test_two_answers_in_one_piece_are_two():
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: a\r\nX: b\r\n\r\n"
    first, second = run(received(one + b"1" + one + b"2", count=2))
    assert (first.body, second.body) == (b"1", b"2")
    assert first.header("x") == "a"
    assert first.header("y") == ""


def test_the_answer_to_head_has_no_body():
    (answer,) = run(received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", has_body=False))
    assert answer.body == b""


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"x" * 70_000 + b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_a_value_error(data):
    with pytest.raises(ValueError):
        run(received(*[data[i : i + 1000] for i in range(0, len(data), 1000)]))


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123", b"HTTP/1.1 2"])
def test_an_early_end_is_a_connection_error(data):
    with pytest.raises(ConnectionError):
        run(received(data))


def test_a_request_is_written_as_it_is_asked_for():
    assert raw_http.request_bytes("GET", "/x?a=%00", "h:1") == b"GET /x?a=%00 HTTP/1.1\r\nHost: h:1\r\n\r\n"
    posted = raw_http.request_bytes("POST", "/", "h", b"{}", ["Content-Type: text/plain"])
    assert posted == b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_a_foreign_server_may_speak_tls_1_2_and_is_told_the_name_it_is_asked_by(version, name):
    made, asked = Certificates(), []

    async def main():
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.minimum_version = server_side.maximum_version = version
        server_side.load_cert_chain(made.kme, made.kme)
        server_side.sni_callback = lambda _, name, __: asked.append(name)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_side)
        context = contexts.foreign_client(None, made.authority.trust, "kme.example")
        connection = await raw_http.dial("127.0.0.1", server.sockets[0].getsockname()[1], context)
        peer = connection.stream.peer
        assert await connection.ended(5)
        connection.close()
        server.close()
        return peer

    peer = run(main())
    assert peer.version == name
    assert "25519" in peer.group.lower() or "secp" in peer.group.lower()
    assert set(asked) == {"kme.example"}  # TLS 1.3 may ask twice (HelloRetryRequest)
