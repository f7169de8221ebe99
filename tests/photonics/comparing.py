"""Whether two sets of clicks come from one law: p-values of several homogeneity tests."""

import math

import numpy as np

BATCHES = 60
EDGES = np.unique(np.concatenate([np.arange(0, 30), np.geomspace(30, 1e6, 40).astype(int)]))


def table(block):
    """Rows of the sampler in the oracle's columns."""
    s, r = block.sent, block.received
    columns = [r.slots, s.intensities, s.bases, s.bits, r.bases, r.clicks, r.arrival]
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def cells(rows):
    """Joint cell of intensity, bases, bit and outcome."""
    return np.ravel_multi_index(rows[:, 1:6].T, (8, 2, 2, 2, 4))


def p_values(left, right, spans, half):
    """Named p-values; `spans` = slots of either run, `half` = half a gate in ps.

    cells = joint cells of each click; rate = clicks per slot, by batches, so that echoes and dead time may
    make them more or less even than Poisson's; course = cells per eighth of the run; gaps; echoes = outcomes
    of clicks and their followers at short gaps; arrival = place in the gate by outcome.
    """
    return {
        "cells": homogeneous(cells(left), cells(right)),
        "rate": same_mean(*(_batches(rows, span) for rows, span in zip((left, right), spans, strict=True))),
        "course": homogeneous(
            *(_course(rows, span) for rows, span in zip((left, right), spans, strict=True))
        ),
        "gaps": homogeneous(
            *(np.searchsorted(EDGES, np.diff(rows[:, 0]), "right") for rows in (left, right))
        ),
        "echoes": homogeneous(*(_followers(rows) for rows in (left, right))),
        "arrival": homogeneous(*(_places(rows, half) for rows in (left, right))),
    }


def _batches(rows, span):
    return np.bincount(rows[:, 0] * BATCHES // span, minlength=BATCHES) * (BATCHES / span)


def _course(rows, span):
    matched = (rows[:, 2] == rows[:, 4]) * (1 + (rows[:, 5] == 2 - rows[:, 3]))
    eighth = rows[:, 0] * 8 // span
    return np.ravel_multi_index([eighth, rows[:, 1], matched, rows[:, 2]], (8, 8, 3, 2))


def _followers(rows):
    gaps = np.diff(rows[:, 0])
    near = np.flatnonzero(gaps <= np.quantile(gaps, 0.1))
    return 4 * rows[near, 5] + rows[near + 1, 5]


def _places(rows, half):
    return 32 * rows[:, 5] + np.clip((rows[:, 6] + half) * 31 // (2 * half), 0, 31)


def homogeneous(left, right):
    """p-value of Pearson's two-sample chi-square over categories; rare ones are pooled."""
    size = int(max(left.max(), right.max())) + 1
    counts = np.stack([np.bincount(side, minlength=size) for side in (left, right)]).astype(float)
    total = counts.sum(axis=0)
    rare = total * min(counts.sum(axis=1)) / counts.sum() < 8
    pooled = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    expected = pooled.sum(axis=1, keepdims=True) * pooled.sum(axis=0) / pooled.sum()
    chi2 = ((pooled - expected) ** 2 / expected).sum()
    return upper_gamma((pooled.shape[1] - 1) / 2, chi2 / 2) if pooled.shape[1] > 1 else 1.0


def same_mean(left, right):
    """p-value of Welch's test, normal approximation (120 batches)."""
    error = math.sqrt(left.var(ddof=1) / len(left) + right.var(ddof=1) / len(right))
    return math.erfc(abs(left.mean() - right.mean()) / error / math.sqrt(2))


def upper_gamma(a, x):
    """Regularised upper incomplete gamma function Q(a, x): series below a + 1, continued fraction above."""
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - front * total)
    b = x + 1 - a
    c, d = 1e300, 1 / b
    h = d
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return front * h
