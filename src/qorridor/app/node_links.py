"""The links of a node: one child process per local end, its blocks taken in, its pace set."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qorridor.adapters.wire import frames
from qorridor.app import process
from qorridor.base.canonical import Json
from qorridor.base.errors import QorridorError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Keep
from qorridor.records.events import Event
from qorridor.records.keys import KeyBlock
from qorridor.run.key_manager import KeyManager

PACE_SECONDS = 0.5
WATCH_SECONDS = 4.0
"""A link whose stock is full still makes a block this often: a silent link would hide an eavesdropper."""

Record = Callable[[Event], Awaitable[None]]


@dataclass(slots=True)
class LinkStatus:
    """What a person watches of one link; counts since the node's start."""

    released: int = 0
    aborted: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    abort_cause: str = ""
    is_connected: bool = False
    simulated: bool = True
    samples: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=64))


class NodeLink:
    """One local link end: socket, child process, intake."""

    def __init__(
        self,
        link: str,
        site: str,
        state: Path,
        arguments: list[str],
        manager: KeyManager,
        keep: Keep,
        record: Record,
    ) -> None:
        self.link = link
        self.status = LinkStatus()
        self.addresses: dict[str, str] = {}
        self.ready = asyncio.Event()
        self._site = site
        self._state = state
        self._arguments = arguments
        self._manager = manager
        self._keep = keep
        self._record = record
        self._channel: frames.Channel | None = None
        self._wanted: bool | None = None

    async def run(self) -> None:
        """Serve the child's socket, keep the child alive and set its pace until cancelled."""
        server = await frames.serve_unix(self._state / f"link-{self.link}.sock", self._intake)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_child())
                group.create_task(self._pace())
        finally:
            server.close()

    async def _keep_child(self) -> None:
        backoff = process.Backoff()
        while True:
            try:
                child = await process.start(
                    ["link", "run", self.link, "--site", self._site, *self._arguments], Path.cwd(),
                    self._state / f"link-{self.link}.log",
                )  # fmt: skip
            except OSError as error:  # no room for its words on the disk, or no process left to give
                await self._record(
                    Event("link.process-refused", self.link, {"cause": error.strerror or ""}, severity="P3")
                )
                await asyncio.sleep(backoff.next())
                continue
            try:
                code = await child.wait()
            except asyncio.CancelledError:
                await process.stop(child)
                raise
            await self._record(Event("link.process-ended", self.link, {"code": code}, severity="P3"))
            await asyncio.sleep(backoff.next())

    async def _pace(self) -> None:
        while True:
            await asyncio.sleep(PACE_SECONDS)
            stock, silence = await self._manager.link_stock(self.link)
            keep = self._keep
            is_low = stock.corridors < 0.75 * keep.corridors or stock.sold < 0.75 * keep.sold
            wanted = is_low or silence > WATCH_SECONDS
            channel = self._channel
            if channel is None or wanted == self._wanted:
                continue
            try:
                await channel.send({"type": "flow", "wanted": wanted})
                self._wanted = wanted
            except ConnectionError:
                self._channel = None

    async def _intake(self, channel: frames.Channel) -> None:
        self._channel, self._wanted = channel, None
        self.status.is_connected = True
        try:
            while (frame := await channel.receive()) is not None:
                await self._take(channel, frame)
        finally:
            if self._channel is channel:
                self._channel = None
                self.status.is_connected = False

    async def _take(self, channel: frames.Channel, frame: frames.Frame) -> None:
        match frame:
            case {"type": "hello", "address": str(address)}:
                self.addresses = {f"link/{self.link}/{self._site}": address} if address else {}
                self.ready.set()
            case {"type": "block", "block_id": bytes(block_id), "sequence": int(sequence), "key": bytes(key),
                  "simulated": bool(simulated), "epsilon": str(epsilon), "record": bytes(record)}:  # fmt: skip
                block = KeyBlock(self.link, block_id, sequence, Secret(key), simulated, epsilon, record)
                await self._release(block)
                await channel.send({"type": "ingested", "block_id": block_id})
            case {"type": "aborted", "record": bytes(record)}:
                await self._aborted(json.loads(record))
            case {"type": "refused", "address": str(address), "cause": str(cause)}:
                body: dict[str, Json] = {"listener": f"link {self.link}", "cause": cause}
                await self._record(Event("auth.refused", address, body, severity="P3"))
            case {"type": "sample", "sample": bytes(sample)}:
                self.status.samples.append({"at": time.time(), **json.loads(sample)})

    async def _release(self, block: KeyBlock) -> None:
        self.status.released += 1
        self.status.abort_cause = ""
        self.status.simulated = block.simulated
        self.status.last = json.loads(block.record)
        try:
            await self._manager.ingest(block)
        except QorridorError as error:
            await self._record(
                Event("link.block-refused", self.link, {"code": error.code}, severity="P2", simulated=block.simulated)
            )  # fmt: skip
        finally:
            block.key.wipe()
        await self._record(
            Event("link.block", block.block_id.hex(), {"link": self.link, "record": block.record.decode()},
                  simulated=block.simulated)
        )  # fmt: skip

    async def _aborted(self, record: dict[str, Any]) -> None:
        cause = str(record.get("abort_cause", "unknown"))
        self.status.aborted += 1
        self.status.abort_cause = cause
        self.status.last = record
        await self._record(
            Event("link.abort", self.link, {"cause": cause, "record": json.dumps(record)}, severity="P2",
                  simulated=bool(record.get("simulated", True)))
        )  # fmt: skip
