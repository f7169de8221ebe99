"""BBM92 with a source of entangled pairs at the transmitter, behind the same interface as decoy-state BB84.

The source sends one photon of each pair to the transmitter's own two detectors and one over the line. Both
ends measure in a basis of their own choice; a slot counts where both clicked (a coincidence), true ones of
one pair as well as accidental ones of two pairs or of dark counts. What the transmitter "sent" is what it
measured. Two sources are known: one of many modes, whose pairs are Poissonian and independent, and parametric
down-conversion of one mode per polarisation, whose photons bunch (Ma, Fung and Lo 2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from qorridor.base.errors import LinkError
from qorridor.photonics.events import Basis, Conditions
from qorridor.photonics.expectation import LinkExpectation
from qorridor.photonics.outcomes import Table, exactly, subset_sums
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.sampler import Law, Memory


class Source(StrEnum):
    """Statistics of the pairs of a pulse."""

    POISSON = "poisson"
    DOWN_CONVERSION = "down-conversion"


_UNFIT = ("splitting", "blinding", "shift", "trojan", "modulator")


@dataclass(frozen=True, slots=True)
class PairLink:
    """One link of entangled pairs; LinkError Q-LINK-001 for a value outside its range.

    line = clock, fibre, receiver, misalignment between both ends and the probability of the key basis; its
    one intensity is the mean number of pairs per pulse. efficiency = probability that a pair's photon is
    detected at the transmitter, 0..1; dark per detector and afterpulse there; dead_time in s, afterpulse decay
    as on the line.
    """

    line: LinkParameters
    efficiency: float
    dark: float
    dead_time: float = 0.0
    afterpulse: float = 0.0
    source: Source = Source.POISSON

    def __post_init__(self) -> None:
        for name, most in (("efficiency", 1.0), ("dark", 0.5), ("dead_time", 1e-2), ("afterpulse", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise _refused(f"{name} at the source is {value:g}, allowed are 0 to {most:g}")
        if len(self.line.intensities) != 1 or self.line.is_uneven:
            raise _refused("a link of entangled pairs has one intensity, its pairs per pulse, and even parts")

    @property
    def clock(self) -> float:
        """Pulses per second."""
        return self.line.clock

    @property
    def key_basis(self) -> float:
        """Probability of the key basis at either end."""
        return self.line.key_basis

    @property
    def probabilities(self) -> tuple[float, ...]:
        """One intensity, always."""
        return self.line.probabilities

    @property
    def pairs(self) -> float:
        """Mean pairs per pulse."""
        return self.line.sent_intensities[0]

    @property
    def dead_slots(self) -> int:
        """Slots after a click at the source in which both gates there are vetoed."""
        return round(self.dead_time * self.clock)


@lru_cache(maxsize=64)
def pair_law(link: PairLink, now: Conditions) -> Law:
    """Settings are numbered basis at the source * 2 + basis of the receiver. Detectors 0, 1 are the
    receiver's, 2, 3 the source's; a cell counts as light where light fired at the receiver.

    LinkError Q-LINK-003 for an attack or a fault that needs pulses of several intensities.
    """
    _fitting(link, now)
    line = now.apply(link.line)
    dark = np.array([line.detector_noise(0), line.detector_noise(1), link.dark, link.dark])
    quiet = -subset_sums(np.log1p(-dark))
    seen = _seen(link, line, now)
    all_clicks = exactly(-np.expm1(-(seen + quiet)))
    without = exactly(-np.expm1(-(seen[:, np.arange(16) | 3] + quiet)))[:, 1:]
    bases = np.array([link.key_basis, 1 - link.key_basis])
    prior = np.outer(bases, bases).ravel()
    cells = np.stack([without, np.maximum(all_clicks[:, 1:] - without, 0.0)], axis=-1)
    return Law(prior[:, None, None] * cells, prior * all_clicks[:, 0])


def _seen(link: PairLink, line: LinkParameters, now: Conditions) -> Table:
    """-log of the probability that light fires none of a subset's detectors, shape [4 settings, 16]."""
    subsets = np.arange(16)[:, None] >> np.arange(4) & 1
    gate = line.gate_share * line.channel_transmittance * 10 ** (-line.receiver_loss / 10) * line.efficiency
    there: Table = np.asarray(subsets[:, :2] * (gate * np.array(line.efficiency_factors)), np.float64)
    here: Table = np.asarray(subsets[:, 2:] * link.efficiency, np.float64)
    if link.source is Source.DOWN_CONVERSION:
        return np.stack([
            _bunched(link.pairs / 2, here, there, line.misalignments[setting & 1] if setting in {0, 3} else None)
            for setting in range(4)
        ])  # fmt: skip
    fired = here[:, :, None] + there[:, None, :] - here[:, :, None] * there[:, None, :]
    routes = (_routes(line, now, setting >> 1, setting & 1) for setting in range(4))
    return np.stack([link.pairs * (fired * route).sum(axis=(1, 2)) for route in routes])


def _bunched(mean: float, here: Table, there: Table, wrong: float | None) -> Table:
    """The same of down-conversion, `mean` pairs per polarisation; wrong = error of matched bases, None for
    unequal ones.

    With A, B the diagonal matrices of what each detector misses and R the turn between both bases, the
    squeezed light fires nothing with probability (1 - x)^2 / det(1 - x A R^T B R), x = mean / (1 + mean).
    A misalignment swaps the receiver's detectors in its share of the pulses.
    """
    if wrong is None:
        return np.log1p(_odds(mean, here, there, 0.5))
    straight, swapped = (_odds(mean, here, there, same) for same in (1.0, 0.0))
    hits = (1 - wrong) * straight / (1 + straight) + wrong * swapped / (1 + swapped)
    return np.asarray(-np.log1p(-hits))


def _odds(mean: float, here: Table, there: Table, same: float) -> Table:
    """Odds of a hit: det / (1 - x)^2 - 1, written without a difference of large numbers; `same` = squared
    cosine of the turn."""
    x = mean / (1 + mean)
    turned = same * there + (1 - same) * there[:, ::-1]
    trace = (here + turned - here * turned).sum(axis=1)
    left = 1 - ((1 - here) * (1 - there)).prod(axis=1)
    return np.asarray((x * trace - x * x * left) / (1 - x) ** 2)


def _routes(line: LinkParameters, now: Conditions, here: int, there: int) -> Table:
    """Probability that a pair goes to detector i at the source and j at the receiver, shape [2, 2].

    An eavesdropper measures the photon on the line: in the basis of both ends she changes nothing, in the
    other one she leaves both without any correlation."""
    if here != there:
        return np.full((2, 2), 0.25)
    wrong = line.misalignments[there]
    kept = np.array([[1 - wrong, wrong], [wrong, 1 - wrong]]) / 2
    mine = {Basis.RANDOM: (0.5, 0.5), Basis.KEY: (1.0, 0.0), Basis.TEST: (0.0, 1.0)}[now.basis][here]
    spoilt = now.intercept * (1 - mine)
    return np.asarray((1 - spoilt) * kept + spoilt * 0.25)


def _fitting(link: PairLink, now: Conditions) -> None:
    unfit = _UNFIT if link.source is Source.POISSON else (*_UNFIT, "intercept")
    for name in unfit:
        if getattr(now, name):
            raise LinkError(
                "Q-LINK-003", f"{name} is not modelled for entangled pairs of this source",
                "inject it into a link of decoy-state BB84",
            )  # fmt: skip


def pair_memory(link: PairLink) -> Memory:
    """Dead time and echoes of both ends, the receiver first."""
    line = link.line
    decay = line.afterpulse_decay * line.clock
    return Memory(
        (line.dead_slots, link.dead_slots),
        (line.afterpulse, link.afterpulse),
        (decay, decay),
        line.vetoes_both,
    )


def expect_pairs(link: PairLink) -> LinkExpectation:
    """Coincidences per pulse and their errors, afterpulses left out; rates after dead time of both ends.

    With c = click of a detector, E[(a0 - a1)(b0 - b1)] is the excess of equal over unequal bits, a double
    click counting as a random one; it is 2 (P(neither a0 nor b0) - P(neither a0 nor b1)).
    """
    line, here = link.line, link.efficiency
    there, key = line.transmittance, link.key_basis
    quiet = 2 * math.log1p(-link.dark), 2 * math.log1p(-line.noise)
    seen = _light(link, here, there)
    source, receiver, either = (
        -math.expm1(noise - light) for noise, light in zip((*quiet, sum(quiet)), seen, strict=True)
    )
    gain = max(0.0, source + receiver - either)
    both = key**2 + (1 - key) ** 2
    excess = math.fsum(
        share**2 / both * _excess(link, there, wrong)
        for share, wrong in zip((key, 1 - key), line.misalignments, strict=True)
    )
    error = (gain - math.exp(sum(quiet) / 2) * excess) / 2
    qber = error / gain if gain else 0.0
    live = 1 / (1 + source * link.dead_slots) / (1 + receiver * line.dead_slots)
    rate = link.clock * gain * live
    return LinkExpectation((gain,), (qber,), gain, rate, rate * both, qber)


def _light(link: PairLink, here: float, there: float) -> tuple[float, float, float]:
    """-log of no light at the source, at the receiver, and at both."""
    joint = here + there - here * there
    if link.source is Source.POISSON:
        return link.pairs * here, link.pairs * there, link.pairs * joint
    first, second, third = (2 * math.log1p(link.pairs / 2 * part) for part in (here, there, joint))
    return first, second, third


def _excess(link: PairLink, there: float, wrong: float) -> float:
    """Excess of equal over unequal bits in matched bases that light alone makes."""
    here, mean = link.efficiency, link.pairs / 2
    if link.source is Source.POISSON:
        level, product = 2 * math.exp(-mean * (here + there)), mean * here * there
        return level * (math.expm1(product * (1 - wrong)) - math.expm1(product * wrong))
    together = 1 + mean * (here + there - here * there)
    apart = (1 + mean * here) * (1 + mean * there)
    return 2 * (1 - 2 * wrong) * mean * (1 + mean) * here * there / (apart * together)


def pair_rate(link: PairLink) -> float:
    """Asymptotic secret bits per pulse, R = q Q (1 - f h(e) - h(e)) (BBM92 with one-way correction)."""
    expected = expect_pairs(link)
    leaked = (1 + link.line.reconciliation) * _entropy(expected.qber)
    return max(0.0, link.line.basis_factor * expected.gains[0] * (1 - leaked))


def _entropy(share: float) -> float:
    if not 0 < share < 1:
        return 0.0
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)


def _refused(cause: str) -> LinkError:
    return LinkError("Q-LINK-001", cause, "correct the link's preset or its entry in the estate")
