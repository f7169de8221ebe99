"""Who may ask for keys with whom: foreign encryptors of the estate and our own tunnel ends."""

from __future__ import annotations

from dataclasses import dataclass

from qorridor.estate.model import Estate


@dataclass(frozen=True, slots=True)
class SaeEntry:
    """One secure application entity: its site and the SAEs that it may share keys with."""

    sae_id: str
    site: str
    partners: frozenset[str]


def registry(estate: Estate) -> dict[str, SaeEntry]:
    """Every SAE of the estate; the ends of a tunnel are `<flow>-<site>` and pair with each other only."""
    entries = {
        name: SaeEntry(name, sae.site, frozenset(sae.may_pair_with)) for name, sae in estate.saes.items()
    }
    for name, flow in estate.flows.items():
        near, far = f"{name}-{flow.origin}", f"{name}-{flow.destination}"
        entries[near] = SaeEntry(near, flow.origin, frozenset({far}))
        entries[far] = SaeEntry(far, flow.destination, frozenset({near}))
    return entries
