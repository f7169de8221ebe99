"""Entangled pairs pulse by pulse: every pair, photon, dark count and echo is drawn by itself."""

import math

import numba
import numpy as np


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
    line_numbers = (line.intensities[0], line.misalignment, line.key_basis, line.jitter, line.gate / 2,
                    line.afterpulse_decay * line.clock, intercept)  # fmt: skip
    return out[: _run(rng, slots, *ends, line_numbers, out)].copy()


@numba.njit
def _run(rng, slots, efficiency, dark, dead_slots, p_echo, numbers, out):
    mean, wrong, key_basis, jitter, half, decay, intercept = numbers
    calendar = np.zeros((slots, 4), np.uint8)
    dead = np.full(2, -1, np.int64)
    count = 0
    for slot in range(slots):
        far_basis, near_basis = int(rng.random() >= key_basis), int(rng.random() >= key_basis)
        fired, arrival, light = np.zeros(4, np.uint8), half * (2 * rng.random() - 1), False
        for _ in range(rng.poisson(mean)):
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
