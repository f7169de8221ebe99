"""From the light that may reach detectors to what they say: subsets of detectors, dark counts, alias tables.

A subset of D detectors is a number of D bits, detector 0 the lowest. `hits[..., S]` is the probability that
light alone fires at least one detector of subset S; everything else follows from it by inclusion and
exclusion. Hits instead of misses keep small probabilities exact: a gain of 1e-9 loses no digit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def coherent_hits(means: Table) -> Table:
    """Hits of Poissonian light; `means[..., D]` are detected photons per detector. Shape [..., 2^D]."""
    return np.asarray(-np.expm1(-subset_sums(means)))


def fock_hits(shares: Table, photons: int) -> Table:
    """Hits of exactly `photons` photons, each detected in detector j with probability `shares[..., j]`."""
    with np.errstate(divide="ignore"):
        missed = (
            photons * np.log1p(-np.minimum(subset_sums(shares), 1.0)) if photons else 0 * subset_sums(shares)
        )
    return np.asarray(-np.expm1(missed))


def subset_sums(values: Table) -> Table:
    """Sum of `values[..., D]` over every subset, shape [..., 2^D]."""
    members = np.arange(2 ** values.shape[-1])[None, :] >> np.arange(values.shape[-1])[:, None] & 1
    return np.asarray(values @ members.astype(float))


def clicks(hits: Table, dark: Table) -> tuple[Table, Table]:
    """Probability of each click pattern, without and with light in it: two tables of shape [..., 2^D].

    `dark[D]` is the probability of a dark count per detector and gate. A pattern counts as light as soon as
    light fired one of its detectors.
    """
    quiet = subset_sums(np.log1p(-dark))
    lit = hits[..., -1:]
    everything = exactly(-np.expm1(np.log1p(-np.minimum(hits, 1 - 1e-16)) + quiet))
    noise = (1 - lit) * exactly(-np.expm1(quiet))
    return noise, np.maximum(everything - noise, 0.0)


def exactly(hits: Table) -> Table:
    """Probability that exactly the subset fires; entry 0 is that of silence where `hits` are of all events."""
    size = hits.shape[-1]
    result = hits[..., ::-1].copy()  # entry L: some detector outside L fires
    bit = 1
    while bit < size:
        with_bit = np.flatnonzero(np.arange(size) & bit)
        result[..., with_bit] -= result[..., with_bit ^ bit]
        bit *= 2
    result = -result
    result[..., 0] += 1
    return np.maximum(result, 0.0)


def alias(weights: Table) -> tuple[Table, NDArray[np.int64]]:
    """Walker's tables for drawing an index with probability proportional to `weights` (Vose 1991).

    Draw u in [0, n): index i = floor(u) if u - i < keep[i], else other[i]. An index of weight 0 is never
    drawn, provided that one weight is positive.
    """
    size = len(weights)
    scaled = weights / weights.sum() * size if weights.sum() > 0 else np.ones(size)
    keep, other = np.ones(size), np.full(size, int(np.argmax(scaled)), np.int64)
    small = [at for at in range(size) if scaled[at] < 1]
    large = [at for at in range(size) if scaled[at] >= 1]
    left = scaled.tolist()
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], other[low] = left[low], high
        left[high] -= 1 - left[low]
        if left[high] < 1:
            small.append(large.pop())
    for at in small:  # what rounding left over
        keep[at] = min(1.0, left[at]) if left[at] > 0.5 else 0.0
    return keep, other
