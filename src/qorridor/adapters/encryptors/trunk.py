"""The two ends of a tunnel: PSKs by epoch, one trunk at a time, moved make-before-break.

The PSK identity on the wire is `q1|CORRIDOR|EPOCH|TUNNEL`: no secret, but it names the epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable
from typing import Literal

from qorridor.adapters.encryptors import mux_frames
from qorridor.adapters.encryptors.mux import Mux, Opener
from qorridor.adapters.encryptors.mux_frames import MuxFrame, Type
from qorridor.adapters.wire import contexts, tls
from qorridor.adapters.wire.tls import Stream
from qorridor.base.errors import OutsideError, words_of
from qorridor.base.secret import Secret
from qorridor.ports.encryptor import InUse

_LABEL = b"EXPORTER-Qorridor-tunnel"
_REDIAL_SECONDS = 0.3


class TunnelEnd:
    """What both ends have: staged and accepted epochs, the present trunk, the streams."""

    def __init__(self, prefix: tuple[str, str], opener: Opener | None) -> None:
        self._prefix = prefix
        self._keys: dict[int, Secret] = {}
        self._accepted: set[int] = set()
        self.mux = Mux(opener)
        self._trunk: tuple[int, Stream] | None = None
        self.is_killed = False

    def identity(self, epoch: int) -> str:
        """The PSK identity of an epoch."""
        corridor, tunnel = self._prefix
        return f"q1|{corridor}|{epoch}|{tunnel}"

    async def prepare(self, epoch: int, key: Secret) -> None:
        """Stage a key of 48 bytes; other bytes for the same epoch are refused (Q-ENC-002)."""
        if len(key) != 48:
            raise OutsideError(
                "Q-ENC-001", f"a tunnel key has 48 bytes, not {len(key)}", "this is a defect: report it"
            )
        known = self._keys.get(epoch)
        if known is not None and known != key:
            raise OutsideError(
                "Q-ENC-002", f"epoch {epoch} was prepared with another key", "begin a new epoch"
            )
        self._keys.setdefault(epoch, key)

    def running(self) -> int | None:
        """The epoch of the live trunk."""
        if self._trunk is None or self._trunk[1].is_closed:
            return None
        return self._trunk[0]

    def in_use(self) -> InUse:
        """The live trunk's epoch, read from its TLS connection."""
        epoch = self.running()
        if epoch is None or self._trunk is None:
            return InUse(None, "no trunk")
        peer = self._trunk[1].peer
        evidence = f"{peer.psk_identity} {peer.group} {peer.cipher}, {self.mux.live_streams} streams"
        return InUse(epoch, evidence)

    def retire(self, epoch: int) -> None:
        """Forget the keys of `epoch` and of all before it; a trunk on them is closed."""
        for old in [number for number in self._keys if number <= epoch]:
            self._keys.pop(old).wipe()
            self._accepted.discard(old)
        if self._trunk is not None and self._trunk[0] <= epoch:
            self._trunk[1].close()

    def _forget(self, epoch: int) -> None:
        self._accepted.discard(epoch)
        key = self._keys.pop(epoch, None)
        if key is not None:
            key.wipe()

    def kill(self) -> None:
        """Stop traffic: no key, no trunk; streams wait, nothing goes out in clear."""
        self.is_killed = True
        for epoch in list(self._keys):
            self._forget(epoch)
        if self._trunk is not None:
            self.mux.detach(self._trunk[1])
            self._trunk[1].abort()
            self._trunk = None

    async def _use(self, epoch: int, trunk: Stream) -> None:
        """Prove that both ends see one connection, then move all streams to it."""
        tag = trunk.exporter(_LABEL, 16, self.identity(epoch).encode())
        await trunk.write(mux_frames.pack(MuxFrame(Type.HELLO, 0, epoch, tag)))
        hello = await mux_frames.read(trunk)
        if (
            hello.kind is not Type.HELLO
            or hello.offset != epoch
            or not hmac.compare_digest(hello.payload, tag)
        ):
            raise ConnectionAbortedError("the two ends do not see the same connection")
        if epoch not in self._keys:
            raise ConnectionAbortedError("the epoch was given up during the handshake")
        self._trunk = (epoch, trunk)
        await self.mux.attach(trunk)

    async def _read(self, trunk: Stream) -> None:
        try:
            await self.mux.read_all(trunk)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the entry dials again; nothing is lost, it is sent again
        finally:
            self.mux.detach(trunk)
            trunk.close()


class Exit(TunnelEnd):
    """Accepts trunks under known PSKs and connects their streams to the service."""

    def __init__(self, prefix: tuple[str, str], host: str, port: int) -> None:
        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(host, port)

        super().__init__(prefix, connect)
        self.refused = 0

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """The listener for trunks; it holds no certificate."""
        context = contexts.psk_server(self._lookup)

        def refused(_address: str, _cause: str) -> None:
            self.refused += 1

        return await tls.serve(self._serve, lambda: context, host, port, refused=refused, most=64)

    def _lookup(self, identity: str) -> memoryview | None:
        for epoch in self._accepted:
            if identity == self.identity(epoch) and epoch in self._keys:
                return self._keys[epoch].reveal()
        return None

    async def _serve(self, trunk: Stream) -> None:
        try:
            async with asyncio.timeout(tls.HANDSHAKE_SECONDS):
                await self._use(self._epoch_of(trunk), trunk)
        except BaseException:
            trunk.abort()  # half attached it would pass for a live one
            raise
        await self._read(trunk)

    def _epoch_of(self, trunk: Stream) -> int:
        for epoch in self._accepted:
            if trunk.peer.psk_identity == self.identity(epoch):
                return epoch
        raise ConnectionAbortedError("the trunk's epoch was retired during its handshake")

    async def commit(self, epoch: int, step: Literal["accept", "switch"]) -> None:
        """Accept an epoch beside its predecessor."""
        if epoch not in self._keys:
            raise OutsideError("Q-ENC-003", f"epoch {epoch} was not prepared", "prepare it first")
        del step
        self.is_killed = False
        self._accepted.add(epoch)

    async def rollback(self, epoch: int) -> None:
        """Accept `epoch` no more."""
        self._forget(epoch)
        if self._trunk is not None and self._trunk[0] == epoch:
            self._trunk[1].close()


class Entry(TunnelEnd):
    """Accepts applications and dials trunks to the exit."""

    def __init__(self, prefix: tuple[str, str], exit_address: Callable[[], tuple[str, int]]) -> None:
        super().__init__(prefix, None)
        self._exit_address = exit_address
        self._epoch: int | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """The listener for applications."""
        return await asyncio.start_server(self.mux.carry, host, port, limit=256 * 1024)

    async def commit(self, epoch: int, step: Literal["accept", "switch"]) -> None:
        """Dial a trunk under `epoch` and move all streams to it; raises OutsideError Q-ENC-004."""
        if epoch not in self._keys:
            raise OutsideError("Q-ENC-003", f"epoch {epoch} was not prepared", "prepare it first")
        if step == "accept":
            return
        self.is_killed = False
        if self.running() != epoch:
            await self._dial(epoch)
        self._epoch = epoch
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def rollback(self, epoch: int) -> None:
        """Back to the newest epoch before `epoch`."""
        self._forget(epoch)
        older = [number for number in self._keys if number < epoch]
        self._epoch = max(older) if older else None
        if self._epoch is not None:
            await self._dial(self._epoch)

    async def _dial(self, epoch: int) -> None:
        key = self._keys[epoch]
        context = contexts.psk_client(self.identity(epoch), key.reveal)
        trunk: Stream | None = None
        try:
            async with asyncio.timeout(tls.HANDSHAKE_SECONDS):
                trunk = await tls.connect(*self._exit_address(), context)
                await self._use(epoch, trunk)
        except (OutsideError, ConnectionError, TimeoutError, asyncio.IncompleteReadError) as error:
            if trunk is not None:
                trunk.abort()  # half attached it would pass for a live one
            raise OutsideError(
                "Q-ENC-004",
                f"no trunk under epoch {epoch}: {words_of(error)}",
                "the exit may be down; it is dialled again",
            ) from error
        task = asyncio.get_running_loop().create_task(self._read(trunk))
        self._reading = task  # keeps the task alive as long as its trunk is the newest

    async def _keep(self) -> None:
        """Dial again whenever the trunk is gone and the epoch is still the one in use."""
        while not self.is_killed:
            await asyncio.sleep(_REDIAL_SECONDS)
            if self.running() is None and self._epoch in self._keys and self._epoch is not None:
                with contextlib.suppress(OutsideError):
                    await self._dial(self._epoch)
