"""A per-pulse link: every pulse, photon, dark count and echo is drawn by itself. It shares no formula with
the sampler: losses, rotations and an eavesdropper's plans are worked out here once more, from the fields."""

import math
from functools import cache

import numba
import numpy as np

from qorridor.photonics.events import Conditions

COLUMNS = ("slot", "intensity", "basis_a", "bit", "basis_b", "mask", "arrival")
STEPS = 1000
MOST = 400_000
PLAIN, BLIND, INTERCEPT, SPLIT, SHIFT = range(5)


def pulses(link, slots, rng, now=None):
    """Rows of COLUMNS of the slots that clicked. `now`: conditions, or those at equally spaced moments."""
    course = [now or Conditions()] if isinstance(now, Conditions | None) else list(now)
    steps = 1 if len(course) == 1 else STEPS
    at = [_along(course, (step + 0.5) / steps) for step in range(steps)]
    numbers = [_numbers(link, conditions) for conditions in at]
    columns = [np.array(column, float) for column in zip(*numbers, strict=True)]
    edges = np.cumsum(link.probabilities)
    edges[-1] = 1
    sigma = np.array(link.intensity_noise or [0.0] * len(edges))
    out = np.empty((min(slots, MOST), len(COLUMNS)), np.int64)
    constants = (
        link.key_basis,
        link.jitter,
        link.gate / 2,
        link.afterpulse,
        link.afterpulse_decay * link.clock,
    )
    eve = ("random", "key", "test").index(course[-1].basis), int(course[-1].light == "broken")
    count = _run(rng, slots, edges, sigma, tuple(columns), constants, round(link.dead_time * link.clock),
                 link.vetoes_both, eve, out)  # fmt: skip
    assert count < MOST, "more clicks than the oracle is made for"
    return out[:count].copy()


def _along(course, share):
    x = share * (len(course) - 1)
    at = min(int(x), max(0, len(course) - 2))
    low, high = course[at], course[min(at + 1, len(course) - 1)]
    mixed = {}
    for name in Conditions.__slots__:
        left, right = getattr(low, name), getattr(high, name)
        mixed[name] = right if isinstance(right, str) else left + (x - at) * (right - left)
    return Conditions(**mixed)


@cache
def _numbers(link, now):
    """fibre, receiver[2], dark[2], wrong[2], offset, means[K], shares of the attacks, Eve's plan[4]."""
    loss = link.length * link.attenuation + link.extra_loss + now.bend + now.connector + now.ageing
    fibre = 10 ** (-loss / 10) * max(1e-15, 1 - now.cut)
    worn = (1.0, 1 - now.detector)
    inside = math.erf(link.gate / 2 / link.jitter / math.sqrt(2)) if link.jitter else 1.0
    receiver = [
        10 ** (-link.receiver_loss / 10) * link.efficiency * own * old / inside
        for own, old in zip(link.efficiency_factors, worn, strict=True)
    ]
    glow = _raman(link, now.raman) + link.stray + now.stray + 1e-7 * now.trojan
    heat = (1.0, 2 ** (now.cooler / 9) * (1 + 9 * now.detector))
    dark = [
        link.dark * own * hot + glow * eff * old
        for own, hot, eff, old in zip(link.dark_factors, heat, link.efficiency_factors, worn, strict=True)
    ]
    factors = link.intensity_factors or [1.0] * len(link.intensities)
    means = [
        k * factor * (1 + now.modulator * (at > 0))
        for at, (k, factor) in enumerate(zip(link.intensities, factors, strict=True))
    ]
    offset = link.gate_offset + now.clock * 1e-12
    shares = (now.blinding, now.intercept, now.splitting, now.shift)
    return (
        fibre,
        receiver,
        dark,
        _turned(link, now),
        offset,
        means,
        shares,
        _plan(link, fibre, receiver, offset, means[0]),
    )


def _raman(link, milliwatts):
    """Photons per gate and detector of one forward channel beside the quantum light."""
    if not milliwatts:
        return 0.0
    natural = link.attenuation * math.log(10) / 10
    power = milliwatts * 1e-3 * math.exp(-natural * link.length) * link.length
    power *= link.raman_coefficient * link.filter_width
    return power / 1.28e-19 * link.gate * link.efficiency * 10 ** (-link.receiver_loss / 10) / 2


def _turned(link, now):
    """Errors of both bases by turning the states on the sphere and projecting them."""
    visible = [1 - 2 * (link.misalignment + own + now.drift) for own in link.misalignment_offsets]
    key, test = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    axis = math.cos(0.5) * key + math.sin(0.5) * test
    turned = [_rotate(state, axis, now.polarisation) @ state for state in (key, test)]
    phase = math.cos(now.phase + now.laser * 0.39)
    return [(1 - visible[0] * turned[0]) / 2, (1 - visible[1] * turned[1] * phase) / 2]


def _rotate(vector, axis, angle):
    """Rodrigues."""
    across = np.cross(axis, vector)
    return (
        vector * math.cos(angle) + across * math.sin(angle) + axis * (axis @ vector) * (1 - math.cos(angle))
    )


def _plan(link, fibre, receiver, offset, mean):
    """(brightness resent, singles let through, her channel, share of faked pulses) that keep Q_mu."""
    normal = lambda x: (1 + math.erf(x / math.sqrt(2))) / 2
    half = link.gate / 2
    caught = normal((half - offset) / link.jitter) - normal((-half - offset) / link.jitter)
    seen = sum(receiver) / 2 * caught
    wanted = 1 - math.exp(-fibre * seen * mean)
    bright = _solve(lambda m: (1 - math.exp(-mean)) * (1 - math.exp(-fibre * seen * m)), wanted, 1e3)
    poisson = [math.exp(-mean) * mean**n / math.factorial(n) for n in range(30)]
    several = lambda t: sum(p * (1 - (1 - t * seen) ** (n - 1)) for n, p in enumerate(poisson) if n > 1)
    singles = 0.0 if several(1.0) >= wanted else min(1.0, (wanted - several(1.0)) / (poisson[1] * seen))
    faked = min(1.0, wanted / ((1 - math.exp(-mean)) * 0.5))
    return bright, singles, _solve(several, wanted, 1.0), faked


def _solve(rising, wanted, most):
    low, high = 0.0, most
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return high


@numba.njit
def _attack(rng, shares):
    for number in range(4):
        if shares[number] > 0 and rng.random() < shares[number]:
            return number + 1
    return 0


@numba.njit
def _run(rng, slots, edges, sigma, columns, constants, dead_slots, vetoes_both, eve, out):
    fibres, receivers, darks, wrongs, offsets, all_means, all_shares, plans = columns
    key_basis, jitter, half, p_echo, decay = constants
    calendar = np.zeros((slots, 2), np.uint8)
    dead = np.full(2, -1, np.int64)
    count, steps = 0, fibres.size
    for slot in range(slots):
        step = slot * steps // slots
        k, u = 0, rng.random()
        while u >= edges[k]:
            k += 1
        mean = all_means[step, k]
        if sigma[k] > 0:
            mean *= math.exp(sigma[k] * rng.standard_normal() - sigma[k] ** 2 / 2)
        basis_a, bit = int(rng.random() >= key_basis), int(rng.random() < 0.5)
        basis_b = int(rng.random() >= key_basis)
        attack = _attack(rng, all_shares[step])
        photons = rng.poisson(mean)
        transmission, fired, light, arrival = fibres[step], 0, False, 0.0
        basis, sent, shift = basis_a, bit, 0
        if attack in (BLIND, INTERCEPT):
            mine = int(rng.random() < 0.5)
            if attack == INTERCEPT and eve[0] > 0:
                mine = eve[0] - 1
            if mine != basis_a:
                basis, sent = mine, int(rng.random() < 0.5)
        if attack == BLIND:
            if photons > 0 and basis == basis_b and rng.random() < plans[step, 3]:
                fired, light = 1 << sent, True
                arrival = offsets[step] + jitter * rng.standard_normal()
                while abs(arrival) > half:
                    arrival = offsets[step] + jitter * rng.standard_normal()
            photons = 0
        elif attack == INTERCEPT and eve[1] == 1:
            photons = rng.poisson(plans[step, 0]) if photons > 0 else 0
        elif attack == SPLIT:
            if photons == 1:
                photons, transmission = int(rng.random() < plans[step, 1]), 1.0
            elif photons > 1:
                photons, transmission = photons - 1, plans[step, 2]
        elif attack == SHIFT:
            shift = -1 if rng.random() < 0.6 else 1
        for _ in range(photons):
            if rng.random() >= transmission:
                continue
            error = wrongs[step, basis_b] if basis == basis_b else 0.5
            detector = sent ^ int(rng.random() < error)
            chance = receivers[step, detector]
            if shift:
                chance *= 0.95 if (shift < 0) == (detector == 0) else 0.3
            if rng.random() >= chance:
                continue
            at = offsets[step] + jitter * rng.standard_normal()
            if abs(at) > half:
                continue
            if shift:  # the mismatch counts what the gate takes of shifted light
                at = offsets[step] + shift * 0.6 * half + jitter * rng.standard_normal()
                while abs(at) > half:
                    at = offsets[step] + shift * 0.6 * half + jitter * rng.standard_normal()
            if not light:
                arrival = at
            fired |= 1 << detector
            light = True
        if attack != BLIND:
            for detector in range(2):
                if rng.random() < darks[step, detector]:
                    fired |= 1 << detector
        for detector in range(2):
            if calendar[slot, detector]:
                fired |= 1 << detector
            if dead[detector] >= slot:
                fired &= 3 ^ (1 << detector)
        if not fired:
            continue
        if count == MOST:
            return count
        if not light:
            arrival = half * (2 * rng.random() - 1)
        row = (slot, k, basis_a, bit, basis_b, fired, round(arrival * 1e12))
        for column in range(7):
            out[count, column] = row[column]
        count += 1
        for detector in range(2):
            if vetoes_both or fired >> detector & 1:
                dead[detector] = slot + dead_slots
        if rng.random() < p_echo * (1 - all_shares[step, 0]):
            due = slot + dead_slots + 1 + int(rng.standard_exponential() * decay)
            if due < slots:
                calendar[due, int(rng.random() < 0.5)] = 1
    return count
