"""When inside the gate a click arrives: light normally around its offset, noise anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qorridor.photonics.attacks import EARLY, LATE, NOISE
from qorridor.photonics.parameters import LinkParameters

SHIFT = 0.3
"""How far a time shift moves light, in gates."""
_NEVER = 10  # standard deviations that no normal number of a century of clicks passes
Picoseconds = NDArray[np.float32]


def arrivals(
    links: tuple[LinkParameters, LinkParameters], shares: NDArray[np.float64] | None, origins: NDArray[np.int8],
    rng: np.random.Generator,
) -> NDArray[np.int16]:  # fmt: skip
    """Arrival in ps from the gate's middle, `origins` as the cells say, -1 for an echo.

    links = the link at the ends of the stretch; shares = place of each click in it, 0..1, None where the
    offset stands still. Light outside the gate is not there: its share already lowered the click
    probability, so what is left is drawn from the part within.
    """
    first, last = (link.gate_offset * 1e12 for link in links)
    gate, sigma = links[0].gate * 1e12, links[0].jitter * 1e12
    middle = np.float32(first) if shares is None else (first + shares * (last - first)).astype(np.float32)
    shifted = origins >= EARLY
    if shifted.any():
        sign = (origins == LATE).astype(np.float32) - (origins == EARLY)
        middle = (middle + np.float32(SHIFT * gate) * sign).astype(np.float32)
    times = rng.standard_normal(len(origins), dtype=np.float32)
    times *= np.float32(sigma)
    times += middle
    noise = np.flatnonzero(origins <= NOISE)
    times[noise] = gate * (rng.random(len(noise)) - 0.5)
    if len(times) and np.abs(middle).max() + _NEVER * sigma > gate / 2:
        outside = np.flatnonzero(np.abs(times) > gate / 2)
        middles = np.broadcast_to(middle, times.shape)[outside]
        times[outside] = _within(middles, sigma, gate / 2, rng)
    return np.rint(times, out=times).astype(np.int16)


def _within(middle: Picoseconds, sigma: float, half: float, rng: np.random.Generator) -> Picoseconds:
    """Normal numbers around `middle` given that they lie within ±half: drawn until they do.

    Where hardly any would, uniform ones are proposed and accepted by the density instead.
    """
    if not sigma:
        return np.clip(middle, -half, half)
    times = np.empty_like(middle)
    nearest = np.clip(middle, -half, half)
    edge = np.abs(middle) - half > sigma
    left = np.arange(len(middle))
    while len(left):
        far, centre = edge[left], middle[left]
        normal = centre + sigma * rng.standard_normal(len(left))
        drawn = np.where(far, half * (2 * rng.random(len(left)) - 1), normal)
        steepness = ((drawn - centre) ** 2 - (nearest[left] - centre) ** 2) / (2 * sigma**2)
        refused = far & (rng.random(len(left)) >= np.exp(-np.maximum(steepness, 0)))
        times[left] = drawn
        left = left[refused | (np.abs(drawn) > half)]
    return times
