"""Frames on a byte stream: u32 length (big-endian), then one deterministic CBOR map."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol

from qorridor.base import cbor
from qorridor.base.errors import OutsideError

_LOG = logging.getLogger(__name__)
LIMIT = 64 * 1024 * 1024
_LONGEST = 100


class Reader(Protocol):
    """What frames are read from."""

    async def readexactly(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        ...


Frame = dict[int | str, cbor.Value]


def pack(frame: Frame) -> bytes:
    """The bytes of one frame."""
    body = cbor.encode(frame)
    return len(body).to_bytes(4, "big") + body


async def read_frame(reader: Reader, *, limit: int = LIMIT) -> Frame | None:
    """The next frame, or None at a clean end; raises OutsideError Q-KME-045 for anything else."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > limit:
            raise ValueError(f"a frame of {size} bytes is too large")
        value = cbor.decode(await reader.readexactly(size))
        if not isinstance(value, dict):
            raise ValueError("a frame holds one map")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise OutsideError("Q-KME-045", "the frame ends early", "the peer is dialled again") from error
    except ValueError as error:
        raise OutsideError(
            "Q-KME-045",
            f"the peer does not speak this protocol: {error}",
            "check that both ends run this version",
        ) from error
    return value


class Channel:
    """Frames both ways on a local Unix socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, frame: Frame) -> None:
        """Send one frame; raises ConnectionError when the other process is gone."""
        self._writer.write(pack(frame))
        await self._writer.drain()

    async def receive(self) -> Frame | None:
        """The next frame, None at the end."""
        try:
            return await read_frame(self._reader)
        except ConnectionError:
            return None

    async def close(self) -> None:
        """Close the socket; idempotent."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.contextmanager
def _short(path: Path) -> Iterator[Path]:
    """The same socket below a path that fits into a socket address (108 bytes at most)."""
    if len(str(path)) <= _LONGEST:
        yield path
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{folder}") / path.name
    finally:
        os.close(folder)


async def dial_unix(path: Path) -> Channel:
    """Connect to a local socket; raises OutsideError Q-KME-042 when nobody listens."""
    try:
        with _short(path) as near:
            return Channel(*await asyncio.open_unix_connection(near))
    except OSError as error:
        raise OutsideError(
            "Q-KME-042",
            f"nobody listens: {error.strerror or error}",
            "start the process that serves this socket",
            str(path),
        ) from error


def _place(error: Exception) -> str:
    """Kind and place of an exception, without its words."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


async def serve_unix(path: Path, handler: Callable[[Channel], Awaitable[None]]) -> asyncio.Server:
    """Listen on a local socket of mode 0600; a stale socket file is replaced. A frame that `handler`
    cannot take ends its connection with a line in the log, never the server."""
    path.unlink(missing_ok=True)

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        try:
            await handler(channel)
        except (ConnectionError, OutsideError):
            pass  # the other process ended in mid-frame: it starts again and says hello
        except Exception as error:  # noqa: BLE001 - what a malformed frame provokes ends its own connection only
            # The place and the kind, never the words: these may quote the frame, and frames carry keys.
            _LOG.warning("%s: a frame ended its connection: %s", path.name, _place(error))
        finally:
            await channel.close()

    with _short(path) as near:
        server = await asyncio.start_unix_server(run, near)
    path.chmod(0o600)
    return server
