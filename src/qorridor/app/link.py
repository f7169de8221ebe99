"""`qorridor link run LINK --site SITE`: one end of a QKD link, child of its site's node.

    node <--link-LINK.sock--> this process <--mutual TLS--> the other end's process
                                   |
                              its half of the QKD module (optics process for a simulated link)

To the node: hello, block (then waits for ingested), aborted, sample, refused. From the node: ingested, flow.
The fibre's first site is the transmitter and listens; the other dials. After an aborted block the ends
connect afresh, so that no message of the old block reaches the next one.

Every block yields the length that was fixed beforehand from what the link model expects, or none
(`link_model.promised`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from qorridor.adapters.devices.simulator import SimulatedModule
from qorridor.adapters.wire import contexts, frames, tls
from qorridor.adapters.wire.certificates import Algorithm
from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.enrolment import Pki, enrol, hosts_of
from qorridor.app.estate_file import load
from qorridor.app.kernels import keep_kernels
from qorridor.app.link_model import link_settings, patience
from qorridor.app.link_session import LinkSession, LinkState, Wire, end_task
from qorridor.app.run_folder import BOOK, AddressBook, announce, own_port
from qorridor.base.canonical import canonical_json
from qorridor.base.errors import LinkError, OutsideError
from qorridor.base.names import Identity
from qorridor.distill import warm
from qorridor.distill.block import Outcome

_LOG = logging.getLogger(__name__)
RETRY_SECONDS = 0.3
INGEST_SECONDS = 30.0
CLOSE_SECONDS = 3.0
MONITOR_SECONDS = 2.0
"""A module that shows its monitors later than this shows nothing in this block's sample."""
_ALGORITHM: Algorithm = "ml-dsa-65"


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How one link process was started."""

    link: str
    site: str
    estate_file: Path
    state: Path
    node: Path
    bind: str
    n_key: int | None = None
    """Detections of the key basis in a block; None as `plan` has it."""

    @property
    def name(self) -> str:
        """Name of this end in the address book."""
        return f"link/{self.link}/{self.site}"

    @property
    def optics(self) -> Path:
        """State folder of the optics process of a simulated link."""
        return Path(f"optics-{self.link}")


class NodeGate:
    """The link end's side of the node's socket."""

    def __init__(self, channel: frames.Channel, wanted: asyncio.Event) -> None:
        self._channel, self._wanted = channel, wanted
        self._ingested: asyncio.Queue[bytes] = asyncio.Queue()
        wanted.set()

    async def hello(self, options: LinkOptions, address: str) -> None:
        """Say who this is and where the other end may dial, empty for the end that dials."""
        await self._channel.send(
            {"type": "hello", "link": options.link, "site": options.site, "address": address}
        )

    async def listen(self) -> None:
        """Take the node's frames until it ends."""
        while (frame := await self._channel.receive()) is not None:
            if frame.get("type") == "ingested" and isinstance(block_id := frame.get("block_id"), bytes):
                self._ingested.put_nowait(block_id)
            elif frame.get("type") == "flow":
                (self._wanted.set if frame.get("wanted") is True else self._wanted.clear)()

    async def deliver(self, outcome: Outcome) -> None:
        """Hand over what became of a block; a released one counts when the node has ingested it."""
        record = canonical_json(outcome.record)
        if outcome.key is None:
            await self._channel.send({"type": "aborted", "record": record})
            return
        simulated = outcome.record["simulated"] is True
        await self._channel.send({
            "type": "block", "block_id": outcome.block_id, "sequence": outcome.sequence,
            "key": bytes(outcome.key.reveal()), "simulated": simulated, "epsilon": outcome.epsilon,
            "record": record,
        })  # fmt: skip
        outcome.key.wipe()
        async with asyncio.timeout(INGEST_SECONDS):
            while await self._ingested.get() != outcome.block_id:
                pass

    async def sample(self, outcome: Outcome, monitors: dict[str, Any] | None) -> None:
        """Telemetry of the last block for people who watch, with what this end's monitors showed."""
        names = (
            "sequence", "state", "qber_key", "l", "net_bits", "f_ec", "secret_key_rate", "detections",
            "abort_cause", "n", "m", "p", "simulated", "ended",
        )  # fmt: skip
        sample = {name: outcome.record.get(name) for name in names} | {"monitors": monitors}
        await self._channel.send({"type": "sample", "sample": json.dumps(sample).encode()})

    async def refused(self, address: str, cause: str) -> None:
        """Tell of somebody who was not let in, for the node's journal."""
        await self._channel.send({"type": "refused", "address": address, "cause": cause[:200]})

    async def close(self) -> None:
        """Close the socket."""
        await self._channel.close()


class LinkEnd:
    """Everything of one link end in one event loop."""

    def __init__(self, options: LinkOptions) -> None:
        self.options = options
        self._clock = SystemClock()
        self._estate = estate = load(options.estate_file)
        settings = link_settings(estate, options.link, options.n_key)
        self.state = LinkState(
            settings, options.site, options.state, SystemEntropy(), self._clock, _software(),
            sequence=_read_sequence(options.state), patience=patience(estate, options.link, options.n_key),
        )  # fmt: skip
        self._connections: asyncio.Queue[tls.Stream] = asyncio.Queue()
        self._refusals: asyncio.Queue[tuple[str, str]] = asyncio.Queue(64)
        self._since = self._clock.monotonic()
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Enrol, meet node and peer, distil until `stop` or until the node is gone."""
        options = self.options
        warming = asyncio.create_task(_warm_up())
        enrolling = enrol(
            options.state / "pki",
            options.state / "ticket.json",
            (_ALGORITHM,),
            hosts_of(self._estate, options.site, options.bind),
        )
        pki = await process.unless(stop, enrolling, lambda: None)
        server, address = await self._listen(pki)
        self._gate = NodeGate(await _dial_node(options.node), self.state.wanted)
        await self._gate.hello(options, address)
        announce(options.state, {options.name: address} if address else {})
        tasks = [
            asyncio.create_task(self._gate.listen()),
            asyncio.create_task(self._tell_refusals()),
            asyncio.create_task(self._serve_link(pki, warming)),
            asyncio.create_task(_waits(stop)),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        if server is not None:
            server.close()
        await self._gate.close()
        for task in done:
            task.result()

    async def _listen(self, pki: Pki) -> tuple[asyncio.Server | None, str]:
        if not self.state.is_transmitter:
            return None, ""
        context = contexts.mutual_server(pki.credentials(_ALGORITHM), pki.trust("link"))

        def refused(address: str, cause: str) -> None:
            with contextlib.suppress(asyncio.QueueFull):  # the first of a flood are enough to know of it
                self._refusals.put_nowait((address, cause))

        async def accept(stream: tls.Stream) -> None:
            identity = stream.peer.identity
            if not self._is_peer(identity):
                refused(stream.peer.address, f"{identity.uri} is not the other end of this link")
                return
            self._connections.put_nowait(stream)
            await stream.closed()

        port = own_port(self._estate, self.options.state, self.options.name, self.options.bind)
        server = await tls.serve(accept, lambda: context, self.options.bind, port, refused=refused)
        host, bound = server.sockets[0].getsockname()[:2]
        return server, f"{host}:{bound}"

    async def _tell_refusals(self) -> None:
        while True:
            await self._gate.refused(*await self._refusals.get())

    def _is_peer(self, identity: Identity) -> bool:
        return (identity.kind, identity.name) == ("link", f"{self.options.link}/{self.state.peer_site}")

    async def _serve_link(self, pki: Pki, warming: asyncio.Task[None]) -> None:
        """Connect, distil until something ends the connection, connect again; with every loop compiled."""
        await warming
        context = contexts.mutual_client(pki.credentials(_ALGORITHM), pki.trust("link"))
        while True:
            async with contextlib.AsyncExitStack() as opened:
                try:
                    # The module first: a peer is not kept waiting for what this end does not have.
                    module = await self._module()
                    opened.push_async_callback(module.close)
                    stream = await self._connection(context)
                    opened.callback(stream.close)
                    await self.distil(stream, module)
                except (OSError, TimeoutError, OutsideError, LinkError) as error:
                    self._log_once(f"{type(error).__name__}: {error}")
                    await asyncio.sleep(RETRY_SECONDS)

    def _log_once(self, trouble: str) -> None:
        """Trouble that lasts is one line in the log, not one for each try."""
        if trouble != self._trouble:
            self._trouble = trouble
            _LOG.warning("the link is tried again: %s", trouble)

    async def _connection(self, context: contexts.Context) -> tls.Stream:
        if self.state.is_transmitter:
            stream = await self._connections.get()
            while not self._connections.empty():  # a peer that came again has left its older connections
                stream.close()
                stream = self._connections.get_nowait()
            return stream
        host, port = AddressBook(BOOK, self._estate).find(f"link/{self.options.link}/{self.state.peer_site}")
        return await tls.connect(host, port, context, accept=self._is_peer)

    async def _module(self) -> SimulatedModule:
        end = "transmitter" if self.state.is_transmitter else "receiver"
        return await SimulatedModule.dial(self.options.optics, end)

    async def distil(self, wire: Wire, module: SimulatedModule) -> None:
        """Blocks over one connection; returns after an aborted one."""
        session = LinkSession(self.state, wire, module)
        flow: asyncio.Task[None] | None = None
        try:
            endpoint = await session.open()
            flow = asyncio.create_task(session.say_flow())
            while True:
                outcome = await session.block(endpoint)
                await self._deliver(outcome)
                if not outcome.released:
                    return
        finally:
            if flow is not None:
                await end_task(flow)
            await session.close()

    async def _deliver(self, outcome: Outcome) -> None:
        now = self._clock.monotonic()
        elapsed, self._since = max(1e-3, now - self._since), now
        outcome.record["secret_key_rate"] = max(0, round(int(str(outcome.record["net_bits"])) / elapsed))
        if outcome.released:
            write_atomically(self.options.state / "sequence", str(self.state.sequence))
        await self._gate.deliver(outcome)
        await self._gate.sample(outcome, await self._monitors())

    async def _monitors(self) -> dict[str, Any] | None:
        """What the monitors show, over a connection of its own: the module may still owe detections on the
        other one. None where the module tells nothing."""
        with contextlib.suppress(OSError, OutsideError, LinkError, TimeoutError):
            async with asyncio.timeout(MONITOR_SECONDS):
                module = await self._module()
                try:
                    return await module.monitored()
                finally:
                    await module.close()
        return None


async def _dial_node(path: Path) -> frames.Channel:
    for _ in range(100):
        with contextlib.suppress(OutsideError):
            return await frames.dial_unix(path)
        await asyncio.sleep(0.1)
    return await frames.dial_unix(path)


async def _warm_up() -> None:
    """Compile beside enrolment and greetings; a stop waits for one stage at most."""
    for stage in warm.STAGES:
        await asyncio.to_thread(stage)


async def _waits(stop: asyncio.Event) -> None:
    await stop.wait()


def _read_sequence(state: Path) -> int:
    try:
        return int((state / "sequence").read_text())
    except (OSError, ValueError):
        return 0


def _software() -> str:
    try:
        return f"qorridor {metadata.version('qorridor')}"
    except metadata.PackageNotFoundError:
        return "qorridor"


def main(options: LinkOptions) -> None:
    """Entry of the process; it ends with its node."""
    process.harden()
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_kernels(options.state)
    process.run_until_signalled(LinkEnd(options).run)
