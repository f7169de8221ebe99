"""One file over one TCP connection: header, bytes, and the receiver's own digest as the answer.

    u32 length, JSON {v, token, name, size, sha256}   then `size` bytes
    u32 length, JSON {size, sha256} or {refused}      back

The token lets the receiver tell its sender from others who reach its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from qorridor.adapters.wire.files import sync_folder
from qorridor.base.canonical import strict_json
from qorridor.base.errors import EvidenceError, OutsideError

CHUNK = 256 * 1024
HEADER_LIMIT = 4096
SILENCE_SECONDS = 30.0

Progress = Callable[[int], None]
"""Told how many more bytes have gone out."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the sender announces."""

    token: str
    name: str
    size: int
    sha256: str

    def packed(self) -> bytes:
        """The header."""
        return _pack(
            {"v": 1, "token": self.token, "name": self.name, "size": self.size, "sha256": self.sha256}
        )


def _pack(value: dict[str, object]) -> bytes:
    body = json.dumps(value).encode()
    return len(body).to_bytes(4, "big") + body


async def _unpack(reader: asyncio.StreamReader) -> dict[str, Any]:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > HEADER_LIMIT:
        raise ValueError("the header is too large")
    value = strict_json(await reader.readexactly(size))
    if not isinstance(value, dict):
        raise ValueError("the header is no JSON object")
    return value


def offer_of(file: Path, token: str) -> Offer:
    """The offer of a file; raises OutsideError Q-KME-059 when it cannot be read."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Offer(token, file.name[:255], stream.tell(), digest)
    except OSError as error:
        raise OutsideError("Q-KME-059", f"the file cannot be read: {error.strerror}",
                           "name a file that exists and that you may read", str(file)) from error  # fmt: skip


class Receiver:
    """Takes one file with the right token into `out`, whole or not at all."""

    def __init__(self, token: str, out: Path) -> None:
        self._token = token
        self._out = out
        self.refused = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection; a stranger's is closed without a word."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                header = await _unpack(reader)
            if not hmac.compare_digest(str(header.get("token")).encode(), self._token.encode()):
                raise ValueError("the token is another")
            writer.write(_pack(await self._take(reader, int(header["size"]), str(header["sha256"]))))
            await writer.drain()
        except (ValueError, KeyError, TypeError, OSError, asyncio.IncompleteReadError):
            self.refused += 1
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, size: int, sha256: str) -> dict[str, object]:
        handle, aside = tempfile.mkstemp(dir=self._out.parent, prefix=f".{self._out.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                found = await _copy(reader, file, size)
                if found != sha256:
                    return {"refused": "the bytes that arrived have another digest"}
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self._out)  # noqa: PTH105 - the pair mkstemp/replace reads best in os
            sync_folder(self._out.parent)
        except OSError as error:
            return {"refused": f"the file cannot be written: {error.strerror}"}
        finally:
            Path(aside).unlink(missing_ok=True)
        return {"size": size, "sha256": found}


async def _copy(reader: asyncio.StreamReader, file: IO[bytes], size: int) -> str:
    digest, left = hashlib.sha256(), size
    while left:
        async with asyncio.timeout(2 * SILENCE_SECONDS):
            data = await reader.read(min(CHUNK, left))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        digest.update(data)
        file.write(data)
        left -= len(data)
    return digest.hexdigest()


async def send(file: Path, offer: Offer, address: tuple[str, int], progress: Progress) -> None:
    """Send a file and compare the receiver's digest with our own.

    Raises OutsideError Q-ENC-009 when the connection breaks or stands still, EvidenceError Q-ENC-010
    when the other end has other bytes or refuses them.
    """
    where = f"{address[0]}:{address[1]}"
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            reader, writer = await asyncio.open_connection(*address)
        try:
            await _send(file, offer, writer, progress)
            async with asyncio.timeout(SILENCE_SECONDS):
                answer = await _unpack(reader)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        raise OutsideError(
            "Q-ENC-009", f"the transfer ended early: {str(error) or 'nothing moved for 30 s'}",
            "look with `qorridor watch` whether the corridor carries traffic, then send again", where,
        ) from error  # fmt: skip
    if (answer.get("size"), answer.get("sha256")) != (offer.size, offer.sha256):
        cause = str(answer.get("refused", "its digest is another"))[:200]
        raise EvidenceError("Q-ENC-010", f"the far end does not hold the file: {cause}",
                            "send it again while nobody writes to it", where)  # fmt: skip


async def _send(file: Path, offer: Offer, writer: asyncio.StreamWriter, progress: Progress) -> None:
    writer.write(offer.packed())
    with file.open("rb") as stream:
        while data := stream.read(CHUNK):
            writer.write(data)
            async with asyncio.timeout(SILENCE_SECONDS):
                await writer.drain()
            progress(len(data))
