"""From the light that may reach detectors to what they say: subsets of detectors, dark counts.

A subset of D detectors is a number of D bits, detector 0 the lowest. `hits[..., S]` is the probability that
light alone fires at least one detector of subset S; everything else follows from it by inclusion and
exclusion. Hits instead of misses keep small probabilities exact: a gain of 1e-9 loses no digit.
"""

from __future__ import annotations

from functools import lru_cache

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
    return np.asarray(values @ _members(values.shape[-1]))


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
    result = hits @ _signs(hits.shape[-1])
    result[..., 0] += 1
    return np.maximum(result, 0.0)


@lru_cache
def _signs(size: int) -> Table:
    """Inclusion and exclusion: exactly L is the sum over J within L of (-1)^|L - J| (1 - hits of the rest)."""
    signs = np.zeros((size, size))
    for subset in range(size):
        for part in range(size):
            if part & ~subset == 0:
                signs[size - 1 - part, subset] -= (-1) ** (subset ^ part).bit_count()
    return signs


@lru_cache
def _members(size: int) -> Table:
    """Whether detector d is in subset s, shape [d, s]."""
    return np.asarray(np.arange(2**size)[None, :] >> np.arange(size)[:, None] & 1, float)
