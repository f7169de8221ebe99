"""How much key a link keeps, and how much of it only the corridors may spend."""

from __future__ import annotations

from qorridor.estate.model import Corridor, Estate
from qorridor.run.agreement import atoms_for
from qorridor.run.corridor_state import limits_of

SOLD_KEYS = 32
"""Keys that a link keeps beside its corridors' own, when the estate names SAEs that may ask for some."""


def keys_kept(estate: Estate, link: str) -> int:
    """Atoms that a link keeps in stock: what the corridors over it need, what SAEs may ask for, and the
    internal one."""
    needed = [
        limits_of(estate, name).target * _atoms_per_key(corridor)
        for name, corridor in estate.corridors.items()
        if link in estate.link_names(name)
    ]
    return 1 + sum(needed) + (SOLD_KEYS * (atoms_for(256) + 1) if estate.saes else 0)


def held_back(estate: Estate, link: str, site: str) -> int:
    """Atoms of a link's stock at `site` that only the corridors may spend: their floors and reserves.

    A corridor spends the stock of the end that stands nearer to its initiator, and of no other.
    """
    atoms = 0
    for name, corridor in estate.corridors.items():
        for used, (near, _) in zip(estate.link_names(name), corridor.hops, strict=True):
            if (used, near) == (link, site):
                limits = limits_of(estate, name)
                atoms += (limits.floor + limits.reserve) * _atoms_per_key(corridor)
    return atoms


def _atoms_per_key(corridor: Corridor) -> int:
    return atoms_for(256) + (len(corridor.path) > 2)
