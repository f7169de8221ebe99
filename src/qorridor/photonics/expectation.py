"""What a link is expected to deliver: gains, errors and rates in closed form (link model section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qorridor.photonics.parameters import LinkParameters


@dataclass(frozen=True, slots=True)
class LinkExpectation:
    """Per intensity, brightest first; errors are of the matched basis and include afterpulses.

    gains = clicks per live gate and pulse sent, afterpulses not counted; errors = QBER 0..0.5;
    click_probability = mean over intensities, afterpulses counted; detections_per_second after dead
    time with both gates vetoed; qber = over all intensities.
    """

    gains: tuple[float, ...]
    errors: tuple[float, ...]
    click_probability: float
    detections_per_second: float
    sifted_per_second: float
    qber: float


def expect(link: LinkParameters) -> LinkExpectation:
    """Exact for Poissonian light; afterpulses to first order (Lim 2014)."""
    gains = tuple(gain(link, k) for k in link.intensities)
    wrong = tuple(error_gain(link, k) + link.afterpulse * gain(link, k) / 2 for k in link.intensities)
    total = 1 + link.afterpulse
    errors = tuple(_ratio(w, g * total) for w, g in zip(wrong, gains, strict=True))
    clicks = total * math.fsum(p * g for p, g in zip(link.probabilities, gains, strict=True))
    mistakes = math.fsum(p * w for p, w in zip(link.probabilities, wrong, strict=True))
    rate = link.clock * clicks / (1 + clicks * link.dead_slots)
    matched = link.key_basis**2 + (1 - link.key_basis) ** 2
    return LinkExpectation(gains, errors, clicks, rate, rate * matched, _ratio(mistakes, clicks))


def observe(link: LinkParameters) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Gains and matched errors per live gate as counters see them, echoes where they really fall.

    `expect` follows the papers and multiplies each intensity's gain by 1 + afterpulse. An echo belongs to
    an earlier click, so it falls into the slot of any intensity alike: every gain grows by the same
    share, the vacuum's too. Echo probability a per slot solves a = afterpulse * P, P the probability of
    any click; an echo beside a click in the other detector is a double click.
    """
    gains = [gain(link, k) for k in link.intensities]
    mean = math.fsum(p * g for p, g in zip(link.probabilities, gains, strict=True))
    echo = link.afterpulse * mean / (1 - link.afterpulse * (1 - mean))
    wrong = [
        error_gain(link, k) * (1 - echo / 2) + g * echo / 4 + (1 - g) * echo / 2
        for k, g in zip(link.intensities, gains, strict=True)
    ]
    seen = tuple(g + echo * (1 - g) for g in gains)
    return seen, tuple(_ratio(w, g) for w, g in zip(wrong, seen, strict=True))


def gain(link: LinkParameters, intensity: float) -> float:
    """Q_k = 1 - (1-d)^2 e^(-eta k): a click in either detector, 0..1; of unequal detectors or bases, the
    mean over all settings. `intensity` as set: what really leaves of it is the link's own affair."""
    if link.is_uneven:
        return _mean(link, intensity, lambda right, wrong: right + wrong - right * wrong, matched=False)
    return -math.expm1(2 * math.log1p(-link.noise) - link.transmittance * intensity)


def error_gain(link: LinkParameters, intensity: float) -> float:
    """E_k Q_k in the matched basis: wrong detector alone, and half of the double clicks."""
    if link.is_uneven:
        return _mean(link, intensity, lambda right, wrong: wrong * (1 - right / 2), matched=True)
    arriving = link.transmittance * intensity
    dark = math.log1p(-link.noise)
    right = -math.expm1(dark - arriving * (1 - link.misalignment))
    wrong = -math.expm1(dark - arriving * link.misalignment)
    return wrong * (1 - right) + wrong * right / 2


_HERMITE = ((0.0, 2 / 3), (math.sqrt(3), 1 / 6), (-math.sqrt(3), 1 / 6))


def _mean(
    link: LinkParameters, intensity: float, value: Callable[[float, float], float], *, matched: bool
) -> float:
    """Mean of value(p_right, p_wrong) over bases, bits and the intensity noise (three-point quadrature,
    to fourth order in its sigma). Matched: settings in which both bases agree, else all."""
    bases, total = (link.key_basis, 1 - link.key_basis), 0.0
    settings = [(a, b, bases[a] * bases[b] / 2) for a in range(2) for b in range(2) if a == b or not matched]
    sigma, sent = _sent(link, intensity)
    for place, weight in _HERMITE if sigma else ((0.0, 1.0),):
        mean = sent * math.exp(sigma * place - sigma * sigma / 2)
        for a, b, share in settings:
            error = link.misalignments[b] if a == b else 0.5
            for bit in range(2):
                right, wrong = _fires(link, bit, mean * (1 - error)), _fires(link, 1 - bit, mean * error)
                total += weight * share * value(right, wrong)
    return total / (2 * math.fsum(share for *_, share in settings))


def _sent(link: LinkParameters, intensity: float) -> tuple[float, float]:
    """(sigma of the noise, mean photon number) of an intensity; one that is not the link's stays as it is."""
    if intensity not in link.intensities:
        return 0.0, intensity
    at = link.intensities.index(intensity)
    return (link.intensity_noise[at] if link.intensity_noise else 0.0), link.sent_intensities[at]


def _fires(link: LinkParameters, detector: int, photons: float) -> float:
    """Probability that a detector clicks at `photons` sent its way."""
    balance = 2 * link.efficiency_factors[detector] / sum(link.efficiency_factors)
    return -math.expm1(math.log1p(-link.detector_noise(detector)) - link.transmittance * balance * photons)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
