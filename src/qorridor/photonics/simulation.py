"""Detections of a link, drawn slot by clicking slot instead of pulse by pulse (link model section 7).

    law       joint probability of what was sent, measured and seen in a slot, given the conditions
    draw      clicks of that law with dead time and echoes (photonics/sampler.py)
    arrival   where in the gate each click fell

Exact for conditions that stand still, or that change with probabilities linear between the given moments;
borders of sub-blocks lose nothing where the state is carried over. Not modelled: photons of one pulse that
start an avalanche earlier the more there are, and outcomes of unequal bases that a rotation biases. While
blinding sets in, echoes are as many as its mean over the stretch leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qorridor.photonics.arrival import arrivals
from qorridor.photonics.events import Conditions
from qorridor.photonics.law import law, memory
from qorridor.photonics.pairs import PairLink, pair_law, pair_memory
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.sampler import Carried, Drawn, draw

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
    """One stretch of simulated time: slots `start` to `stop`, both views of its clicks, and what the next
    stretch must be given to go on without a seam."""

    start: int
    stop: int
    received: Detections
    sent: Sent
    carried: Carried


def simulate(
    link: LinkParameters | PairLink, start: int, slots: int, rng: np.random.Generator,
    now: Conditions | Sequence[Conditions] | None = None, carried: Carried | None = None,
) -> SubBlock:  # fmt: skip
    """Clicks of `slots` consecutive slots from `start`; every draw comes from `rng`.

    `now`: the conditions, or those at equally spaced moments from the first slot to the last. Memory grows
    with the clicks, not with the slots: choose `slots` so that about 10^5..10^6 click. Of entangled pairs
    the coincidences are the detections, and what the transmitter measured is what it sent.
    """
    course = _course(now)
    span = start, start + slots
    if isinstance(link, PairLink):
        drawn = draw([pair_law(link, at) for at in course], pair_memory(link), span, rng, carried)
        return _coincidences(link, span, drawn, course, rng)
    remembered = memory(link, math.fsum(at.blinding for at in course) / len(course))
    drawn = draw([law(link, at) for at in course], remembered, span, rng, carried)
    settings, one = drawn.settings, np.uint8(1)
    arrival = _arrival(link, span, course, drawn, rng)
    received = Detections(drawn.slots, settings & one, drawn.masks, arrival)
    sent = Sent(
        drawn.slots,
        settings >> np.uint8(3),
        settings >> np.uint8(2) & one,
        settings >> one & one,
    )
    return SubBlock(*span, received, sent, drawn.carried)


def _coincidences(
    link: PairLink, span: tuple[int, int], drawn: Drawn, course: Sequence[Conditions], rng: np.random.Generator
) -> SubBlock:  # fmt: skip
    """The slots in which both ends clicked; a double click at the source gets a random bit there."""
    two = np.uint8(2)
    both = np.flatnonzero((drawn.masks & np.uint8(3) > 0) & (drawn.masks >> two > 0))
    kept = Drawn(
        drawn.slots[both], drawn.settings[both], drawn.masks[both], drawn.origins[both], drawn.carried
    )
    own, size = kept.masks >> two, len(both)
    bits = np.where(own == BOTH, rng.integers(0, 2, size, dtype=np.uint8), own >> np.uint8(1))
    arrival = _arrival(link.line, span, course, kept, rng)
    received = Detections(kept.slots, kept.settings & np.uint8(1), kept.masks & np.uint8(3), arrival)
    sent = Sent(kept.slots, np.zeros(size, np.uint8), kept.settings >> np.uint8(1), bits)
    return SubBlock(*span, received, sent, drawn.carried)


def _arrival(
    link: LinkParameters, span: tuple[int, int], course: Sequence[Conditions], drawn: Drawn,
    rng: np.random.Generator,
) -> NDArray[np.int16]:  # fmt: skip
    ends = course[0].apply(link), course[-1].apply(link)
    moves = ends[0].gate_offset != ends[1].gate_offset
    shares = (drawn.slots - span[0]) / max(1, span[1] - span[0]) if moves else None
    return arrivals(ends, shares, drawn.origins, rng)


def _course(now: Conditions | Sequence[Conditions] | None) -> tuple[Conditions, ...]:
    if now is None:
        return (Conditions(),)
    course = (now,) if isinstance(now, Conditions) else tuple(now)
    return course[:1] if all(at == course[0] for at in course) else course


def stream(seed: int, number: int) -> np.random.Generator:
    """The generator of sub-block `number`: counter-based, so that order and workers do not matter."""
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, number]))
