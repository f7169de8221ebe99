"""How much key a link keeps at each of its ends, and for whom."""

from __future__ import annotations

from qorridor.estate.model import Corridor, Estate
from qorridor.ports.key_store import Keep
from qorridor.run.agreement import atoms_for
from qorridor.run.corridor_state import limits_of

SOLD_KEYS = 32
"""Keys that a link keeps beside its corridors' own, when the estate names SAEs that may ask for some."""


def stock_kept(estate: Estate, link: str, site: str) -> Keep:
    """What a link keeps at `site`: as many atoms as at its other end, the same blocks having to lie there.

    A corridor spends the stock of the end that stands nearer to its initiator, and of no other: what the
    corridors of the other end need is the SAEs' here.
    """
    here = there = 0
    for name, corridor in estate.corridors.items():
        for used, (near, _) in zip(estate.link_names(name), corridor.hops, strict=True):
            if used == link:
                atoms = limits_of(estate, name).target * _atoms_per_key(corridor)
                here, there = (here + atoms, there) if near == site else (here, there + atoms)
    return Keep(here, there + (SOLD_KEYS * (atoms_for(256) + 1) if estate.saes else 0))


def _atoms_per_key(corridor: Corridor) -> int:
    return atoms_for(256) + (len(corridor.path) > 2)
