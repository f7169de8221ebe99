"""`qorridor node SITE`: the daemon of one site: key management entity, relay, roll-over, journal, links."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qorridor.adapters.encryptors.tls_tunnel import TlsTunnelDriver
from qorridor.adapters.peers.client import PeerClient
from qorridor.adapters.peers.masks import PeerMasks
from qorridor.adapters.peers.server import PeerServer
from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.wire import contexts, http, openssl, tls
from qorridor.adapters.wire.key_exchange import HybridKeyExchange
from qorridor.adapters.wire.signing import NodeSigner, is_signed
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.corridor import CorridorEnd
from qorridor.app.enrolment import enrol, hosts_of
from qorridor.app.estate_file import load
from qorridor.app.node_checkpoints import Checkpoints
from qorridor.app.node_journal import NodeJournal
from qorridor.app.node_links import NodeLink
from qorridor.app.node_notes import Notes, Refusals
from qorridor.app.node_skip import skip_contexts
from qorridor.app.node_stock import stock_kept
from qorridor.app.node_store import open_store, root_key_file
from qorridor.app.node_upkeep import Upkeep
from qorridor.app.run_folder import BOOK, AddressBook, announce, own_port
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.combine.components import Suite
from qorridor.estate.drivers import SimulatorLink, TlsTunnel
from qorridor.estate.model import Estate, trust_domain
from qorridor.ports.key_store import Keep
from qorridor.records.events import Event
from qorridor.run.corridor_state import Limits, limits_of
from qorridor.run.key_manager import KeyManager
from qorridor.run.policy import check_policy, policy_digest, policy_payload
from qorridor.run.registry import Registry, SaeEntry, registry
from qorridor.run.roll_terms import RollTerms
from qorridor.run.topology import Topology

_LOG = logging.getLogger(__name__)
ANNOUNCE_SECONDS = 1.0
SAMPLES_SHOWN = 24
"""Blocks per link that an operator sees: a reference and what came after it."""

Serve = Callable[[tls.Stream], Awaitable[None]]
SaeFace = Callable[[KeyManager, Mapping[str, SaeEntry], Callable[[Event], Awaitable[None]], int], Serve]
"""Makes the listener for SAEs: faces stand above app, so the composition root hands it in."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How one node process was started."""

    site: str
    estate_file: Path
    state: Path
    bind: str
    compatibility: bool = False
    only: str = ""
    """The one corridor to serve; every corridor of the estate when empty."""


def only_corridor(estate: Estate, name: str) -> Estate:
    """The estate with one of its corridors, or with all of them when `name` is empty."""
    return estate.model_copy(update={"corridors": {name: estate.corridor(name)}}) if name else estate


def terms_of(estate: Estate, corridor: str) -> RollTerms:
    """What the estate fixes for a corridor's roll-overs."""
    entry = estate.corridor(corridor)
    payload = policy_payload(estate, entry.flow)
    return RollTerms(
        corridor=corridor, tunnel=entry.flow, path=entry.path,
        saes=(f"{entry.flow}-{entry.path[0]}", f"{entry.flow}-{entry.path[-1]}"),
        suite=Suite(estate.policy.suite), policy_id=f"fallback-{entry.flow}",
        policy_digest=policy_digest(payload),
    )  # fmt: skip


class Node:
    """Everything of one site in one event loop."""

    def __init__(self, settings: NodeSettings, estate: Estate, sae_face: SaeFace, skip_face: SaeFace) -> None:
        self.settings = settings
        self.estate = only_corridor(estate, settings.only)
        self.clock = SystemClock()
        self.entropy = SystemEntropy()
        self._sae_face, self._skip_face = sae_face, skip_face
        self._book = AddressBook(BOOK, self.estate)
        self.topology = Topology.of(estate)
        self.saes = registry(estate)
        self.links: dict[str, NodeLink] = {}
        self.corridors: dict[str, CorridorEnd] = {}
        self._servers: list[asyncio.Server] = []

    # -- parts --------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Open everything, serve until `stop`, close in order."""
        settings = self.settings
        enrolling = enrol(
            settings.state / "pki",
            settings.state / "ticket.json",
            ("ecdsa-p256", "ml-dsa-65"),
            hosts_of(self.estate, settings.site, settings.bind),
        )
        self.pki = await process.unless(stop, enrolling, lambda: None)
        root_key, told = root_key_file(self.estate, settings.state, loopback=settings.bind.startswith("127."))
        journal = Journal(settings.state / "journal", f"{trust_domain(self.estate)}/qorridor/{settings.site}")
        self.store = open_store(settings.state, root_key, self.clock, settings.site, journal.size)
        self.notes = Notes(self.store, settings.site, self.clock)
        self.refusals = Refusals(self.notes, self.clock)
        self.journal = NodeJournal(journal, self.store, self.notes)
        self.checkpoints = Checkpoints(
            settings.state, journal.origin.rpartition("/")[0], self._peer_sites(), self.notes
        )
        self.signer = NodeSigner(settings.state / "state.key")
        self.peers = {site: self._peer(site) for site in self._peer_sites()}
        window = min((limits_of(self.estate, name).window for name in self.estate.corridors), default=600.0)
        keep = {
            link: stock_kept(self.estate, link, settings.site)
            for link in self.topology.links_of(settings.site)
        }
        self._all = {
            site: self.peers.get(site) or self._peer(site) for site in self.topology.sites - {settings.site}
        } | self.peers
        self.masks = PeerMasks(
            {site: peer.mask for site, peer in self._all.items()}, self.clock, self.entropy
        )
        self.manager = KeyManager(
            settings.site, self.topology, self.store, self._all, self.clock, self.entropy,
            keep=keep, window=window, registry=Registry(self.saes), masks=self.masks,
        )  # fmt: skip
        self.manager.is_settled = self.journal.is_compared
        await self._build_corridors()
        self._build_links(keep)
        addresses = await self._listen()
        for event in (Event("self.start", settings.site, {"estate": self.estate.digest}), *told):
            await self.notes.record(event)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(link.run()) for link in self.links.values()]
            tasks += [group.create_task(end.run()) for end in self.corridors.values()]
            upkeep = Upkeep(settings.site, self.manager, self.store, self.notes, self.journal)
            tasks += [group.create_task(work) for work in (upkeep.run(), upkeep.tell(), self.notes.run())]
            tasks += [group.create_task(self._announce(addresses))]
            tasks += [group.create_task(self.journal.run(self.peers))]
            await stop.wait()
            for task in tasks:
                task.cancel()
        await self._close()

    def _peer_sites(self) -> set[str]:
        sites = set(self.topology.neighbours(self.settings.site))
        for corridor in self.estate.corridors.values():
            ends = {corridor.path[0], corridor.path[-1]}
            if self.settings.site in ends:
                sites |= ends - {self.settings.site}
        return sites

    def _peer(self, site: str) -> PeerClient:
        context = contexts.mutual_client(self.pki.credentials("ml-dsa-65"), self.pki.trust("node"))

        async def dial() -> tls.Stream:
            return await tls.connect(
                *self._book.find(f"peer/{site}"),
                context,
                accept=lambda peer: (peer.kind, peer.name) == ("node", site),
            )

        return PeerClient(site, http.Client(dial), http.Client(dial), lambda: self.manager.incarnations)

    async def _build_corridors(self) -> None:
        for name, entry in self.estate.corridors.items():
            site = self.settings.site
            if site not in {entry.path[0], entry.path[-1]}:
                continue
            if not isinstance(self.estate.flows[entry.flow].protected_by, TlsTunnel):
                continue
            self.corridors[name] = await self._corridor(name, limits_of(self.estate, name))

    async def _corridor(self, name: str, limits: Limits) -> CorridorEnd:
        terms = terms_of(self.estate, name)
        site = self.settings.site
        peer = self.peers[terms.other(site)]
        driver = TlsTunnelDriver(Path(f"tunnel-{terms.tunnel}-{site}") / "tunnel.sock")
        return CorridorEnd(
            site, terms, limits, self.manager, self.store, driver, HybridKeyExchange(), self.signer, self.clock,
            self.entropy, control=lambda frame: peer.control(name, frame), group=peer.control_group,
            policy_alarm=await self._policy_alarm(terms.tunnel, limits),
        )  # fmt: skip

    async def _policy_alarm(self, flow: str, limits: Limits) -> str:
        """A policy that allows PQC only is signed by two; without, the corridor stays closed."""
        if limits.fallback == "stop":
            return ""
        try:
            text = Path(f"policy-{flow}.json").read_text()
            approvers = {
                name: bytes.fromhex(key)
                for name, key in json.loads(Path("approvers.json").read_text()).items()
            }
            signed = check_policy(text, policy_payload(self.estate, flow), approvers, is_signed)
        except (OSError, ValueError, PolicyRefusal) as error:
            cause = error.cause if isinstance(error, PolicyRefusal) else "no signed policy"
            await self.notes.record(Event("policy.invalid", flow, {"cause": cause}, severity="P1"))
            return "policy-invalid"
        event = Event(
            "policy.accepted", flow, {"approvers": list(signed.approvers), "digest": signed.digest.hex()}
        )
        await self.notes.record(event)
        return ""

    def _build_links(self, keep: Mapping[str, Keep]) -> None:
        settings = self.settings
        for link in keep:
            drivers = [entry.links.get(link) for entry in self.estate.corridors.values()]
            if not any(isinstance(driver, SimulatorLink) for driver in drivers):
                continue
            arguments = [
                "--estate", str(settings.estate_file), "--state", str(settings.state / f"link-{link}"),
                "--node", str(settings.state / f"link-{link}.sock"), "--bind", settings.bind,
            ]  # fmt: skip
            self.links[link] = NodeLink(
                link, settings.site, settings.state, arguments, self.manager, keep[link], self.notes.record
            )

    # -- listeners ----------------------------------------------------------------------------

    async def _listen(self) -> dict[str, str]:
        pki = self.pki
        traditional, post_quantum = pki.credentials("ecdsa-p256"), pki.credentials("ml-dsa-65")
        cap = max((limits_of(self.estate, name).target for name in self.estate.corridors), default=0)
        saes = self._sae_face(self.manager, self.saes, self.notes.record, cap)
        peers = PeerServer(self.manager, self._control, self.checkpoints, self.notes.record, self.masks)
        wanted = [
            ("kme", contexts.mutual_server(traditional, pki.trust("sae")), saes),
            ("peer", contexts.mutual_server(post_quantum, pki.trust("node")), peers.serve),
            ("operator", contexts.mutual_server(traditional, pki.trust("operator")), self._operator),
        ]
        if self.settings.compatibility:
            compatible = contexts.mutual_server(traditional, pki.trust("sae"), compatibility=True)
            wanted.append(("kme-etsi-compat", compatible, saes))
        skip = self._skip_face(self.manager, self.saes, self.notes.record, cap)
        found = skip_contexts(
            self.saes, self.settings.site, self.settings.state, traditional, pki.trust("sae")
        )
        wanted += [(name, context, skip) for name, context in found]
        return dict([await self._listener(*item) for item in wanted])

    async def _listener(self, name: str, context: contexts.Context, serve: Serve) -> tuple[str, str]:
        settings = self.settings
        label = f"{name}/{settings.site}"
        port = own_port(self.estate, settings.state, label, settings.bind)

        def refused(address: str, cause: str) -> None:
            self.refusals.refused(name, address, cause)

        try:
            server = await tls.serve(serve, lambda: context, settings.bind, port, refused=refused)
        except OSError:
            server = await tls.serve(serve, lambda: context, settings.bind, 0, refused=refused)
        self._servers.append(server)
        host, bound = server.sockets[0].getsockname()[:2]
        return label, f"{host}:{bound}"

    async def _control(self, corridor: str, sender: str, frame: bytes, group: str) -> bytes:
        end = self.corridors.get(corridor)
        if end is None or sender != end.terms.other(self.settings.site):
            raise PolicyRefusal("Q-POLICY-013", f"{sender} is no end of the corridor {corridor[:64]}",
                                "compare the estates of both sites", sender)  # fmt: skip
        if (
            self.store.trouble is not None
        ):  # nothing can be decided here: the epoch in use stays, no key is burnt
            raise self.store.trouble
        return await end.on_control(frame, group)

    # -- operator -----------------------------------------------------------------------------

    async def _operator(self, stream: tls.Stream) -> None:
        async def handle(request: http.Request) -> http.Response:
            if request.method != "GET":
                return http.Response(405)
            if request.path == "/operator/v1/status":
                return http.Response(200, json.dumps(await self.status()).encode())
            if request.path == "/operator/v1/events":
                after = int(request.query.removeprefix("after=") or 0) if request.query[6:].isdigit() else 0
                leaves = await self.store.events_after(after)
                return http.Response(200, json.dumps([json.loads(leaf) for _, leaf in leaves]).encode())
            return http.Response(404)

        await http.serve_requests(stream, handle)

    async def status(self) -> dict[str, object]:
        """A snapshot for people: counts and states, never key material."""
        links = []
        for name, link in self.links.items():
            stock, silence = await self.manager.link_stock(name)
            last = link.status.last
            links.append({
                "link": name, "available": stock.corridors + stock.sold, "blocks": stock.blocks,
                "silence": round(silence, 1) if silence < 1e9 else -1, "released": link.status.released,
                "aborted": link.status.aborted, "abort_cause": link.status.abort_cause,
                "qber": last.get("qber_key"), "secret_key_rate": last.get("secret_key_rate"),
                "length": last.get("l"), "simulated": link.status.simulated, "connected": link.status.is_connected,
                "samples": list(link.status.samples)[-SAMPLES_SHOWN:],
            })  # fmt: skip
        counts = await self.store.count()
        return {
            "site": self.settings.site, "links": links,
            "corridors": [end.status() for end in self.corridors.values()],
            "keys": {name: getattr(counts, name) for name in counts.__slots__},
            "burnt": await self.store.burnt(), "ages": await self.store.ages(), "journal": self.journal.size,
            "alarms": self.notes.status(),
        }  # fmt: skip

    # -- life ---------------------------------------------------------------------------------

    async def _announce(self, addresses: dict[str, str]) -> None:
        for link in self.links.values():
            await link.ready.wait()
        told: dict[str, str] = {}
        while True:  # a restarted link end may have another port
            for link in self.links.values():
                addresses |= link.addresses
            if told != addresses:
                with contextlib.suppress(OutsideError):  # a full disk: told at the next look
                    announce(self.settings.state, addresses)
                    told = dict(addresses)
            await asyncio.sleep(ANNOUNCE_SECONDS)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for peer in self._all.values():
            peer.close()
        self.notes.put(Event("self.stop", self.settings.site))
        await self.notes.drain()
        for last in (self.journal.close, self.store.close):
            try:
                await last()
            except (
                OutsideError
            ) as error:  # a full disk: the events stay in the store, or are lost with the process
                _LOG.warning("at the end: %s", error)


def main(settings: NodeSettings, sae_face: SaeFace, skip_face: SaeFace) -> None:
    """Entry of the process."""
    process.harden()
    missing = openssl.missing_names()
    if missing:
        raise OutsideError("Q-KME-050", f"pyOpenSSL lacks {', '.join(missing)}",
                           "install the versions of requirements.lock")  # fmt: skip
    estate = load(settings.estate_file)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    process.run_until_signalled(Node(settings, estate, sae_face, skip_face).run)
