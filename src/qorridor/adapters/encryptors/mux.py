"""Streams that outlive their trunk: bytes are kept until acknowledged and sent again on the next one.

application socket <-> StreamEnd <-> Mux <-> trunk of epoch N, then N+1, ...
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from qorridor.adapters.encryptors import mux_frames
from qorridor.adapters.encryptors.mux_frames import MuxFrame, Type
from qorridor.adapters.wire.tls import Stream

WINDOW = 2 * 1024 * 1024
_CHUNK = 128 * 1024
_ACK_EVERY = 256 * 1024

Opener = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class StreamEnd:
    """One application connection at one end of the tunnel; memory is bounded by the window both ways."""

    def __init__(self, mux: Mux, number: int) -> None:
        self._mux = mux
        self.number = number
        self.received = 0
        self._acknowledged = 0
        self._base = 0
        self._kept = bytearray()
        self._ended_at: int | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_over = False
        self._finished_out = self._finished_in = False

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until both directions have ended or the stream is reset."""
        finished = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._outbound(reader))
                group.create_task(self._inbound(writer))
            finished = True
        except* (ConnectionError, OSError):
            self.reset(tell=True)
        finally:
            # What a slow application has not taken of a broken stream is of no use: do not wait for it.
            (writer.close if finished else writer.transport.abort)()
            with contextlib.suppress(ConnectionError, OSError):
                await writer.wait_closed()

    async def _outbound(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            await self._wait_for_room()
            offset = self._base + len(self._kept)
            self._kept += data
            await self._mux.send(MuxFrame(Type.DATA, self.number, offset, data))
            if len(self._kept) >= WINDOW:
                self._room.clear()
        self._ended_at = self._base + len(self._kept)
        await self._mux.send(MuxFrame(Type.END, self.number, self._ended_at))

    async def _wait_for_room(self) -> None:
        await self._room.wait()
        if self._is_over:
            raise ConnectionResetError("the stream was reset")

    async def _inbound(self, writer: asyncio.StreamWriter) -> None:
        while (data := await self._incoming.get()) is not None:
            writer.write(data)
            await writer.drain()
            await self._acknowledge(len(data))
        if self._is_over:
            raise ConnectionResetError("the stream was reset")
        if writer.can_write_eof():
            writer.write_eof()
        await self._acknowledge(1, at_once=True)
        self._finished_in = True
        self._mux.forget_if_done(self)

    async def _acknowledge(self, size: int, *, at_once: bool = False) -> None:
        self._acknowledged += size
        if at_once or self._incoming.empty() or self._acknowledged % _ACK_EVERY < size:
            await self._mux.send(MuxFrame(Type.ACK, self.number, self._acknowledged))

    def take(self, frame: MuxFrame) -> None:
        """A DATA or END frame of the trunk; what was received before is skipped, a gap is a fault."""
        if frame.offset > self.received:
            raise ConnectionAbortedError("the tunnel lost bytes")
        fresh = frame.payload[self.received - frame.offset :] if frame.kind is Type.DATA else b""
        if frame.kind is Type.END and frame.offset == self.received:
            self.received += 1
            self._incoming.put_nowait(None)
        elif fresh:
            self.received += len(fresh)
            self._incoming.put_nowait(fresh)

    def acknowledged(self, offset: int) -> None:
        """The peer's application has taken everything before `offset`."""
        sent = self._base + len(self._kept)
        done = min(offset, sent)
        if done > self._base:
            del self._kept[: done - self._base]
            self._base = done
        if len(self._kept) < WINDOW:
            self._room.set()
        if self._ended_at is not None and offset > self._ended_at:
            self._finished_out = True
            self._mux.forget_if_done(self)

    def again_from(self, offset: int) -> list[MuxFrame]:
        """Everything that the peer has not received, for a fresh trunk."""
        self.acknowledged(min(offset, self._base + len(self._kept)))
        frames = [
            MuxFrame(Type.DATA, self.number, self._base + at, bytes(self._kept[at : at + _CHUNK]))
            for at in range(0, len(self._kept), _CHUNK)
        ]
        if self._ended_at is not None and offset <= self._ended_at:
            frames.append(MuxFrame(Type.END, self.number, self._ended_at))
        return frames

    @property
    def was_known(self) -> bool:
        """Whether the other end has ever answered on this stream."""
        return bool(self.received or self._base)

    @property
    def is_done(self) -> bool:
        """Both directions have ended and the other end knows."""
        return self._finished_in and self._finished_out

    def reset(self, *, tell: bool) -> None:
        """Give the stream up at once."""
        if self._is_over:
            return
        self._is_over = True
        self._room.set()
        self._incoming.put_nowait(None)
        self._mux.drop(self.number, tell=tell)


class Mux:
    """All streams of one tunnel end; `opener` connects streams that the other end opens."""

    def __init__(self, opener: Opener | None) -> None:
        self._opener = opener
        self._streams: dict[int, StreamEnd] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._trunk: Stream | None = None
        self._sending = asyncio.Lock()
        self._next = secrets.randbits(31) + 1  # another process of this end must not meet its old streams

    @property
    def live_streams(self) -> int:
        """Streams that are open at this end."""
        return len(self._streams)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one accepted application connection to the other end."""
        stream = StreamEnd(self, self._next)
        self._next += 1
        self._streams[stream.number] = stream
        await self.send(MuxFrame(Type.OPEN, stream.number, 0))
        await stream.run(reader, writer)

    async def send(self, frame: MuxFrame) -> None:
        """Send on the present trunk; without one the frame is sent again by the next one's resume."""
        async with self._sending:
            trunk = self._trunk
            if trunk is None:
                return
            try:
                await trunk.write(mux_frames.pack(frame))
            except ConnectionError:
                self.detach(trunk)

    def detach(self, trunk: Stream) -> None:
        """The trunk is gone; streams wait for the next."""
        if self._trunk is trunk:
            self._trunk = None

    async def attach(self, trunk: Stream) -> None:
        """Move all streams to `trunk`: both ends say what they have received, then send the rest again.

        The old trunk is dropped first, since a writer may wait on it that the other end no longer reads.
        The rest is sent while frames are read already: two ends that only write would wait for ever.
        """
        old, self._trunk = self._trunk, None
        if old is not None:
            old.abort()
        await self._sending.acquire()
        try:
            known = [MuxFrame(Type.RESUME, number, end.received) for number, end in self._streams.items()]
            # One write: it fits the buffers of a connection, so neither end waits for the other to read.
            await trunk.write(b"".join(map(mux_frames.pack, [*known, MuxFrame(Type.READY, 0, 0)])))
            resumed = await self._read_resume(trunk)
        except BaseException:
            self._sending.release()
            raise
        self._trunk = trunk
        self._keep(asyncio.get_running_loop().create_task(self._send_again(trunk, resumed)))

    async def _send_again(self, trunk: Stream, resumed: dict[int, int]) -> None:
        """What the other end has not received; holds the lock that `attach` has taken."""
        ends = list(self._streams.items())
        try:
            for number, end in ends:
                await self._resume(trunk, end, resumed.get(number))
        except ConnectionError:
            self.detach(trunk)
        finally:
            self._sending.release()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_resume(self, trunk: Stream) -> dict[int, int]:
        resumed: dict[int, int] = {}
        while (frame := await mux_frames.read(trunk)).kind is not Type.READY:
            if frame.kind is not Type.RESUME:
                raise ConnectionAbortedError("the tunnel's peer does not resume")
            resumed[frame.stream] = frame.offset
        return resumed

    async def _resume(self, trunk: Stream, end: StreamEnd, offset: int | None) -> None:
        if offset is None and self._opener is not None:
            end.reset(tell=False)  # the opening end has given it up
            return
        if offset is None:
            if end.was_known:
                end.reset(tell=False)  # the other end has lost it: its process began anew
                return
            await trunk.write(mux_frames.pack(MuxFrame(Type.OPEN, end.number, 0)))
        for frame in end.again_from(offset or 0):
            await trunk.write(mux_frames.pack(frame))

    async def read_all(self, trunk: Stream) -> None:
        """Dispatch frames of `trunk` while it is the present one; returns when it ends or is replaced."""
        while self._trunk is trunk:
            frame = await mux_frames.read(trunk)
            if self._trunk is not trunk:
                return
            self._dispatch(frame)

    def _dispatch(self, frame: MuxFrame) -> None:
        if frame.kind is Type.OPEN and self._opener is not None and frame.stream not in self._streams:
            self._accept(frame.stream)
            return
        end = self._streams.get(frame.stream)
        if end is None:
            return
        match frame.kind:
            case Type.DATA | Type.END:
                end.take(frame)
            case Type.ACK:
                end.acknowledged(frame.offset)
            case Type.RESET:
                end.reset(tell=False)

    def _accept(self, number: int) -> None:
        end = StreamEnd(self, number)
        self._streams[number] = end
        self._keep(asyncio.get_running_loop().create_task(self._connect(end)))

    async def _connect(self, end: StreamEnd) -> None:
        if self._opener is None:
            return
        try:
            reader, writer = await self._opener()
        except OSError:
            end.reset(tell=True)
            return
        await end.run(reader, writer)

    def forget_if_done(self, end: StreamEnd) -> None:
        """Drop a stream whose both directions have ended."""
        if end.is_done:
            self._streams.pop(end.number, None)

    def drop(self, number: int, *, tell: bool) -> None:
        """Drop a stream that was reset, and tell the other end."""
        if self._streams.pop(number, None) is not None and tell:
            self._keep(asyncio.get_running_loop().create_task(self.send(MuxFrame(Type.RESET, number, 0))))
