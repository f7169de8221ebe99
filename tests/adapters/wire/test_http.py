"""HTTP over our streams: bounded, one request at a time, never a crash; the client never repeats itself."""

import asyncio
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import http
from qorridor.base.errors import OutsideError
from tests.support.loop import run


class Wire:
    """A stream that hands out prepared chunks and keeps what is written."""

    peer = None

    def __init__(self, *chunks):
        self.chunks, self.written, self.is_closed = list(chunks), b"", False

    async def read(self, size=65536):
        chunk = self.chunks.pop(0) if self.chunks else b""
        if len(chunk) > size:
            self.chunks.insert(0, chunk[size:])
        return chunk[:size]

    async def write(self, data):
        self.written += bytes(data)

    def close(self):
        self.is_closed = True


def answered(*chunks):
    """(requests that reached the handler, bytes that went back)."""
    seen, wire = [], Wire(*chunks)

    async def handle(request):
        seen.append(request)
        return http.Response(200, request.body or b"ok")

    run(http.serve_requests(wire, handle))
    return seen, wire.written


def post(body=b"", *headers, path="/x"):
    lines = [f"POST {path} HTTP/1.1", "Host: q", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_request_reaches_the_handler_raw_and_undecoded():
    seen, _ = answered(b"GET /keys/a%2Fb/status?x=%31+ HTTP/1.1\r\nHost: q\r\nX-Sae-Id: Me\r\n\r\n")
    (request,) = seen
    assert (request.method, request.path, request.query) == ("GET", "/keys/a%2Fb/status", "x=%31+")
    assert request.headers["x-sae-id"] == "Me"


def test_every_answer_forbids_caching_c62():
    _, written = answered(post(b"{}"))
    assert b"\r\nCache-Control: no-store\r\n" in written


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_in_pieces_are_put_together(size):
    data = post(b"a" * 500)
    seen, written = answered(*[data[at : at + size] for at in range(0, len(data), size)])
    assert seen[0].body == b"a" * 500
    assert written.endswith(b"a" * 500)


def test_two_requests_after_one_another_are_answered_in_order_c55():
    seen, _ = answered(post(b"one"), post(b"two"))
    assert [request.body for request in seen] == [b"one", b"two"]


def test_two_requests_in_one_piece_are_both_left_unanswered_and_the_connection_ends_c55():
    seen, written = answered(post(b"one") + post(b"two"))
    assert not seen
    assert written.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in written


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"a" * (64 * 1024 + 1)), b"413"),
        (b"GET / HTTP/1.1\r\nHost: q\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", b"400"),
        (b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"400"),
    ],
    ids=["body", "header", "no host", "CL+TE", "two CL", "negative CL", "TLS", "SSH"],
)  # fmt: skip
def test_what_is_too_large_or_ambiguous_is_refused_and_the_connection_ends_c54(data, status):
    seen, written = answered(data)
    assert not seen
    assert written.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in written


def test_a_chunked_body_is_read():
    head = b"POST / HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen, _ = answered(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert seen[0].body == b"abcde"


def test_the_answer_401_ends_the_connection():
    wire = Wire(post(b"a"), post(b"b"))

    async def handle(_):
        return http.Response(401)

    run(http.serve_requests(wire, handle))
    assert wire.written.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in wire.written


def test_an_end_in_mid_request_is_answered_with_nothing():
    assert answered(post(b"abc")[:-1]) == ([], b"")


words = st.sampled_from([
    b"GET ", b"POST ", b"/api/v1/keys/b/status", b" HTTP/1.1\r\n", b"Host: q\r\n", b"\r\n", b"Content-Length: 2\r\n",
    b"{}", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"CONNECT q:1",
    b"Expect: 100-continue\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\n", b"\x00",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(words | st.binary(max_size=60), max_size=12), st.integers(1, 40))
def test_no_bytes_crash_the_parser_and_every_answer_is_whole_http(parts, size):
    data = b"".join(parts)
    seen, written = answered(*[data[at : at + size] for at in range(0, len(data), size)])
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", written)
    assert len(statuses) >= len(seen)
    assert set(statuses) <= {b"200", b"400", b"413"}


# -- client -----------------------------------------------------------------------------------


def client_of(*answers):
    dialled = []

    async def dial():
        dialled.append(Wire(*answers[len(dialled)]))
        return dialled[-1]

    return http.Client(dial, timeout=5), dialled


def test_the_client_keeps_one_connection_and_dials_again_after_close():
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    last = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    client, dialled = client_of([ok, last], [ok])

    async def main():
        return [(await client.request("POST", "/x", b"{}")).body for _ in range(3)]

    assert run(main()) == [b"ok", b"no", b"ok"]
    assert len(dialled) == 2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"rubbish", b"HTTP/1.1 200 OK\r\nCont"]
)
def test_a_request_without_an_answer_is_an_error_and_is_never_sent_twice(answer):
    client, dialled = client_of([answer])
    with pytest.raises(OutsideError) as error:
        run(client.request("POST", "/x?key_ID=1", b"{}"))
    assert error.value.code == "Q-KME-044"
    assert "key_ID" not in error.value.cause
    assert len(dialled) == 1
    assert dialled[0].is_closed


def test_a_silence_is_called_one():
    class Silent(Wire):
        async def read(self, size=65536):
            await asyncio.Event().wait()

    async def dial():
        return Silent()

    with pytest.raises(OutsideError) as error:
        run(http.Client(dial, timeout=0.05).request("GET", "/x"))
    assert error.value.cause.endswith("got no answer: no answer in time")


def test_an_answer_that_is_too_large_is_refused():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    client, _ = client_of([head, *[bytes(1 << 20)] * 17])
    with pytest.raises(OutsideError, match="too large"):
        run(client.request("GET", "/x"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=80), max_size=5))
def test_no_answer_crashes_the_client(chunks):
    client, _ = client_of([b"HTTP/1.1 ", *chunks] if len(chunks) % 2 else chunks)
    try:
        run(client.request("GET", "/x"))
    except OutsideError as error:
        assert error.code == "Q-KME-044"


def test_an_answer_that_comes_after_its_request_was_cancelled_reaches_nobody():
    release = asyncio.Event()

    class Late(Wire):
        async def read(self, size=65536):
            await release.wait()
            return await super().read(size)

    dialled = []

    async def dial():
        dialled.append(Late(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % len(dialled)))
        return dialled[-1]

    async def main():
        client = http.Client(dial, timeout=5)
        first = asyncio.create_task(client.request("GET", "/first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        release.set()
        return first.cancelled(), (await client.request("GET", "/second")).body

    assert run(main()) == (True, b"1")
    assert [wire.is_closed for wire in dialled] == [True, False]


def test_requests_of_several_tasks_do_not_mix_on_one_connection(organisation):
    from qorridor.adapters.wire import contexts, tls

    london, hayes = organisation.enrol("node", "london"), organisation.enrol("node", "hayes")
    server = contexts.mutual_server(london.credentials("ecdsa-p256"), london.trust("node"))
    dialer = contexts.mutual_client(hayes.credentials("ecdsa-p256"), hayes.trust("node"))

    async def echo(request):
        await asyncio.sleep(0)
        return http.Response(200, json.dumps([request.path, request.peer.identity.name]).encode())

    async def main():
        listener = await tls.serve(
            lambda stream: http.serve_requests(stream, echo), lambda: server, "127.0.0.1", 0, refused=print
        )
        port = listener.sockets[0].getsockname()[1]
        client = http.Client(lambda: tls.connect("127.0.0.1", port, dialer))
        answers = await asyncio.gather(*[client.request("GET", f"/{n}") for n in range(30)])
        assert [json.loads(answer.body) for answer in answers] == [[f"/{n}", "hayes"] for n in range(30)]
        client.close()
        listener.close()

    run(main())
