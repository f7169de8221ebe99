"""Detections of a link, drawn slot by clicking slot instead of pulse by pulse (link model section 7).

    primaries   gaps ~ Geometric(p), p = click probability averaged over intensities
    echoes      each click spawns one avalanche with probability `afterpulse`
    resolve     both in time order, a click vetoes both gates for `dead_slots`
    fill in     intensity, bases, bit and outcome from their joint posterior given the click

Exact for a link whose conditions are constant over one sub-block, dead time, afterpulses with their
cascades, and double clicks included. Approximated: an avalanche does not reach over the border of a
sub-block, nor does the dead time (one slot in some 10^8), and arrival times are clipped to the gate
instead of lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qorridor.photonics.clicks import Clicks, draw_clicks
from qorridor.photonics.events import Conditions
from qorridor.photonics.parameters import LinkParameters

Bits = NDArray[np.uint8]
Slots = NDArray[np.int64]

KEY_BASIS, TEST_BASIS = 0, 1
DETECTOR_0, DETECTOR_1, BOTH = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Detections:
    """What the receiver's module sees, in slot order: slot, own basis (0 key, 1 test), click (bit 0
    detector 0, bit 1 detector 1, 3 a double click), arrival inside the gate in ps."""

    slots: Slots
    bases: Bits
    clicks: Bits
    arrival: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Sent:
    """What the transmitter's module knows of slots: intensity index, basis and bit."""

    slots: Slots
    intensities: Bits
    bases: Bits
    bits: Bits


@dataclass(frozen=True, slots=True)
class SubBlock:
    """One stretch of simulated time: slots `start` to `stop`, and both views of its clicks."""

    start: int
    stop: int
    received: Detections
    sent: Sent


def simulate(
    link: LinkParameters, start: int, slots: int, rng: np.random.Generator, now: Conditions | None = None
) -> SubBlock:
    """Clicks of `slots` consecutive slots from `start`; every draw comes from `rng`.

    Memory grows with the clicks, not with the slots: choose `slots` so that about 10^5..10^6 click.
    """
    now = now or Conditions()
    affected = now.apply(link)
    clicks = draw_clicks(affected, slots, rng)
    sent = _sent(affected, clicks, rng)
    bases = _bernoulli(rng, 1 - link.key_basis, len(clicks.slots))
    bits, matched = _intercepted(sent, bases, now.intercept, rng)
    outcome = _outcomes(affected, clicks, sent, bits=bits, matched=matched, rng=rng)
    arrival = rng.normal(0, link.jitter * 1e12, len(bases))
    half = link.gate * 5e11
    received = Detections(
        clicks.slots + start, bases, outcome, np.clip(arrival, -half, half).astype(np.int16)
    )
    return SubBlock(start, start + slots, received, _at(sent, start))


def stream(seed: int, number: int) -> np.random.Generator:
    """The generator of sub-block `number`: counter-based, so that order and workers do not matter."""
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, number]))


def _at(sent: Sent, start: int) -> Sent:
    return Sent(sent.slots + start, sent.intensities, sent.bases, sent.bits)


def _bernoulli(rng: np.random.Generator, probability: float, size: int) -> Bits:
    return (rng.random(size) < probability).view(np.uint8)


def _sent(link: LinkParameters, clicks: Clicks, rng: np.random.Generator) -> Sent:
    """Intensity from its posterior: given a click for primaries, given none for pure echoes."""
    size = len(clicks.slots)
    prior = np.array(link.probabilities)
    click = -np.expm1(2 * np.log1p(-link.noise) - link.transmittance * np.array(link.intensities))
    draws = rng.random(size)
    intensities = _drawn(_cumulative(prior * click), draws)
    echoes = np.flatnonzero(clicks.primary == 0)
    intensities[echoes] = _drawn(_cumulative(prior * (1 - click)), draws[echoes])
    bases = _bernoulli(rng, 1 - link.key_basis, size)
    return Sent(clicks.slots, intensities, bases, _coins(rng, size))


def _coins(rng: np.random.Generator, size: int) -> Bits:
    return rng.integers(0, 2, size, dtype=np.uint8)


def _drawn(edges: NDArray[np.float64], draws: NDArray[np.float64]) -> Bits:
    """Index of the interval that each draw falls into; the last edge is 1."""
    index = np.zeros(len(draws), np.uint8)
    for edge in edges[:-1].tolist():
        index += draws >= edge
    return index


def _cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(len(weights), 1 / len(weights))
    edges = np.cumsum(shares)
    edges[-1] = 1.0
    return edges


def _intercepted(
    sent: Sent, bases: Bits, fraction: float, rng: np.random.Generator
) -> tuple[Bits, NDArray[np.bool_]]:
    """Bit in flight and whether the receiver's basis matches it, after the eavesdropper's resending.

    She measures perfectly in a uniformly random basis and resends basis and result at the intensity
    that left: the click statistics stay, the outcomes do not.
    """
    if not fraction:
        return sent.bits, sent.bases == bases
    size = len(bases)
    wrong = _bernoulli(rng, fraction, size) & _coins(rng, size)
    in_flight = np.where(wrong, _coins(rng, size), sent.bits)
    return in_flight, (sent.bases ^ wrong) == bases


def _outcomes(
    link: LinkParameters, clicks: Clicks, sent: Sent, *, bits: Bits, matched: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Bits:  # fmt: skip
    """Which detectors fired, given that one did: {right, wrong, both} from their exact weights."""
    arriving = link.transmittance * np.array(link.intensities)
    dark = np.log1p(-link.noise)
    share = np.array([link.misalignment, 0.5])[:, None]
    right = -np.expm1(dark - arriving * (1 - share))
    wrong = -np.expm1(dark - arriving * share)
    only_right, only_wrong = right * (1 - wrong), wrong * (1 - right)
    total = only_right + only_wrong + right * wrong
    safe = np.where(total > 0, total, 1.0)
    case = (~matched).view(np.uint8) * np.uint8(len(arriving)) + sent.intensities
    draws = rng.random(len(bits))
    right_only = draws < (only_right / safe).ravel().take(case)
    both = draws >= ((only_right + only_wrong) / safe).ravel().take(case)
    single = np.uint8(DETECTOR_0) << (bits ^ ~right_only)
    fired = np.where(both, np.uint8(BOTH), single) * clicks.primary
    return np.asarray(fired | clicks.echo, np.uint8)
