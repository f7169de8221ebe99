"""One connection between the two ends of a link: meet, then distil block after block.

    meet    each end says which authentication pool it has; a pool that both have goes on at the larger
            index of each direction, less a last refill that only one end made; otherwise both take a new one
            from this connection's TLS exporter
    flow    each end says whether its node wants key; a block starts when both do
    m       messages of the distillation, whose own tags are what its proof relies on

Authentication out of the exporter is computational, resting on certificates (ML-DSA-65) and on ML-KEM, until
the first block has been released: the block record says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qorridor.adapters.devices.simulator import SimulatedModule
from qorridor.adapters.wire import frames
from qorridor.app.link_pool import PoolFiles
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
INBOX = 8
"""Messages that wait to be heard: in a block nobody is more than a few ahead."""
_MOST_COUNT = 1 << 53
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


@dataclass(slots=True)
class LinkState:
    """What one end keeps: settings, counters, and the pool, which outlives its process."""

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
    files: PoolFiles = field(init=False)

    def __post_init__(self) -> None:
        self.files = PoolFiles(self.folder)
        kept = self.files.load(self.role)
        if kept is not None:
            self.pool_id, self.is_computational = kept.pool_id, kept.is_computational
            self.endpoint = self._with_pool(kept.auth)

    @property
    def role(self) -> Role:
        """Which end this is to the pool."""
        return "transmitter" if self.is_transmitter else "receiver"

    def begin(self, auth: Authenticator, pool_id: bytes) -> Endpoint:
        """Go on with a pool that this connection has begun."""
        if self.endpoint is not None:
            self.endpoint.auth.wipe()
        self.pool_id, self.is_computational = pool_id, True
        self.endpoint = self._with_pool(auth)
        return self.endpoint

    def keep(self) -> None:
        """Bring the pool as it is now to disk."""
        if self.endpoint is not None:
            self.files.keep(self.endpoint.auth, self.pool_id, is_computational=self.is_computational)

    def _with_pool(self, auth: Authenticator) -> Endpoint:
        before = self.endpoint
        return Endpoint(
            self.settings, auth, self.entropy, self.clock, software=self.software,
            last_slot=-1 if before is None else before.last_slot, qber=None if before is None else before.qber,
            delay=0.0 if before is None else before.delay,
        )  # fmt: skip

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
            state.files.forget()
        await self._send({
            "type": "meet", "site": state.site, "link": state.settings.names.link, "pool": state.pool_id,
            "generation": mine[0], "down": mine[1], "up": mine[2], "sequence": state.sequence,
            "undo": state.endpoint is not None and state.endpoint.auth.can_undo,
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
        numbers = [frame.get(name) for name in ("sequence", "generation", "down", "up")]
        if not all(type(number) is int and 0 <= number < _MOST_COUNT for number in numbers) or not isinstance(
            frame.get("pool"), bytes
        ):
            raise LinkError(
                "Q-LINK-020", "the other end greets in another form than this version",
                "run the same version at both ends",
            )  # fmt: skip
        return frame

    def _endpoint(self, theirs: frames.Frame, mine: tuple[int, int, int]) -> Endpoint:
        endpoint = self._state.endpoint
        if endpoint is not None and self._share_pool(endpoint.auth, theirs, mine[0]):
            try:
                endpoint.auth.skip_to(int(str(theirs["down"])), int(str(theirs["up"])))
            except BlockAbort:
                pass  # the pool is used up: a new one is bootstrapped below
            else:
                self._state.keep()
                return endpoint
        return self._bootstrap()

    def _share_pool(self, auth: Authenticator, theirs: frames.Frame, generation: int) -> bool:
        """Whether both ends hold the same pool, once who is a refill ahead has taken it back."""
        if not self._state.pool_id or theirs["pool"] != self._state.pool_id:
            return False
        ahead = generation - int(str(theirs["generation"]))
        if ahead == 1 and auth.can_undo:
            auth.undo()
            return True
        return ahead == 0 or (ahead == -1 and theirs.get("undo") is True)

    def _bootstrap(self) -> Endpoint:
        state = self._state
        state.files.forget()
        pool_id = hashlib.sha256(self._wire.exporter(_LABEL + b"-id", 32)).digest()[:16]
        with Secret(self._wire.exporter(_LABEL, bootstrap_size(BOOTSTRAP_TAGS))) as secret:
            endpoint = state.begin(Authenticator(secret, state.role, state.files.note), pool_id)
        state.keep()
        return endpoint

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
            self._state.keep()
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
                sent = await self._module.recall(slots)
                # Told once, whatever becomes of the block and of this process: bases that were told in a
                # block that was given up are no secret any more.
                await self._module.forget(int(slots[-1]) + 1)
                return sent

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
                    while self._inbox.qsize() >= INBOX:  # noqa: ASYNC110 - only a flood waits, at its sender
                        await asyncio.sleep(0.02)
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
