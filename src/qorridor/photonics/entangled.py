"""BBM92: both ends measure one photon each of a pair; asymptotic rate of a pulsed pair source.

Ma, Fung and Lo, Physical Review A 76, 012307 (2007), for parametric down-conversion and threshold
detectors; a double click gets a random bit. Afterpulses are not in this model.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from qorridor.base.errors import LinkError
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.rates import ModelRate, binary_entropy

_GOLDEN = (math.sqrt(5) - 1) / 2
_FEWEST, _MOST = math.log(1e-5), math.log(2.0)


class Placement(StrEnum):
    """Where the pair source stands: halfway between two receivers, or beside the one end's own."""

    MIDDLE = "middle"
    END = "end"


class Arm(NamedTuple):
    """Way of one photon: transmittance detector included, and a click of either detector without light."""

    transmittance: float
    vacuum: float


def entangled_rate(
    link: LinkParameters, placement: Placement = Placement.MIDDLE, mean_pairs: float | None = None
) -> ModelRate:
    """R = q Q [1 - f h(E) - h(E)] in bits per pump pulse, the bit error also standing for the phase error.

    Each end has a receiver like the link's. `mean_pairs` per pulse, 1e-5 to 2, is chosen best where not
    given. LinkError Q-LINK-001 outside this range.
    """
    if mean_pairs is not None and not 1e-5 <= mean_pairs <= 2:
        raise LinkError(
            "Q-LINK-001", f"mean pairs per pulse are {mean_pairs:g}, allowed are 1e-05 to 2", "correct it"
        )
    arms = arms_of(link, placement)
    chosen = mean_pairs if mean_pairs is not None else _best_pairs(link, arms)
    gain, error = coincidences(arms, chosen)
    bits = _bits(link, arms, chosen)
    live = math.prod(1 / (1 + link.clock * _clicks(arm, chosen) * link.dead_time / 2) for arm in arms)
    return ModelRate(bits, link.clock * bits * live, gain, error)


def arms_of(link: LinkParameters, placement: Placement) -> tuple[Arm, Arm]:
    """Both ways: half of the fibre each, or none and all of it."""
    if placement == Placement.MIDDLE:
        half = replace(link, length=link.length / 2, extra_loss=link.extra_loss / 2)
        return _arm(half), _arm(half)
    return _arm(replace(link, length=0.0, extra_loss=0.0, lit=())), _arm(link)


def coincidences(arms: tuple[Arm, Arm], mean_pairs: float, misalignment: float = 0.0) -> tuple[float, float]:
    """(Q, E): clicks at both ends per pulse, 0..1, and their error rate.

    Written as sums of positive terms, so that it stays exact where nearly nothing arrives.
    """
    (one, dark_one), (two, dark_two) = arms
    pairs = mean_pairs / 2  # lambda of the paper: mean photon number per mode and side
    apart = 1 + (one + two - one * two) * pairs
    together = one * two * pairs * (1 + pairs)  # (1 + one pairs)(1 + two pairs) = apart + together
    bunched = together * (2 * apart + together) / (apart * (apart + together)) ** 2
    gain = _clicks(arms[0], mean_pairs) * _clicks(arms[1], mean_pairs)
    gain += (1 - dark_one) * (1 - dark_two) * bunched
    matched = 2 * together / (apart * (apart + together))
    # One detector of each end must stay dark to show a matching bit; the paper leaves this factor, near 1, out.
    wrong = gain / 2 - (0.5 - misalignment) * matched * math.sqrt((1 - dark_one) * (1 - dark_two))
    return gain, min(0.5, max(0.0, wrong / gain)) if gain > 0 else 0.5


def _bits(link: LinkParameters, arms: tuple[Arm, Arm], mean_pairs: float) -> float:
    gain, error = coincidences(arms, mean_pairs, link.misalignment)
    return max(0.0, link.basis_factor * gain * (1 - (1 + link.reconciliation) * binary_entropy(error)))


def _best_pairs(link: LinkParameters, arms: tuple[Arm, Arm]) -> float:
    """Mean pairs per pulse with the highest rate: a golden section on its logarithm."""
    low, high = _FEWEST, _MOST
    for _ in range(60):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _climb(link, arms, left) >= _climb(link, arms, right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _climb(link: LinkParameters, arms: tuple[Arm, Arm], logarithm: float) -> float:
    """The rate, or less than zero by how far the error is too high."""
    gain, error = coincidences(arms, math.exp(logarithm), link.misalignment)
    share = 1 - (1 + link.reconciliation) * binary_entropy(error)
    return gain * share if share > 0 else share


def _arm(link: LinkParameters) -> Arm:
    return Arm(link.transmittance, -math.expm1(2 * math.log1p(-link.noise)))


def _clicks(arm: Arm, mean_pairs: float) -> float:
    """Probability of a click at one end: 1 - (1 - Y_0)/(1 + eta lambda)^2."""
    seen = arm.transmittance * mean_pairs / 2
    return (seen * (2 + seen) + arm.vacuum) / (1 + seen) ** 2
