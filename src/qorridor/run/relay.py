"""Keys over trusted nodes: masked end to end, under a one-time pad and a one-time tag on every hop.

    initiator's end:  mask, digest -> seal first hop
    a node between:   open hop -> seal next hop -> pass on
    target's end:     open hop -> unmask, check the digest -> hold

Source: contract of key agreement, section 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from qorridor.base.canonical import Json, canonical_json
from qorridor.base.errors import KeySupplyError, PolicyRefusal
from qorridor.base.secret import Secret
from qorridor.combine import end_mask
from qorridor.combine.one_time_pad import open_hop, seal_hop
from qorridor.ports.key_store import Association, KeyStore, PadUse, Share
from qorridor.ports.peer_node import EndMasks, Hop, HopKey, PeerNode
from qorridor.records.events import Event
from qorridor.run.agreement import association_bytes, atoms_for
from qorridor.run.incarnations import Incarnations
from qorridor.run.registry import Registry
from qorridor.run.topology import Topology

NOT_HELD = "Q-KEY-023"
TAG_ATOMS = 1
"""A hop's one-time tag key is one atom: r and s of Poly1305."""
_UNKNOWN_MASK = "Q-KEY-031"

ShareOf = Callable[[Association], Share]
"""The share of a link's stock that a supply for this association spends."""


class Relay:
    """The relay of the node at `site`."""

    def __init__(
        self, site: str, topology: Topology, store: KeyStore, peers: Mapping[str, PeerNode], registry: Registry,
        masks: EndMasks, share_of: ShareOf, incarnations: Incarnations,
    ) -> None:  # fmt: skip
        self._site, self._topology, self._store = site, topology, store
        self._peers, self._registry, self._masks, self._share_of = peers, registry, masks, share_of
        self._incarnations = incarnations

    async def begin(self, association: Association, keys: Sequence[tuple[str, Secret]], txid: str) -> bool:
        """Send fresh keys on their way; returns when the last node of the path holds them: whether a pad
        of the path was simulated."""
        far = association.path[-1]
        mask = await self._masks.towards(far)
        hidden: list[tuple[HopKey, Secret]] = []
        for key_id, key in keys:
            place = _place(key_id, association)
            shown = end_mask.digest(mask.secret, place, key.reveal())
            hidden.append((HopKey(key_id, b"", shown), end_mask.masked(mask.secret, place, key.reveal())))
        try:
            return await self._send(association, hidden, txid, mask.mask_id, simulated=False)
        except KeySupplyError as error:
            if error.code == _UNKNOWN_MASK:
                self._masks.forget(far)
            raise
        finally:
            for _, secret in hidden:
                secret.wipe()

    async def _send(
        self, association: Association, keys: Sequence[tuple[HopKey, Secret]], txid: str, mask_id: bytes, *,
        simulated: bool,
    ) -> bool:  # fmt: skip
        """Wrap keys for the next node of the path and pass them on."""
        far = association.path[association.path.index(self._site) + 1]
        link = self._topology.link_between(self._site, far)
        count = len(keys) * atoms_for(association.size_bits) + TAG_ATOMS
        begins = self._site == association.path[0]
        use = PadUse(txid, association.path, promised_to=far if begins else "")
        pad = await self._store.take_pad(link, count, share=self._share_of(association), use=use)
        place, size = pad.allotment, association.size_bits // 8
        with pad.key as material, Secret(b"".join(bytes(key.reveal()) for _, key in keys)) as plain:
            simulated = simulated or place.simulated
            bare = Hop(txid, association, link, place.block_id, place.first, place.count,
                       tuple(key for key, _ in keys), b"", simulated, mask_id)  # fmt: skip
            view = plain.reveal()
            cipher, tag = seal_hop(view, material.reveal()[: len(view) + 32], _header(bare))
        wrapped = tuple(
            HopKey(key.key_id, cipher[n * size : (n + 1) * size], key.digest)
            for n, key in enumerate(bare.keys)
        )
        try:
            further = await self._peers[far].relay(replace(bare, keys=wrapped, tag=tag))
        except KeySupplyError as error:
            if error.code == NOT_HELD:
                await self._give_block_up(link, place.block_id)
            raise
        return simulated or further

    async def _give_block_up(self, link: str, block_id: bytes) -> None:
        """The next node does not hold a block of the common link: nothing of it can be used. The node before
        is told under another code, for its own block is not meant."""
        event = Event("key.sync", block_id.hex(), {"cause": NOT_HELD}, severity="P2")
        await self._store.burn_block(block_id, "key-sync", [event])
        raise KeySupplyError("Q-KEY-029", f"only one end of {link} holds the block that was to be used",
                             "the block is burnt and the key is void; ask again", link)  # fmt: skip

    async def accept(self, hop: Hop, sender: str) -> bool:
        """Take relayed keys from the neighbour `sender`: keep them at the path's end, else pass them on.

        Returns whether a pad was simulated, here or further down the path. Raises KeySupplyError or
        PolicyRefusal and then neither keeps nor passes anything.
        """
        path = hop.association.path
        self._check(hop, sender)
        pad = await self._store.match_pad(
            hop.link, hop.block_id, hop.first, hop.count, use=PadUse(hop.txid, path)
        )
        cipher, size = b"".join(key.cipher for key in hop.keys), hop.association.size_bits // 8
        with pad.key as material:
            plain = Secret(open_hop(cipher, hop.tag, material.reveal()[: len(cipher) + 32], _header(hop)))
        with plain:
            view = plain.reveal()
            keys = [(key, Secret(view[n * size : (n + 1) * size])) for n, key in enumerate(hop.keys)]
        simulated = hop.simulated or pad.allotment.simulated
        try:
            if self._site == path[-1]:
                await self._keep(hop, keys, simulated=simulated)
                return simulated
            return await self._send(hop.association, keys, hop.txid, hop.mask_id, simulated=simulated)
        finally:
            for _, secret in keys:
                secret.wipe()

    def _check(self, hop: Hop, sender: str) -> None:
        path = hop.association.path
        self._topology.check_path(path)
        here = path.index(self._site) if self._site in path else 0
        if here == 0 or path[here - 1] != sender:
            raise PolicyRefusal(
                "Q-POLICY-011", f"{sender} does not stand before {self._site} on the path {'-'.join(path)}",
                "relay along neighbours only", sender,
            )  # fmt: skip
        self._registry.check(hop.association)
        self._incarnations.check(hop.association)
        if {sender, self._site} != set(self._topology.links.get(hop.link, ())):
            raise PolicyRefusal(
                "Q-POLICY-011", f"{sender} is no end of {hop.link}", "relay over a common link", sender
            )
        if hop.count < len(hop.keys) * atoms_for(hop.association.size_bits) + TAG_ATOMS:
            raise KeySupplyError("Q-KEY-023", "the pad of a hop is shorter than its keys and its tag",
                                 "nothing was relayed; both nodes must run the same version", sender)  # fmt: skip

    async def _keep(self, hop: Hop, keys: Sequence[tuple[HopKey, Secret]], *, simulated: bool) -> None:
        """Unmask and check all keys before the first is held."""
        path = hop.association.path
        secret = self._masks.known(path[0], hop.mask_id)
        if secret is None:
            raise KeySupplyError(_UNKNOWN_MASK, f"{self._site} does not know the mask of {path[0]} any more",
                                 "the key is burnt; the next one is masked afresh", path[0])  # fmt: skip
        clear = [(key, self._unmasked(hop, secret, key, hidden)) for key, hidden in keys]
        for key, plain in clear:
            event = Event("key.held", key.key_id, {"path": list[Json](path), "target": hop.association.targets[0],
                                                   "masked": True}, simulated=simulated)  # fmt: skip
            with plain:
                await self._store.hold(
                    hop.association, key.key_id, plain, hop.txid, "target", simulated=simulated, also=[event]
                )

    @staticmethod
    def _unmasked(hop: Hop, secret: Secret, key: HopKey, hidden: Secret) -> Secret:
        place = _place(key.key_id, hop.association)
        plain = end_mask.masked(secret, place, hidden.reveal())
        if not end_mask.agrees(secret, place, plain.reveal(), key.digest):
            plain.wipe()
            raise KeySupplyError(
                "Q-KEY-034", f"a key changed on its way over {', '.join(hop.association.path[1:-1])}",
                "the key is burnt; look at these nodes, one of them does not relay what it was given", key.key_id,
            )  # fmt: skip
        return plain


def _place(key_id: str, association: Association) -> bytes:
    """What mask and digest are bound to: the key's name, its SAEs, size and path."""
    return key_id.encode() + b"\0" + association_bytes(association)


def _header(hop: Hop) -> bytes:
    """What a hop's tag covers beside the wrapped keys."""
    return association_bytes(hop.association) + canonical_json(
        {
            "txid": hop.txid, "keys": [[key.key_id, key.digest.hex()] for key in hop.keys],
            "block": hop.block_id.hex(), "first": hop.first, "count": hop.count, "simulated": hop.simulated,
            "mask": hop.mask_id.hex(),
        }
    )  # fmt: skip
