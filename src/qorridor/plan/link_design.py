"""What a link of this product is set to for its own fibre: source, basis share, size of a block, engine.

One function for `plan`, which promises, and for both ends and both modules of a link in `run`, which keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from qorridor.distill.finite_key import Security
from qorridor.estate.drivers import LinkSource
from qorridor.photonics.parameters import LinkParameters
from qorridor.plan.finite_blocks import N_KEY, FiniteRate, security_for
from qorridor.plan.link_optimum import Block, face_value, optimise

SIZES = (N_KEY, 10 * N_KEY)
"""Detections of a block: the second where the first yields no key. Still larger ones take hours to fill."""


@dataclass(frozen=True, slots=True)
class Design:
    """The link with its source as set, the proof, and what blocks yield with the margins of a length fixed
    beforehand; without a rate none yields key, and the source is the preset's."""

    link: LinkParameters
    security: Security
    n_key: int
    rate: FiniteRate | None


@lru_cache(maxsize=512)  # an estate has many fibres of the same kind, and the search takes a while
def design(link: LinkParameters, source: LinkSource = "optimised", n_key: int | None = None) -> Design:
    """The source `optimised` for the loss of this link, or that of its preset, in blocks of `n_key` detections of
    the key basis (1e3 to 1e8; None: the first of SIZES that yields key).

    Deterministic and rounded, so that everybody who computes it arrives at identical numbers. LinkError
    Q-LINK-016 where no proof is for the preset's number of intensities.
    """
    security = security_for(link)
    for size in SIZES if n_key is None else (n_key,):
        found = _in_blocks(link, source, Block(size=size), security)
        if found.rate is not None:
            return found
    return Design(link, security, n_key or N_KEY, None)


def _in_blocks(link: LinkParameters, source: LinkSource, block: Block, security: Security) -> Design:
    best = optimise(link, block, security, margins=True) if source == "optimised" else None
    if best is not None and best.rate is not None:
        return Design(best.link, security, best.rate.n_key, best.rate)
    rate = face_value(link, block, security, margins=True)
    return Design(link, security, block.size or N_KEY, rate if rate is not None and rate.length else None)
