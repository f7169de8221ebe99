"""Key managers of several sites joined by their real peer servers and clients over mutual TLS."""

import contextlib
import hashlib
from collections import Counter
from pathlib import Path

from qorridor.adapters.peers.client import PeerClient
from qorridor.adapters.peers.masks import PeerMasks
from qorridor.adapters.peers.server import PeerServer
from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.adapters.wire import contexts, http, tls
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Association, Keep
from qorridor.records.keys import KeyBlock
from qorridor.run.key_manager import KeyManager
from qorridor.run.registry import Registry
from qorridor.run.topology import Topology
from tests.support.world import Clock, Entropy

LINKS = {"london-hayes": ("london", "hayes"), "hayes-slough": ("hayes", "slough")}


def block(link, sequence, atoms=65, simulated=True):
    """The block of a link that both ends distil: its bits follow from its name."""
    name = f"{link}/{sequence}".encode()
    key = hashlib.shake_256(name).digest(atoms * 32)
    return KeyBlock(link, hashlib.sha256(name).digest()[:16], sequence, Secret(key), simulated, "1e-10")


class Anybody(Registry):
    """An estate that names everybody everywhere, as an own tunnel end: for tests of other things."""

    def __init__(self):
        super().__init__({})

    def check(self, association):
        """Everybody may."""

    def is_own(self, sae):
        return True


class Keeper:
    """Keeps what it is told in a list."""

    def __init__(self, told):
        self.told = told

    def keep(self, site, body):
        self.told.append((site, body))

    def held(self, site):
        return "".join(body.decode() for sender, body in self.told if sender == site)


class Net:
    """Sites with store, key manager and listener; `break_wire` makes a neighbour unreachable."""

    window = 600.0
    registry, keep = Anybody(), Keep(1000)

    def __init__(self, organisation, folder, links=None):
        self.organisation, self.folder = organisation, Path(folder)
        self.links = links or LINKS
        self.topology = Topology(self.links)
        self.clock, self.ports, self.stores, self.managers = Clock(), {}, {}, {}
        self.events, self.servers, self.clients, self.checkpoints = [], [], {}, []
        self.cut, self.masks, self.starts = set(), {}, Counter()

    def association(self, initiator, target, *path, size=256):
        """What both ends of a path agree on, with the stores that are there now."""
        ends = (self.stores[path[0]].incarnation, self.stores[path[-1]].incarnation)
        return Association(initiator, (target,), size, path, ends)

    def _sites(self):
        return {site for ends in self.links.values() for site in ends}

    async def __aenter__(self):
        for site in self._sites():
            await self.start(site)
        return self

    async def start(self, site):
        """Open store, manager and listener of one site."""
        home = self.folder / site
        self.starts[site] += 1
        self.stores[site] = SqliteStore(home, root_sealer(home / "root.key"), self.clock, site)
        self.clients[site] = {other: self._client(site, other) for other in self._sites() - {site}}
        self.masks[site] = PeerMasks(
            {other: peer.mask for other, peer in self.clients[site].items()},
            self.clock,
            Entropy(f"mask-{site}"),
        )
        self.managers[site] = KeyManager(
            site, self.topology, self.stores[site], self.clients[site], self.clock,
            Entropy(f"{site}/{self.starts[site]}"), keep=dict.fromkeys(self.topology.links_of(site), self.keep),
            window=self.window, registry=self.registry, masks=self.masks[site],
        )  # fmt: skip
        server = PeerServer(
            self.managers[site],
            self.control,
            self.keeper(site),
            self._recorder(site),
            self.masks[site],
        )
        pki = self.organisation.enrol("node", site, "ml-dsa-65")
        context = contexts.mutual_server(pki.credentials("ml-dsa-65"), pki.trust("node"))
        listener = await tls.serve(server.serve, lambda: context, "127.0.0.1", 0, refused=self._refused)
        self.servers.append(listener)
        self.ports[site] = listener.sockets[0].getsockname()[1]

    def keeper(self, site):
        """Who keeps what the neighbours of a site leave."""
        return Keeper(self.checkpoints)

    async def control(self, corridor, sender, frame, group):
        """What answers a roll-over message."""
        return f"{corridor} {sender} {group} ".encode() + frame

    def _recorder(self, site):
        async def record(event):
            self.events.append((site, event))
            with contextlib.suppress(OutsideError):  # a node's notes wait until there is room
                await self.stores[site].write([event])

        return record

    def _refused(self, address, cause):
        self.events.append((address, cause))

    def _client(self, site, other):
        pki = self.organisation.enrol("node", site, "ml-dsa-65")
        context = contexts.mutual_client(pki.credentials("ml-dsa-65"), pki.trust("node"))

        async def dial():
            if {site, other} in self.cut:
                raise ConnectionResetError("the wire is cut")
            return await tls.connect(
                "127.0.0.1", self.ports[other], context, accept=lambda peer: peer.name == other
            )

        return PeerClient(
            other, http.Client(dial, timeout=20), http.Client(dial, timeout=20),
            lambda: self.managers[site].incarnations,
        )  # fmt: skip

    def end(self, site):
        """Kill a node: what was committed is all that is left of it."""
        for other, clients in self.clients.items():
            for client in clients.values() if other == site else [clients[site]] if site in clients else []:
                client.close()
        store = self.stores[site]
        store._writer.close()
        store._db.close()
        store._lock.close()

    def break_wire(self, left, right):
        """Cut what is open and refuse what is dialled between two sites."""
        self.cut = {*map(frozenset, self.cut), frozenset((left, right))}
        self.clients[left][right].close()
        self.clients[right][left].close()

    async def fill(self, atoms=65, sequences=(0, 1), **options):
        """Give both ends of every link the same blocks."""
        for link, ends in self.links.items():
            for sequence in sequences:
                for site in ends:
                    await self.managers[site].ingest(block(link, sequence, atoms, **options))

    async def counts(self):
        """The bit balance of every site."""
        return {site: await store.count() for site, store in self.stores.items()}

    async def __aexit__(self, *_):
        for clients in self.clients.values():
            for client in clients.values():
                client.close()
        for server in self.servers:
            server.close()
        for store in self.stores.values():
            with contextlib.suppress(Exception):
                await store.close()
