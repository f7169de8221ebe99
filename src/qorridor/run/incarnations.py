"""Which store each other node works on, as it says with every message (contract of key agreement, section 6).

A store that was made anew or restored has another incarnation. What this node shares with the one before
is worth nothing any more: it may have been spent there, or is not there at all.
"""

from __future__ import annotations

from qorridor.base.errors import KeySupplyError
from qorridor.ports.key_store import Association, KeyStore
from qorridor.ports.peer_node import PeerNode
from qorridor.records.events import Event
from qorridor.run.topology import Topology


class Incarnations:
    """The incarnations that the node at `site` knows, its own first."""

    def __init__(self, site: str, topology: Topology, store: KeyStore) -> None:
        self._site, self._topology, self._store = site, topology, store
        self._known: dict[str, str] = {}

    @property
    def own(self) -> str:
        """Of this node's store, at present."""
        return self._store.incarnation

    async def meet(self, site: str, incarnation: str) -> None:
        """A message of `site` came from this incarnation; burns what was shared with another one."""
        if self._known.get(site) == incarnation:
            return
        links = [link for link, ends in self._topology.links.items() if {site, self._site} == set(ends)]
        event = Event("key.peer-restored", site, {"incarnation": incarnation}, severity="P2")
        await self._store.meet(site, incarnation, links, [event])
        self._known[site] = incarnation

    async def of_ends(self, path: tuple[str, ...], far: PeerNode | None) -> tuple[str, ...]:
        """Of both ends of a path that begins here; the far end is asked when it was never heard of. Raises
        OutsideError when it cannot be reached then."""
        if far is None:
            return ()
        known = self._known.get(path[-1]) or await self._store.met(path[-1])
        if not known:
            await far.hello()
            known = self._known[path[-1]]
        return self.own, known

    def check(self, association: Association) -> None:
        """Raises KeySupplyError Q-KEY-036 unless the association is one of the stores that are at its ends now."""
        path, named = association.path, association.incarnations
        if len(named) != 2:
            raise _stale(path[0], "names no incarnations")
        if path[-1] == self._site and named[1] != self.own:
            raise _stale(path[-1], "means a store that is not here any more")
        if self._known.get(path[0], named[0]) != named[0]:
            raise _stale(path[0], "comes from a store that is not there any more")


def _stale(site: str, why: str) -> KeySupplyError:
    return KeySupplyError(
        "Q-KEY-036", f"a key between two nodes {why}: the store of {site} was made anew or restored",
        "nothing was bound; what the two nodes shared before is burnt, ask again for a fresh key", site,
    )  # fmt: skip
