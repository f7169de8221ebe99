"""The key management entity of one node: supply and collection of keys, agreement with neighbours, relay.

    initiator's end:  reserve -> bind or relay (run.relay) -> ready -> deliver
    target's end:     bind or hold -> deliver

On doubt a key is burnt at both ends (contract of key agreement, sections 5 and 10). No input or
output here: the store and the neighbours are ports.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from qorridor.base import names
from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Allotment, Association, Keep, KeyStore, LinkStock, Owed, Share
from qorridor.ports.peer_node import EndMasks, Hop, PathSupply, PeerNode
from qorridor.ports.rolls import Row
from qorridor.ports.world import Clock, Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey, KeyBlock
from qorridor.run.agreement import ATOM_BYTES, atoms_for, owner
from qorridor.run.incarnations import Incarnations
from qorridor.run.registry import Registry
from qorridor.run.relay import NOT_HELD, TAG_ATOMS, Relay
from qorridor.run.supply_meter import SupplyMeter
from qorridor.run.topology import Topology

_LOG = logging.getLogger(__name__)
_ENDS_DIFFER = "Q-KEY-025"
UNFINISHED_SECONDS = 60.0
"""No request lasts so long: whoever began it was cancelled."""


class KeyManager:
    """KMA and KSA (ITU-T Y.3803) of the node at `site`."""

    def __init__(
        self, site: str, topology: Topology, store: KeyStore, peers: Mapping[str, PeerNode], clock: Clock,
        entropy: Entropy, *, keep: Mapping[str, Keep], window: float, registry: Registry, masks: EndMasks,
    ) -> None:  # fmt: skip
        """`keep`: what is kept of each link at this end."""
        self.site = site
        self._registry = registry
        self.topology = topology
        self.store = store
        self._peers = peers
        self._clock = clock
        self._entropy = entropy
        self._keep = keep
        self._meters = {link: SupplyMeter(window) for link in topology.links_of(site)}
        self.is_settled: Callable[[], bool] = lambda: True
        """False while it is not known yet whether the store is an old copy of itself: no key leaves it."""
        self.incarnations = Incarnations(site, topology, store)
        self._relay = Relay(site, topology, store, peers, registry, masks, self._share_of, self.incarnations)

    # -- blocks from the links ----------------------------------------------------------------

    async def ingest(self, block: KeyBlock) -> None:
        """Take in a distilled block; both ends keep the same first atoms of it."""
        owned = owner(self.topology.links[block.link], block.sequence) == self.site
        keep = self._keep[block.link]
        event = Event(
            "key.ingested", block.block_id.hex(),
            {"link": block.link, "sequence": block.sequence, "bits": len(block.key) * 8, "epsilon": block.epsilon,
             "owned": owned},
            simulated=block.simulated,
        )  # fmt: skip
        await self.store.ingest(block, owned=owned, keep=keep, also=[event])
        atoms = min(len(block.key) // ATOM_BYTES, keep.atoms) - 1
        self._meters[block.link].add(self._clock.monotonic(), atoms if owned else 0)

    async def link_stock(self, link: str) -> tuple[LinkStock, float]:
        """What lies in store for a link, and the seconds since its last block."""
        return await self.store.stock(link), self._meters[link].silence(self._clock.monotonic())

    # -- supply (initiator's end) -------------------------------------------------------------

    async def supply(
        self, initiator: str, target: str, target_site: str, count: int, size_bits: int,
        also: Sequence[Row] = (), path: tuple[str, ...] = (),
    ) -> list[DeliveredKey]:  # fmt: skip
        """`count` fresh keys for `initiator`, held for `target` at its site; all or none.

        Raises PolicyRefusal for SAEs that the estate does not let share keys, KeySupplyError when the
        path cannot give them now; what was begun is burnt.
        """
        path = path or self.topology.path(self.site, target_site)
        association = Association(initiator, (target,), size_bits, path)
        self._registry.check(association)
        self._require_settled()
        ends = await self.incarnations.of_ends(path, self._peers[path[-1]] if len(path) > 1 else None)
        association = replace(association, incarnations=ends)
        txid = names.key_id_text(self._entropy.draw(16))
        try:
            key_ids = await self._agree(association, count, txid)
            await self.store.ready(txid)
            events = [_delivered(key_id, initiator, association) for key_id in key_ids]
            return await self.store.deliver(key_ids, initiator, as_initiator=True, also=[*events, *also])
        except QorridorError as error:
            await self._give_up(txid, error.code)
            raise

    def _require_settled(self) -> None:
        if not self.is_settled():
            raise KeySupplyError(
                "Q-KEY-035", f"{self.site} has just started and compares its records with its neighbours' first",
                "ask again in a moment; without any neighbour it takes half a minute", self.site,
            )  # fmt: skip

    async def _agree(self, association: Association, count: int, txid: str) -> list[str]:
        path = association.path
        if len(path) == 1:
            return await self._make(association, count, txid, here=True)
        if len(path) == 2:
            return await self._bind(association, count, txid)
        return await self._make(association, count, txid, here=False)

    async def _bind(self, association: Association, count: int, txid: str) -> list[str]:
        far = association.path[1]
        link = self.topology.link_between(self.site, far)
        share = self._share_of(association)
        allotments = await self.store.reserve(link, association, count, txid, share=share)
        try:
            await self._peers[far].bind(link, association, allotments, txid)
        except KeySupplyError as error:
            if error.code in {
                _ENDS_DIFFER,
                NOT_HELD,
            }:  # nothing of a block that only one end holds can be used
                await self._burn_blocks(allotments, error.code)
            raise
        return [allotment.key_id for allotment in allotments]

    def _share_of(self, association: Association) -> Share:
        """Other SAEs never spend a corridor's floor and reserve, nor a corridor what they may ask for."""
        return Share.CORRIDORS if self._registry.is_own(association.initiator) else Share.SOLD

    async def _burn_blocks(self, allotments: Sequence[Allotment], cause: str) -> None:
        """Give up whole blocks: where one key differs at the two ends, none of the block is trusted."""
        for block_id in {item.block_id for item in allotments}:
            event = Event("key.sync", block_id.hex(), {"cause": cause}, severity="P2")
            await self.store.burn_block(block_id, "key-sync", [event])

    async def _make(self, association: Association, count: int, txid: str, *, here: bool) -> list[str]:
        """Fresh random keys: kept at both ends of this site, or relayed to the far one."""
        keys = [
            (
                names.key_id_text(self._entropy.draw(16)),
                Secret(self._entropy.draw(association.size_bits // 8)),
            )
            for _ in range(count)
        ]
        simulated = False if here else await self._relay.begin(association, keys, txid)
        for key_id, key in keys:
            await self.store.hold(association, key_id, key, txid, "initiator", simulated=simulated)
            if here:
                await self.store.hold(association, key_id, key, txid, "target", simulated=simulated)
            key.wipe()
        return [key_id for key_id, _ in keys]

    async def _give_up(self, txid: str, cause: str) -> None:
        event = Event("key.void", txid, {"cause": cause}, severity="P4")
        peer = await self.store.abandon(txid, cause, [event])
        if peer:
            await self._tell(Owed(txid, peer, cause))

    async def _tell(self, owed: Owed) -> bool:
        """Let a peer know that a transaction is given up; False when it could not be reached."""
        peer = self._peers.get(owed.peer)
        if peer is None:  # the estate has lost it: its own lifetimes end what it holds
            _LOG.warning(
                "nobody can tell %s that %s is given up: it is no node any more", owed.peer, owed.txid
            )
            await self.store.settle(owed.txid)
            return True
        try:
            await peer.void(owed.txid, owed.cause)
        except OutsideError:
            return False  # the store remembers it
        except KeySupplyError as refusal:  # it will say the same for ever, and its own lifetimes end it
            _LOG.warning("%s does not void %s: %s", owed.peer, owed.txid, refusal.cause)
        await self.store.settle(owed.txid)
        return True

    async def tell_peers(self) -> None:
        """Give up what nobody finished, and tell each peer what it has not heard yet, as far as it answers."""
        for txid in await self.store.unfinished(UNFINISHED_SECONDS):
            await self._give_up(txid, "unfinished")
        silent: set[str] = set()
        for owed in await self.store.owed():
            if owed.peer not in silent and not await self._tell(owed):
                silent.add(owed.peer)

    async def accept_hop(self, hop: Hop, sender: str) -> bool:
        """Take relayed keys from the neighbour `sender` (run.relay); whether a pad was simulated."""
        self._require_settled()  # an old copy of this node would use pads again
        return await self._relay.accept(hop, sender)

    # -- agreement (other end) ----------------------------------------------------------------

    async def accept_bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str, sender: str
    ) -> None:
        """Bind keys of a common link that the neighbour `sender` has reserved."""
        if set(self.topology.links.get(link, ())) != {sender, self.site} or association.path != (
            sender,
            self.site,
        ):
            raise PolicyRefusal(
                "Q-POLICY-011",
                f"{sender} may not bind keys of {link} here",
                "bind keys of a common link",
                sender,
            )
        self._require_settled()
        self._registry.check(association)
        self.incarnations.check(association)
        events = [
            Event("key.bound", item.key_id, {"link": link, "target": association.targets[0]})
            for item in allotments
        ]
        try:
            await self.store.bind(link, association, allotments, txid, also=events)
        except KeySupplyError as error:
            if error.code == _ENDS_DIFFER:
                differing = [item for item in allotments if item.key_id == error.where]
                await self._burn_blocks(differing, error.code)
            raise

    async def accept_void(self, txid: str, cause: str, sender: str) -> None:
        """Burn what a transaction left here and further down its path, when `sender` stands before this
        node on it; of one that has not arrived nothing is taken when it does."""
        path = await self.store.path_of(txid) or (sender, self.site)
        here = path.index(self.site)
        if sender not in path[:here]:
            raise PolicyRefusal(
                "Q-POLICY-011", f"{sender} does not stand before {self.site} on the path of the transaction",
                "only a node that took part may void a transaction", sender,
            )  # fmt: skip
        await self.store.void(txid, cause, [Event("key.void", txid, {"cause": cause}, severity="P4")])
        if here + 1 < len(path) and path[here + 1] in self._peers:
            await self._peers[path[here + 1]].void(txid, cause)

    # -- collection (target's end) ------------------------------------------------------------

    async def collect(
        self, target: str, initiator: str, key_ids: Sequence[str], also: Sequence[Row] = ()
    ) -> list[DeliveredKey]:
        """Keys that `initiator` has asked for, handed to `target` once; all or none."""
        self._require_settled()
        events = [
            Event("key.collected", key_id, {"target": target, "initiator": initiator}) for key_id in key_ids
        ]
        return await self.store.deliver(
            key_ids, target, as_initiator=False, partner=initiator, also=[*events, *also]
        )

    # -- what is left -------------------------------------------------------------------------

    async def path_supply(
        self, path: tuple[str, ...], size_bits: int, *, relayed: bool, sold: bool = False
    ) -> PathSupply:
        """What a path from this node on can still give: the driest of its links decides; with `sold`,
        what it gives to SAEs, which spend a share of their own."""
        if len(path) < 2:
            return PathSupply(1_000_000, 1e9, 0.0)
        link = self.topology.link_between(path[0], path[1])
        cost = atoms_for(size_bits) + (TAG_ATOMS if relayed else 0)
        stock = await self.store.stock(link, cost)
        meter, now = self._meters[link], self._clock.monotonic()
        own = PathSupply(
            (stock.sold if sold else stock.corridors) // cost, meter.rate(now) / cost, meter.silence(now)
        )
        if len(path) == 2:
            return own
        rest = await self._peers[path[1]].supply(path[1:], size_bits, sold=sold)
        return PathSupply(
            min(own.left, rest.left), min(own.fresh, rest.fresh), max(own.silence, rest.silence)
        )

    async def accept_supply(
        self, path: tuple[str, ...], size_bits: int, sender: str, *, sold: bool
    ) -> PathSupply:
        """The same for a neighbour whose path goes on here; raises PolicyRefusal or KeySupplyError for
        a path that does not."""
        if path[0] != self.site or sender in path:
            raise PolicyRefusal(
                "Q-POLICY-011", f"the path {'-'.join(path)} does not go on from {sender} at {self.site}",
                "ask the neighbour that comes next on the path", sender,
            )  # fmt: skip
        self.topology.check_path((sender, *path))
        return await self.path_supply(path, size_bits, relayed=True, sold=sold)

    async def expire(self) -> None:
        """Burn keys whose time is over at this end."""
        await self.store.expire([Event("key.expired", self.site, severity="P4")])


def _delivered(key_id: str, sae: str, association: Association) -> Event:
    return Event(
        "key.delivered", key_id,
        {"sae": sae, "target": association.targets[0], "path": list[Json](association.path),
         "size_bits": association.size_bits},
    )  # fmt: skip
