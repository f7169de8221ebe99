"""Entangled pairs pulse by pulse: every pair, photon, dark count and echo is drawn by itself."""

import math

import numba
import numpy as np

MOST = 40  # photons of one pulse and side


def beam_splitter(most):
    """Cumulative probabilities of k photons in the first of two modes behind an even beam splitter that n, m
    photons enter: the polarisation of bunched light, measured in the other basis."""
    table = np.zeros((most, most, 2 * most))
    for n in range(most):
        for m in range(most - n):
            for k in range(n + m + 1):
                ways = sum(
                    math.comb(n, j) * math.comb(m, k - j) * (-1) ** (m - k + j)
                    for j in range(max(0, k - m), min(n, k) + 1)
                )
                weight = math.factorial(k) * math.factorial(n + m - k)
                table[n, m, k] = ways**2 * weight / math.factorial(n) / math.factorial(m) / 2 ** (n + m)
            table[n, m, n + m + 1 :] = 0
    return table.cumsum(axis=2)


@numba.njit
def _thermal(rng, mean):
    """Photons of one mode of down-conversion."""
    return int(math.log(1 - rng.random()) / math.log(mean / (1 + mean)))


def coincidences(link, slots, rng, intercept=0.0):
    """Rows (slot, 0, basis at the source, bit, basis of the receiver, receiver's mask, arrival) of slots in
    which both ends clicked; a double click at the source has a random bit."""
    line = link.line
    loss = line.length * line.attenuation + line.extra_loss + line.receiver_loss
    far = 10 ** (-loss / 10) * line.efficiency
    inside = math.erf(line.gate / 2 / line.jitter / math.sqrt(2))
    out = np.empty((400_000, 7), np.int64)
    ends = (
        np.array([far / inside, link.efficiency]), np.array([line.dark, link.dark]),
        np.array([round(line.dead_time * line.clock), round(link.dead_time * line.clock)]),
        np.array([line.afterpulse, link.afterpulse]),
    )  # fmt: skip
    bunched = link.source == "down-conversion"
    line_numbers = (line.intensities[0], line.misalignment, line.key_basis, line.jitter, line.gate / 2,
                    line.afterpulse_decay * line.clock, intercept)  # fmt: skip
    table = beam_splitter(MOST) if bunched else np.ones((1, 1, 1))
    return out[: _run(rng, slots, *ends, line_numbers, bunched, table, out)].copy()


@numba.njit
def _run(rng, slots, efficiency, dark, dead_slots, p_echo, numbers, bunched, table, out):
    mean, wrong, key_basis, jitter, half, decay, intercept = numbers
    calendar = np.zeros((slots, 4), np.uint8)
    dead = np.full(2, -1, np.int64)
    count = 0
    for slot in range(slots):
        far_basis, near_basis = int(rng.random() >= key_basis), int(rng.random() >= key_basis)
        fired, arrival, light = np.zeros(4, np.uint8), half * (2 * rng.random() - 1), False
        if bunched:
            near0, near1 = _thermal(rng, mean / 2), _thermal(rng, mean / 2)
            far0 = near0
            if near_basis != far_basis:
                u, far0 = rng.random(), 0
                while u >= table[near0, near1, far0]:
                    far0 += 1
            swapped = near_basis == far_basis and rng.random() < wrong
            for photon in range(near0 + near1):
                far = int(photon >= far0) ^ int(swapped)
                at = jitter * rng.standard_normal()
                if rng.random() < efficiency[0] and abs(at) <= half:
                    fired[far] = 1
                    if not light:
                        light, arrival = True, at
                if rng.random() < efficiency[1]:
                    fired[2 + int(photon >= near0)] = 1
        for _ in range(0 if bunched else rng.poisson(mean)):
            near, basis, state = int(rng.random() < 0.5), near_basis, 0
            state = near
            if rng.random() < intercept:
                hers = int(rng.random() < 0.5)
                if hers != basis:
                    basis, state = hers, int(rng.random() < 0.5)
            chance = wrong if basis == far_basis else 0.5
            far = state ^ int(rng.random() < chance)
            at = jitter * rng.standard_normal()
            if rng.random() < efficiency[0] and abs(at) <= half:
                fired[far] = 1
                if not light:
                    light, arrival = True, at
            if rng.random() < efficiency[1]:
                fired[2 + near] = 1
        for detector in range(4):
            if rng.random() < dark[detector // 2] or calendar[slot, detector]:
                fired[detector] = 1
        for side in range(2):
            if dead[side] >= slot:
                fired[2 * side] = fired[2 * side + 1] = 0
            elif fired[2 * side] or fired[2 * side + 1]:
                dead[side] = slot + dead_slots[side]
                if rng.random() < p_echo[side]:
                    due = dead[side] + 1 + int(rng.standard_exponential() * decay)
                    if due < slots:
                        calendar[due, 2 * side + int(rng.random() < 0.5)] = 1
        if not (fired[0] or fired[1]) or not (fired[2] or fired[3]):
            continue
        bit = fired[3] if fired[2] + fired[3] == 1 else int(rng.random() < 0.5)
        row = (slot, 0, near_basis, int(bit), far_basis, fired[0] + 2 * fired[1], round(arrival * 1e12))
        for column in range(7):
            out[count, column] = row[column]
        count += 1
    return count
