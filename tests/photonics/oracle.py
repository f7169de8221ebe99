"""A slow per-pulse link: every slot is drawn, every detector decides for itself."""

import numpy as np


def pulses(link, slots, rng, intercept=0.0):
    """Rows (slot, intensity, basis_a, bit_a, basis_b, click mask) of the slots that clicked."""
    eta, d, rows, dead_until, echoes = link.transmittance, link.noise, [], -1, {}
    for slot in range(slots):
        k = int(rng.choice(len(link.intensities), p=link.probabilities))
        basis_a, bit_a = int(rng.random() >= link.key_basis), int(rng.integers(2))
        basis_b = int(rng.random() >= link.key_basis)
        basis, bit = basis_a, bit_a
        if rng.random() < intercept and int(rng.integers(2)):
            basis, bit = 1 - basis_a, int(rng.integers(2))
        e = link.misalignment if basis == basis_b else 0.5
        mask = 0
        for detector in (0, 1):
            share = 1 - e if detector == bit else e
            photons = rng.poisson(eta * link.intensities[k] * share)
            if photons or rng.random() < d:
                mask |= 1 << detector
        mask |= echoes.pop(slot, 0)
        if slot <= dead_until or not mask:
            continue
        rows.append((slot, k, basis_a, bit_a, basis_b, mask))
        dead_until = slot + link.dead_slots
        if rng.random() < link.afterpulse:
            at = dead_until + 1 + int(rng.exponential(link.afterpulse_decay * link.clock))
            echoes[at] = echoes.get(at, 0) | 1 << int(rng.integers(2))
    return np.array(rows, np.int64).reshape(-1, 6)
