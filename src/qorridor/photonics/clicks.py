"""When detectors click: geometric gaps, echoes of earlier clicks, and dead time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qorridor.photonics.expectation import gain
from qorridor.photonics.parameters import LinkParameters

Slots = NDArray[np.int64]
_LEAST = 1e-18  # below it not one click is expected in 30 years at 1 GHz


@dataclass(frozen=True, slots=True)
class Clicks:
    """Slots that clicked, in order; `primary` where light or a dark count fired, `echo` the detector
    mask (1 or 2) of an afterpulse in the slot or 0. Every slot has at least one of both."""

    slots: Slots
    primary: NDArray[np.uint8]
    echo: NDArray[np.uint8]


def draw_clicks(link: LinkParameters, slots: int, rng: np.random.Generator) -> Clicks:
    """The clicks of `slots` slots, both gates vetoed for `dead_slots` after each."""
    primary = _primaries(click_probability(link), slots, rng)
    spawned = _spawn(link, primary, slots, rng)
    return _resolve(primary, spawned, link.dead_slots, rng)


def click_probability(link: LinkParameters) -> float:
    """Probability that light or noise fires in a live gate, averaged over intensities, 0..1."""
    return math.fsum(p * gain(link, k) for p, k in zip(link.probabilities, link.intensities, strict=True))


def _primaries(probability: float, slots: int, rng: np.random.Generator) -> Slots:
    if probability < _LEAST or not slots:
        return np.empty(0, np.int64)
    if probability >= 1:
        return np.arange(slots, dtype=np.int64)
    found, last = [], -1
    while last < slots:
        expected = (slots - last) * probability
        gaps = _gaps(probability, int(expected + 6 * math.sqrt(expected) + 16), slots, rng)
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    merged = np.concatenate(found)
    return merged[: np.searchsorted(merged, slots)]


def _gaps(probability: float, count: int, most: int, rng: np.random.Generator) -> Slots:
    """Geometric gaps >= 1; cut at `most`, so that their sum stays within 64 bits."""
    raw = np.floor(np.log1p(-rng.random(count)) / math.log1p(-probability))
    return 1 + np.minimum(raw, float(most)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Spawned:
    """Possible echoes: `parent` indexes primaries first, then echoes of earlier generations."""

    slots: Slots
    parent: NDArray[np.int64]


def _spawn(link: LinkParameters, primary: Slots, slots: int, rng: np.random.Generator) -> _Spawned:
    """The echoes that every click would have if it happened, generation by generation."""
    generation, first = primary, 0
    found: list[Slots] = [np.empty(0, np.int64)]
    parents: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    while link.afterpulse and len(generation):
        chosen = np.flatnonzero(rng.random(len(generation)) < link.afterpulse)
        delay = rng.exponential(link.afterpulse_decay * link.clock, len(chosen))
        after = generation[chosen] + link.dead_slots + 1 + delay.astype(np.int64)
        kept = after < slots
        found.append(after[kept])
        parents.append(chosen[kept] + first)
        first += len(generation)
        generation = found[-1]
    return _Spawned(np.concatenate(found), np.concatenate(parents))


def _resolve(primary: Slots, spawned: _Spawned, dead: int, rng: np.random.Generator) -> Clicks:
    """Walk through primaries and echoes in time; only those near another one, and echoes, need a step."""
    slots = np.concatenate([primary, spawned.slots])
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    taken = np.ones(len(slots), bool)
    close = np.zeros(len(slots), bool)
    close[1:] = np.diff(ordered) <= dead
    steps = np.flatnonzero(close | (order >= len(primary)))
    mask = np.zeros(len(slots), np.uint8)
    mask[order >= len(primary)] = 1 << rng.integers(0, 2, len(spawned.slots), dtype=np.uint8)
    _walk(ordered, steps, taken, _parents(order, len(primary), spawned.parent), dead=dead, mask=mask)
    light = (order < len(primary)).view(np.uint8)
    return Clicks(ordered[taken], light[taken], mask[taken])


def _parents(order: NDArray[np.int64], primaries: int, parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position in time order of each entry's parent, -1 for a primary."""
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    parents = np.full(len(order), -1, np.int64)
    parents[position[primaries:]] = position[parent]
    return parents


def _walk(
    ordered: Slots, steps: NDArray[np.int64], taken: NDArray[np.bool_], parents: NDArray[np.int64],
    *, dead: int, mask: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Decide in time order: an echo needs its parent, a click needs live gates; equal slots merge.

    A merged echo lights its detector beside the primary in the same slot and spawns nothing itself.
    Entries that are no step are taken, so the last taken one is known without a search.
    """
    last = previous = -1
    for step, parent in zip(steps.tolist(), parents[steps].tolist(), strict=True):
        if step - 1 > previous:
            last = step - 1
        previous = step
        gap = int(ordered[step] - ordered[last]) if last >= 0 else dead + 1
        if (parent < 0 or taken[parent]) and gap > dead:
            last = step
            continue
        taken[step] = False
        if not gap and taken[parent]:
            mask[last] |= mask[step]
