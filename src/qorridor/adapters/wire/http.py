"""HTTP/1.1 over our TLS streams: a bounded server and a client that keeps one connection.

The data plane of ETSI GS QKD 014 needs the verified peer with every request and the raw path, so the
parser is httptools and nothing is decoded twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httptools

from qorridor.adapters.wire.tls import Peer, Stream
from qorridor.base.errors import OutsideError, words_of

HEADER_LIMIT = 16 * 1024
BODY_LIMIT = 64 * 1024
REQUEST_SECONDS = 10.0
IDLE_SECONDS = 60.0

REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large",
           500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


@dataclass(slots=True)
class Request:
    """One request as it arrived; `path` and `query` are raw, `headers` have lower-case names."""

    method: str = ""
    path: str = ""
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Peer | None = None


@dataclass(slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


class _Collector:
    """Callbacks of httptools: collects one message at a time, within the limits."""

    def __init__(self, body_limit: int) -> None:
        self._limit = body_limit
        self.complete: list[Request] = []
        self.oversize = False
        self.waits = False
        """Whether the client has sent its headers and waits to be told to go on (RFC 9110 section 10.1.1)."""
        self._begin()

    def _begin(self) -> None:
        self.current = Request()
        self._url = b""
        self._size = 0
        self._body = bytearray()

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        self.oversize |= self._size > HEADER_LIMIT
        if not self.oversize:
            self.current.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.waits = self.current.headers.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        self.oversize |= len(self._body) + len(body) > self._limit
        if not self.oversize:
            self._body += body

    def on_message_complete(self) -> None:
        self.waits = False
        path, _, query = self._url.decode("latin-1").partition("?")
        self.current.path, self.current.query = path, query
        self.current.body = bytes(self._body)
        self.complete.append(self.current)


async def serve_requests(stream: Stream, handler: Handler) -> None:
    """Answer requests on one connection in order until the peer or a limit ends it."""
    collector = _Collector(BODY_LIMIT)
    parser = httptools.HttpRequestParser(collector)
    while True:
        request = await _next_request(stream, parser, collector)
        if isinstance(request, Response):
            await stream.write(_response_bytes(request, keep=False))
            return
        if request is None:
            return
        request.peer = stream.peer
        response = await handler(request)
        keep = request.headers.get("connection", "").lower() != "close" and response.status != 401
        await stream.write(_response_bytes(response, keep=keep))
        if not keep:
            return


async def _next_request(
    stream: Stream, parser: httptools.HttpRequestParser, collector: _Collector
) -> Request | Response | None:
    """The next complete request, a refusal to send before closing, or None at the end."""
    limit = IDLE_SECONDS
    received = 0
    while not collector.complete:
        try:
            async with asyncio.timeout(limit):
                data = await stream.read(BODY_LIMIT)
        except TimeoutError:
            return None
        received += len(data)
        if not data:
            return None
        limit = REQUEST_SECONDS
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return _refusal(400, "this is no HTTP/1.1 request")
        if collector.oversize or received > HEADER_LIMIT + BODY_LIMIT + 4096:
            return _refusal(413, "the request is too large")
        if collector.waits:
            collector.waits = False
            await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if collector.complete:
            collector.complete[0].method = parser.get_method().decode()
    request = collector.complete.pop(0)
    if collector.complete or "host" not in request.headers:
        # Two requests in one read share the parser's method: answer none rather than confuse them.
        return _refusal(400, "one request at a time, with a Host header")
    return request


def _refusal(status: int, message: str) -> Response:
    return Response(status, f'{{"message":"{message}"}}'.encode(), {"Content-Type": "application/json"})


def _response_bytes(response: Response, *, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}"]
    headers = {"Content-Length": str(len(response.body)), "Cache-Control": "no-store", **response.headers}
    if not keep:
        headers["Connection"] = "close"
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body


class Client:
    """Requests to one server over one kept connection, dialled again when it is gone."""

    def __init__(self, dial: Callable[[], Awaitable[Stream]], *, timeout: float = 10.0) -> None:
        self._dial = dial
        self._timeout = timeout
        self._stream: Stream | None = None
        self._lock = asyncio.Lock()

    @property
    def stream(self) -> Stream | None:
        """The connection in use, if any."""
        return self._stream

    async def request(
        self, method: str, target: str, body: bytes = b"", content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """One exchange; raises OutsideError Q-KME-042, -043 or -044 when it cannot be completed.

        A request that may have been received is never sent again by itself: the caller knows
        whether it is idempotent.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout):
                    stream = await self._connection()
                    await stream.write(_request_bytes(method, target, body, content_type, headers or {}))
                    response = await _read_response(stream)
            except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                self.close()
                raise OutsideError(
                    "Q-KME-044", f"{method} {target.partition('?')[0]} got no answer: {words_of(error)}",
                    "look at the peer's log; the request may be repeated if it is idempotent",
                ) from error  # fmt: skip
            except BaseException:  # cancelled: an answer that comes late belongs to nobody
                self.close()
                raise
            if response.headers.get("connection", "").lower() == "close":
                self.close()
            return response

    async def _connection(self) -> Stream:
        if self._stream is None or self._stream.is_closed:
            self._stream = await self._dial()
        return self._stream

    def close(self) -> None:
        """Close the kept connection; the next request dials again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _request_bytes(
    method: str, target: str, body: bytes, content_type: str, headers: Mapping[str, str]
) -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: qorridor\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if body or method == "POST":
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


async def _read_response(stream: Stream) -> Response:
    collector = _Collector(16 * 1024 * 1024)
    parser = httptools.HttpResponseParser(collector)
    while not collector.complete:
        data = await stream.read()
        if not data:
            raise ConnectionResetError("the connection ended before the answer")
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ValueError("the answer is no HTTP/1.1") from error
        if collector.oversize:
            raise ValueError("the answer is too large")
    message = collector.complete[0]
    return Response(parser.get_status_code(), message.body, message.headers)
