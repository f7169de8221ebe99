"""HTTP/1.1 as bytes, for asking a foreign KME what no proper client would: any request goes out as it is,
and answers are read leniently, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from qorridor.adapters.wire import contexts, tls

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer as it arrived."""

    status: int
    head: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in order, repeated ones too."""
    body: bytes
    words: str = ""
    """What may be shown of the message in its body; the caller fills it in."""

    def header(self, name: str) -> str:
        """The first value of a header; empty without one."""
        return next((value for known, value in self.headers if known == name), "")


def request_bytes(
    method: str, target: str, host: str, body: bytes | None = None, headers: Sequence[str] = ()
) -> bytes:
    """A proper request; `headers` are whole lines. Without a body there is no Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body is not None:
        if not any(line.lower().startswith("content-type:") for line in headers):
            lines.append("Content-Type: application/json")
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class RawConnection:
    """One TLS connection: bytes go out, answers come in."""

    def __init__(self, stream: tls.Stream) -> None:
        self.stream = stream
        self._held = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; raises ConnectionError when the peer is gone."""
        await self.stream.write(data)

    async def receive(self, *, has_body: bool = True) -> RawAnswer:
        """The next final answer; raises ConnectionError at an end and ValueError for what is no HTTP.

        `has_body` is False for the answer to HEAD. Interim answers (1xx) are passed over.
        """
        while True:
            head = await self._until(b"\r\n\r\n")
            status, headers = _parsed(head)
            if status >= 200:
                break
        body = await self._body(status, headers) if has_body else b""
        return RawAnswer(status, head.decode("latin-1"), headers, body)

    async def _body(self, status: int, headers: Sequence[tuple[str, str]]) -> bytes:
        if status in {204, 304}:
            return b""
        found = dict(reversed(headers))
        if "chunked" in found.get("transfer-encoding", "").lower():
            return await self._chunks()
        if "content-length" in found:
            size = found["content-length"].strip()
            if not size.isascii() or not size.isdigit() or int(size) > BODY_LIMIT:
                raise ValueError("the answer's Content-Length is no size")
            return await self._exactly(int(size))
        return await self._rest()

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            line = (await self._until(b"\r\n")).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise ValueError("a chunk of the answer has no size") from None
            if size < 0 or len(body) + size > BODY_LIMIT:
                raise ValueError("the answer is too large")
            if size == 0:
                while await self._until(b"\r\n") != b"\r\n":
                    pass
                return body
            body += await self._exactly(size)
            await self._exactly(2)

    async def _more(self) -> None:
        data = await self.stream.read()
        if not data:
            raise ConnectionResetError("the connection ended before the answer")
        self._held += data

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._held:
            if len(self._held) > HEAD_LIMIT:
                raise ValueError("the head of the answer is too large")
            await self._more()
        end = self._held.index(mark) + len(mark)
        part, self._held = self._held[:end], self._held[end:]
        return part

    async def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            await self._more()
        part, self._held = self._held[:size], self._held[size:]
        return part

    async def _rest(self) -> bytes:
        try:
            while len(self._held) <= BODY_LIMIT:
                await self._more()
        except ConnectionError:
            part, self._held = self._held, b""
            return part
        raise ValueError("the answer is too large")

    async def ended(self, seconds: float) -> bool:
        """Whether the peer closes within `seconds` without sending anything more."""
        try:
            async with asyncio.timeout(seconds):
                while await self.stream.read():
                    pass
        except TimeoutError:
            return False
        except (ConnectionError, OSError):
            pass
        return True

    def close(self) -> None:
        """Close properly."""
        self.stream.close()

    def abort(self) -> None:
        """Vanish."""
        self.stream.abort()


def _parsed(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ValueError("the answer is no HTTP/1.1")
    pairs = [line.partition(":") for line in rest if line]
    return int(words[1]), tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)


async def dial(host: str, port: int, context: contexts.Context) -> RawConnection:
    """Connect; raises OutsideError Q-KME-042 or Q-KME-043 as tls.connect does."""
    return RawConnection(await tls.connect(host, port, context))
