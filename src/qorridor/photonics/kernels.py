"""The sequential part of the sampler, compiled (numba): gaps, thinning, dead time and echoes in slot order.

Slots are relative to the first one of the walk, below 2^60. The plain reference is in the tests; both
consume the generator's numbers in the same order, so they agree draw by draw.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Slots = NDArray[np.int64]
Codes = NDArray[np.int16]
Bits = NDArray[np.uint8]

FULL, DONE, VIOLATED = 0, 1, 2
NEVER = 1 << 61
compiled = numba.njit(cache=True, nogil=True)


@compiled
def alias(weights: Floats, keep: Floats, other: Slots) -> None:
    """Fill Walker's tables for drawing an index with probability proportional to `weights` (Vose 1991).

    Draw u in [0, n): index i = floor(u) if u - i < keep[i], else other[i]. An index of weight 0 is never
    drawn, provided that one weight is positive; if none is, every index is drawn alike.
    """
    size, total, most = weights.size, 0.0, 0
    for at in range(size):
        total += weights[at]
        most = at if weights[at] > weights[most] else most
    waiting = np.empty(size, np.int64)  # small ones from the front, large ones from the back
    small, large = 0, size
    for at in range(size):
        keep[at] = weights[at] / total * size if total > 0 else 1.0
        other[at] = most
        if keep[at] < 1:
            waiting[small] = at
            small += 1
        else:
            large -= 1
            waiting[large] = at
    while small > 0 and large < size:
        low, high = waiting[small - 1], waiting[large]
        small -= 1
        other[low] = high
        keep[high] -= 1 - keep[low]
        if keep[high] < 1:
            large += 1
            waiting[small] = high
            small += 1
    for place in range(small):  # what rounding left over
        keep[waiting[place]] = 1.0 if keep[waiting[place]] > 0.5 else 0.0
    for place in range(large, size):
        keep[waiting[place]] = 1.0


@compiled
def push(heap: Slots, size: int, entry: int) -> None:
    """Add to a binary heap of `size` entries, smallest first; `heap` has room for one more."""
    at = size
    while at > 0 and heap[(at - 1) >> 1] > entry:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = entry


@compiled
def pop(heap: Slots, size: int) -> int:
    """Remove and return the smallest of `size` entries."""
    first, last = int(heap[0]), int(heap[size - 1])
    at, child = 0, 1
    while child < size - 1:
        if child + 1 < size - 1 and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= last:
            break
        heap[at] = heap[child]
        at, child = child, 2 * child + 1
    heap[at] = last
    return first


@compiled
def gap(rng: np.random.Generator, rate: float, most: float) -> int:
    """Slots without a click before the next one: geometric, cut at `most`; rate = -log(1 - p)."""
    return int(min(rng.standard_exponential() / rate, most)) if rate > 0 else int(most)


@compiled
def drawn(rng: np.random.Generator, keep: Floats, other: Slots) -> int:
    """An index from alias tables."""
    u = rng.random() * keep.size
    at = int(u)
    return at if u - at < keep[at] else other[at]


@compiled
def place(slot: int, stop: int, nodes: int) -> tuple[int, float]:
    """The node before `slot`, and how far on the way to the next one it lies, 0..1."""
    if nodes == 1:
        return 0, 0.0
    x = slot * ((nodes - 1) / stop)
    node = min(int(x), nodes - 2)
    return node, x - node


@compiled
def thinned(rng: np.random.Generator, chances: Floats, node: int, share: float, highest: float) -> int:
    """Node whose cells a proposed click is drawn from, -1 for a refused one, -2 for a violated bound."""
    if chances.size == 1:
        return 0
    first = (1 - share) * chances[node]
    both = first + share * chances[node + 1]
    if both > highest * (1 + 1e-9):
        return -2
    u = rng.random() * highest
    if u < first:
        return node
    return node + 1 if u < both else -1


@compiled
def unlit(rng: np.random.Generator, chances: Floats, node: int, share: float) -> int:
    """Node whose settings a slot without a click is drawn from."""
    if chances.size == 1:
        return 0
    still = (1 - share) * (1 - chances[node])
    moved = share * (1 - chances[node + 1])
    return node if rng.random() * (still + moved) < still else node + 1


@compiled
def live(dead: Slots, slot: int) -> int:
    """Mask of the detectors that may click in `slot`."""
    alive = 0
    for detector in range(dead.size):
        if dead[detector] < slot:
            alive |= 1 << detector
    return alive


@compiled
def echoes(heap: Slots, pending: int, slot: int) -> tuple[int, int]:
    """Take the echoes of `slot` from the heap: mask of their detectors, and how many are still due."""
    mask = 0
    while pending and heap[0] >> 2 == slot:
        mask |= 1 << (pop(heap, pending) & 3)
        pending -= 1
    return mask, pending


@compiled
def follow(
    rng: np.random.Generator, slot: int, mask: int, vetoes: int, sides: tuple[Slots, Floats, Floats],
    dead: Slots, heap: Slots, pending: int,
) -> int:  # fmt: skip
    """Dead time and the echo that a click may leave, per side; returns the echoes due."""
    for side in range(dead.size // 2):
        part = mask >> (2 * side) & 3
        if part == 0:
            continue
        until = slot + sides[0][side]
        for detector in range(2):
            if vetoes or part >> detector & 1:
                dead[2 * side + detector] = until
        if sides[1][side] > 0 and rng.random() < sides[1][side]:
            later = int(min(rng.standard_exponential() * sides[2][side], 1e18))
            push(heap, pending, (until + 1 + later) << 2 | 2 * side | int(rng.random() < 0.5))
            pending += 1
    return pending


@compiled
def walk(
    rng: np.random.Generator, span: tuple[int, int], rate: float, chances: Floats,
    cells: tuple[Floats, Slots], settings: tuple[Floats, Slots], masks: Bits,
    sides: tuple[Slots, Floats, Floats], vetoes: int, dead: Slots, heap: Slots, pending: int,
    out: tuple[Slots, Codes, Bits],
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fill `out` with slots, codes and click masks from slot span[0] on, up to slot span[1].

    rate = -log(1 - p_max) of the proposals; chances[M] = click probability at M equally spaced nodes of the
    whole walk 0..span[1], linear in between; cells, settings = alias tables [M, C], [M, S] of what a
    click, and a slot without one, consists of; masks[C] = detectors of a cell, two bits per side;
    sides = per side slots of dead time, echo probability, decay of echoes in slots; dead[D] = last dead
    slot of each detector; vetoes = 1 where a click makes its whole side dead; heap[:pending] = echoes due,
    slot << 2 | detector.
    A code below C is a cell, C + s a setting of which only an echo is seen.
    Returns clicks written, slot to go on from, echoes pending, and FULL, DONE or VIOLATED. What lies
    beyond the returned slot is forgotten and drawn afresh: geometric gaps have no memory.
    """
    fresh, stop = span
    highest = -math.expm1(-rate)
    skips = vetoes == 1 and dead.size == 2
    count = 0
    proposal = fresh + gap(rng, rate, float(NEVER - fresh))
    while count < out[0].size and pending + 2 <= heap.size:
        slot = min(proposal, heap[0] >> 2) if pending else proposal
        if slot >= stop:
            return count, stop, pending, DONE
        fresh = slot + 1
        node, share = place(slot, stop, chances.size)
        code, mask = -1, 0
        if slot == proposal:
            proposal = fresh + gap(rng, rate, float(NEVER - fresh))
            taken = thinned(rng, chances, node, share, highest)
            if taken == -2:
                return count, slot, pending, VIOLATED
            if taken >= 0:
                code = drawn(rng, cells[0][taken], cells[1][taken])
                mask = int(masks[code])
        if pending:
            echo, pending = echoes(heap, pending, slot)
            mask |= echo
        mask &= live(dead, slot)
        if mask == 0:
            continue
        if code < 0:
            taken = unlit(rng, chances, node, share)
            code = masks.size + drawn(rng, settings[0][taken], settings[1][taken])
        out[0][count], out[1][count], out[2][count] = slot, code, mask
        count += 1
        pending = follow(rng, slot, mask, vetoes, sides, dead, heap, pending)
        if skips and proposal <= dead[0]:
            proposal = dead[0] + 1 + gap(rng, rate, float(NEVER - dead[0] - 1))
    return count, fresh, pending, FULL
