"""When inside the gate a click arrives: light normally around its offset, noise anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qorridor.photonics.attacks import EARLY, LATE, NOISE
from qorridor.photonics.parameters import LinkParameters

SHIFT = 0.3
"""How far a time shift moves light, in gates."""
Offsets = NDArray[np.float64]


def arrivals(
    links: tuple[LinkParameters, LinkParameters], shares: Offsets | None, origins: NDArray[np.int8],
    rng: np.random.Generator,
) -> NDArray[np.int16]:  # fmt: skip
    """Arrival in ps from the gate's middle, `origins` as the cells say, -1 for an echo.

    links = the link at the ends of the stretch; shares = place of each click in it, 0..1, None where the
    offset stands still. Light outside the gate is not there: its share already lowered the click
    probability, so what is left is drawn from the part within.
    """
    link, half = links[0], links[0].gate / 2
    times = np.empty(len(origins))
    light = origins > NOISE
    noise = np.flatnonzero(~light)
    times[noise] = (rng.random(len(noise)) - 0.5) * link.gate
    lit = np.flatnonzero(light)
    middle = np.full(len(lit), link.gate_offset)
    if shares is not None:
        middle += shares[lit] * (links[1].gate_offset - link.gate_offset)
    shifted = (origins[lit] == LATE).astype(float) - (origins[lit] == EARLY)
    if shifted.any():
        middle += SHIFT * link.gate * shifted
    times[lit] = _within(middle, link.jitter, half, rng)
    return np.asarray(np.rint(times * 1e12), np.int16)


def _within(middle: Offsets, sigma: float, half: float, rng: np.random.Generator) -> Offsets:
    """Normal numbers around `middle` given that they lie within ±half: drawn again until they do.

    Where hardly any would, uniform ones are proposed and accepted by the density instead.
    """
    if not sigma:
        return np.clip(middle, -half, half)
    times = middle + sigma * rng.standard_normal(len(middle))
    open_ = np.flatnonzero(np.abs(times) > half)
    edge = np.abs(middle) - half > sigma
    while len(open_):
        far = edge[open_]
        centre = middle[open_]
        drawn = np.where(
            far, half * (2 * rng.random(len(open_)) - 1), centre + sigma * rng.standard_normal(len(open_))
        )
        nearest = np.clip(centre, -half, half)
        steepness = ((drawn - centre) ** 2 - (nearest - centre) ** 2) / (2 * sigma**2)
        refused = far & (rng.random(len(open_)) >= np.exp(-np.maximum(steepness, 0)))
        times[open_] = drawn
        open_ = open_[refused | (np.abs(drawn) > half)]
    return times
