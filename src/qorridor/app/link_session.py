"""One connection between the two ends of a link: meet, then distil block after block.

    meet    each end says which authentication pool it has; a pool that both have goes on at the larger
            index of each direction, otherwise both take a new one from this connection's TLS exporter
    flow    each end says whether its node wants key; a block starts when both do
    m       messages of the distillation, whose own tags are what its proof relies on

Authentication out of the exporter is computational, resting on the certificates and on ML-KEM, until the
first block has been released: the block record says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qorridor.adapters.devices.simulator import SimulatedModule
from qorridor.adapters.wire import frames
from qorridor.base.errors import LinkError, OutsideError
from qorridor.base.secret import Secret
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.authentication import Authenticator, Role, bootstrap_size
from qorridor.distill.block import Endpoint, Outcome, Settings
from qorridor.distill.channel import Collect, Recall, Receive, Reply, Send, Step
from qorridor.distill.party import receiver, transmitter
from qorridor.ports.world import Clock, Entropy

BOOTSTRAP_TAGS = 64
MEET_SECONDS = 15.0
SILENCE_SECONDS = 30.0
"""A peer that says nothing for so long beyond the time of a block has lost the block."""
_LABEL = b"EXPORTER-Qorridor-link-authentication"


class Wire(Protocol):
    """What a session needs of a TLS stream."""

    async def readexactly(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        ...

    async def write(self, data: bytes) -> None:
        """Send."""
        ...

    def exporter(self, label: bytes, size: int, context: bytes = b"") -> bytes:
        """Keying material of the connection."""
        ...

    def close(self) -> None:
        """Close."""
        ...


class IndexFile:
    """Where the next one-time index of each direction is kept, synced before the value is used."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def __call__(self, direction: str, index: int) -> None:
        """Append `direction index` and wait for the disk."""
        os.write(self._handle, f"{direction} {index}\n".encode())
        os.fsync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


@dataclass(slots=True)
class LinkState:
    """What one end keeps while its process lives: settings, pool, counters."""

    settings: Settings
    site: str
    folder: Path
    entropy: Entropy
    clock: Clock
    software: str
    endpoint: Endpoint | None = None
    pool_id: bytes = b""
    sequence: int = 0
    patience: float = 60.0
    """Seconds that the module may take for the detections of a block: a cut fibre delivers none."""
    is_computational: bool = True
    wanted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_transmitter(self) -> bool:
        """Whether this end sends the light."""
        return self.site == self.settings.names.transmitter

    @property
    def peer_site(self) -> str:
        """The other end's site."""
        names = self.settings.names
        return names.receiver if self.is_transmitter else names.transmitter


class LinkSession:
    """One TLS connection of one link end."""

    def __init__(self, state: LinkState, wire: Wire, module: SimulatedModule) -> None:
        self._state, self._wire, self._module = state, wire, module
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._peer_wants, self._spoken = asyncio.Event(), asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> Endpoint:
        """Meet the peer and agree on pool and sequence; raises LinkError Q-LINK-020 if it is another."""
        state = self._state
        mine = state.endpoint.auth.state if state.endpoint is not None else (0, 0, 0)
        if state.endpoint is not None and state.endpoint.auth.broken:
            state.pool_id = b""
        await self._send({
            "type": "meet", "site": state.site, "link": state.settings.names.link, "pool": state.pool_id,
            "generation": mine[0], "down": mine[1], "up": mine[2], "sequence": state.sequence,
        })  # fmt: skip
        async with asyncio.timeout(MEET_SECONDS):
            frame = await frames.read_frame(self._wire)
        theirs = self._check_meeting(frame)
        state.sequence = max(state.sequence, int(str(theirs["sequence"])))
        endpoint = self._endpoint(theirs, mine)
        endpoint.sequence = state.sequence
        self._reader = asyncio.create_task(self._read())
        return endpoint

    def _check_meeting(self, frame: frames.Frame | None) -> frames.Frame:
        state = self._state
        expected = (state.peer_site, state.settings.names.link)
        if frame is None or (frame.get("site"), frame.get("link")) != expected:
            raise LinkError(
                "Q-LINK-020", "the process that answered is not the other end of this link",
                "compare the estates and addresses of both sites",
            )  # fmt: skip
        return frame

    def _endpoint(self, theirs: frames.Frame, mine: tuple[int, int, int]) -> Endpoint:
        state = self._state
        same = state.pool_id and (theirs["pool"], theirs["generation"]) == (state.pool_id, mine[0])
        if state.endpoint is not None and same:
            try:
                state.endpoint.auth.skip_to(int(str(theirs["down"])), int(str(theirs["up"])))
            except BlockAbort:
                pass  # the pool is used up: a new one is bootstrapped below
            else:
                return state.endpoint
        return self._bootstrap()

    def _bootstrap(self) -> Endpoint:
        state = self._state
        if state.endpoint is not None:
            state.endpoint.auth.wipe()
        secret = Secret(self._wire.exporter(_LABEL, bootstrap_size(BOOTSTRAP_TAGS)))
        state.pool_id = hashlib.sha256(self._wire.exporter(_LABEL + b"-id", 32)).digest()[:16]
        role: Role = "transmitter" if state.is_transmitter else "receiver"
        auth = Authenticator(secret, role, IndexFile(state.folder / "pool-index"))
        secret.wipe()
        before = state.endpoint
        state.endpoint = Endpoint(
            state.settings, auth, state.entropy, state.clock, software=state.software,
            last_slot=-1 if before is None else before.last_slot, qber=None if before is None else before.qber,
        )  # fmt: skip
        state.is_computational = True
        return state.endpoint

    async def block(self, endpoint: Endpoint) -> Outcome:
        """Distil one block; connection loss is an abort of the block like any other."""
        await self._both_want()
        party = transmitter if self._state.is_transmitter else receiver
        steps = party(endpoint)
        outcome = await self._drive(steps)
        outcome.record["authentication"] = (
            "computational (TLS exporter, ML-KEM and certificates)"
            if self._state.is_computational
            else "information-theoretic (key of earlier blocks)"
        )
        if outcome.released:
            self._state.is_computational = False
            self._state.sequence = endpoint.sequence
        if self._state.is_transmitter:
            with contextlib.suppress(OSError):  # a module that went away has forgotten everything
                await self._module.forget(endpoint.last_slot + 1)
        return outcome

    async def _drive(self, steps: Generator[Step, Reply, Outcome]) -> Outcome:
        reply: Reply = None
        failure: LinkError | None = None
        while True:
            try:
                step = steps.send(reply) if failure is None else steps.throw(failure)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                return outcome
            reply, failure = None, None
            try:
                reply = await self._perform(step)
            except LinkError as error:
                failure = error if not isinstance(step, Send) else None
            except (OSError, TimeoutError, OutsideError):
                failure = BlockAbort(Cause.PEER, "the connection to the other end was lost")
                if isinstance(step, Send) and self._is_farewell(step):
                    failure = None

    @staticmethod
    def _is_farewell(step: Send) -> bool:
        return step.message[1:2] == b"\x0d"

    async def _perform(self, step: Step) -> Reply:
        match step:
            case Send(message):
                await self._send({"type": "m", "body": message})
                return None
            case Receive():
                return await self._hear()
            case Collect(count):
                return await self._collect(count)
            case Recall(slots):
                return await self._module.recall(slots)

    async def _collect(self, count: int) -> Reply:
        """Detections, unless the fibre delivers too few or the peer goes away meanwhile."""
        if self._reader is None:
            raise ConnectionResetError("the session is not open")
        collecting = asyncio.ensure_future(self._module.collect(count))
        waits = {collecting, self._reader}
        try:
            await asyncio.wait(waits, timeout=self._state.patience, return_when=asyncio.FIRST_COMPLETED)
            if collecting.done():
                return collecting.result()
        finally:
            await end_task(collecting)
        self._lost()
        raise BlockAbort(Cause.NO_KEY, f"the module gave fewer than {count} detections in time")

    async def _hear(self) -> bytes:
        async with asyncio.timeout(self._state.patience + SILENCE_SECONDS):
            message = await self._inbox.get()
        if self._inbox.empty():
            self._spoken.clear()
        if message is None:
            self._inbox.put_nowait(None)
            self._spoken.set()
            raise ConnectionResetError("the other end has closed")
        return message

    async def say_flow(self) -> None:
        """Tell the peer whether this end's node wants key, now and whenever that changes."""
        said: bool | None = None
        while True:
            wanted = self._state.wanted.is_set()
            if wanted != said:
                await self._send({"type": "flow", "wanted": wanted})
                said = wanted
            await asyncio.sleep(0.1)

    async def _both_want(self) -> None:
        """Wait for both nodes' wish; the receiver leaves the decision to the transmitter's OPEN."""
        if not self._state.is_transmitter:
            await self._spoken.wait()
            self._lost()
            return
        while not (self._state.wanted.is_set() and self._peer_wants.is_set()):
            self._lost()
            await asyncio.sleep(0.05)

    def _lost(self) -> None:
        if self._reader is not None and self._reader.done():
            raise ConnectionResetError("the other end has closed")

    async def _read(self) -> None:
        try:
            while (frame := await frames.read_frame(self._wire)) is not None:
                if frame.get("type") == "flow":
                    (self._peer_wants.set if frame.get("wanted") is True else self._peer_wants.clear)()
                elif isinstance(body := frame.get("body"), bytes):
                    self._inbox.put_nowait(body)
                    self._spoken.set()
        except (OSError, OutsideError, asyncio.IncompleteReadError):
            pass  # the end of the inbox says it
        finally:
            self._inbox.put_nowait(None)
            self._spoken.set()

    async def _send(self, frame: frames.Frame) -> None:
        await self._wire.write(frames.pack(frame))

    async def close(self) -> None:
        """End the connection; idempotent."""
        self._wire.close()
        if self._reader is not None:
            await end_task(self._reader)


async def end_task(task: asyncio.Future[Any]) -> None:
    """Cancel and wait; unlike suppressing CancelledError this never swallows the caller's own end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
