"""Who may ask for keys with whom: foreign encryptors of the estate and our own tunnel ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qorridor.base.errors import PolicyRefusal
from qorridor.estate.model import Estate
from qorridor.ports.key_store import Association
from qorridor.run.admission import UNLIMITED, Limits


@dataclass(frozen=True, slots=True)
class SaeEntry:
    """One secure application entity: its site and the SAEs that it may share keys with; `tunnel` for the
    end of a tunnel of our own that takes keys for a corridor, whose floor and reserve are kept for it; and
    what it may ask for over time."""

    sae_id: str
    site: str
    partners: frozenset[str]
    tunnel: bool = False
    limits: Limits = UNLIMITED
    speaks: str = "etsi-014"
    system_id: str = ""

    @property
    def system(self) -> str:
        """Its localSystemID in SKIP: its own name unless the estate gives another."""
        return self.system_id or self.sae_id


def registry(estate: Estate) -> dict[str, SaeEntry]:
    """Every SAE of the estate; the ends of a tunnel are `<flow>-<site>` and pair with each other only."""
    entries = {
        name: SaeEntry(
            name, sae.site, frozenset(sae.may_pair_with), limits=Limits(sae.requests, sae.keys),
            speaks=sae.speaks, system_id=sae.system_id,
        )
        for name, sae in estate.saes.items()
    }  # fmt: skip
    takers = {f"{corridor.flow}-{corridor.path[0]}" for corridor in estate.corridors.values()}
    for name, flow in estate.flows.items():
        near, far = f"{name}-{flow.origin}", f"{name}-{flow.destination}"
        entries[near] = SaeEntry(near, flow.origin, frozenset({far}), tunnel=near in takers)
        entries[far] = SaeEntry(far, flow.destination, frozenset({near}), tunnel=far in takers)
    return entries


class Registry:
    """Judges associations by the SAEs that this site's estate names; what a peer says of them is not asked."""

    def __init__(self, entries: Mapping[str, SaeEntry]) -> None:
        self._entries = entries

    def check(self, association: Association) -> None:
        """Raises PolicyRefusal Q-POLICY-018 unless the initiator is an SAE of the path's first site and
        each target one of its last, and the estate lets them share keys."""
        initiator = self._entries.get(association.initiator)
        if initiator is None or initiator.site != association.path[0]:
            raise _refusal(association.initiator, association.path[0])
        for name in association.targets:
            target = self._entries.get(name)
            if target is None or target.site != association.path[-1]:
                raise _refusal(name, association.path[-1])
            if name not in initiator.partners:
                raise PolicyRefusal(
                    "Q-POLICY-018", f"{association.initiator} may not share keys with {name}",
                    "name the pair in the estate's [sae] table at every site of the path", association.initiator,
                )  # fmt: skip

    def is_own(self, sae: str) -> bool:
        """Whether an SAE takes keys for one of our corridors."""
        entry = self._entries.get(sae)
        return entry is not None and entry.tunnel


def _refusal(sae: str, site: str) -> PolicyRefusal:
    return PolicyRefusal(
        "Q-POLICY-018", f"{sae} is no SAE of {site} in the estate of this site",
        "compare the [sae] tables and flows of all sites of the path", sae,
    )  # fmt: skip
