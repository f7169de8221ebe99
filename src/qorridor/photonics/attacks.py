"""What an eavesdropper does to a slot: her outcome tables, mixed with those of the untouched light.

Each table has the shape [K, 2, 2, 2, 3, 4]: intensity, basis sent, bit, basis measured, detectors that fire
less one, origin. An attack replaces light or receiver, never a bit after the detection, so decoy counts see
what they would see of a real one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qorridor.photonics.events import Basis, Conditions, Light
from qorridor.photonics.outcomes import Table, clicks, coherent_hits, fock_hits

NOISE, MIDDLE, EARLY, LATE = range(4)
"""Origins of a click: no light, light as sent, light that came early or late."""
SHIFTED_SHARES = np.array([[0.95, 0.3], [0.3, 0.95]])
"""Efficiency left to detectors 0 and 1 for early and for late light, what misses the gate included (order of
a mismatch, unverified)."""
EARLY_SHARE = 0.6
"""Share of the shifted pulses that come early; an even split would leave the ratio of zeros and ones flat."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What decides about a slot. means[K, Q] = photons that leave, with the weights[K, Q] of the
    intensity noise; fibre = transmittance of the channel; receiver[2] = optics, gate and efficiency of each
    detector; dark[2]; wrong[2] = error per basis; key_basis = probability of the key basis."""

    means: Table
    weights: Table
    fibre: float
    receiver: Table
    dark: Table
    wrong: Table
    key_basis: float

    @property
    def routes(self) -> Table:
        """Probability that light of (basis, bit) measured in a basis goes to detector 0 or 1,
        shape [2, 2, 2, 2]; one half where the bases differ."""
        table = np.full((2, 2, 2, 2), 0.5)
        for basis in range(2):
            for bit in range(2):
                table[basis, bit, basis, bit] = 1 - self.wrong[basis]
                table[basis, bit, basis, 1 - bit] = self.wrong[basis]
        return table

    @property
    def signal(self) -> float:
        """Mean photon number of the brightest intensity."""
        return float((self.means * self.weights)[0].sum())


def touched(scene: Scene, now: Conditions) -> Table:
    """Outcome table of the light under attack; blinding goes first, then interception, splitting, shift."""
    table = plain(scene)
    stages = (
        (now.shift, _shifted), (now.splitting, _split),
        (now.intercept, lambda s: _intercepted(s, now.basis, now.light)), (now.blinding, _blinded),
    )  # fmt: skip
    for share, attack in stages:
        if share:
            table = (1 - share) * table + share * attack(scene)
    return table


def plain(scene: Scene) -> Table:
    """Poissonian light of the intensities that left."""
    return _averaged(scene, _poissonian(scene, scene.means * scene.fibre))


def _averaged(scene: Scene, table: Table) -> Table:
    """Mean over the intensity noise: [K, Q, ...] to [K, ...]."""
    return np.asarray(np.einsum("kq,kq...->k...", scene.weights, table))


def _poissonian(scene: Scene, arriving: Table, origin: int = MIDDLE, receiver: Table | None = None) -> Table:
    """Outcomes of light with mean `arriving[...]` at the receiver, in each setting."""
    caught = scene.routes * (scene.receiver if receiver is None else receiver)
    return _cells(coherent_hits(arriving[..., None, None, None, None] * caught), scene.dark, origin)


def _cells(hits: Table, dark: Table, origin: int = MIDDLE) -> Table:
    noise, light = clicks(hits, dark)
    table = np.zeros((*noise.shape[:-1], 3, 4))
    table[..., NOISE] = noise[..., 1:]
    table[..., origin] += light[..., 1:]
    return table


def _resent(table: Table, basis: Basis) -> Table:
    """Outcomes of pulses prepared anew as she measured them, from the outcomes of pulses [..., a, bit, b]:
    her basis right, the bit is right; her basis wrong, her result is a coin."""
    chosen = {Basis.RANDOM: (0.5, 0.5), Basis.KEY: (1.0, 0.0), Basis.TEST: (0.0, 1.0)}[basis]
    coin = table.mean(axis=-4, keepdims=True)
    result = np.empty_like(table)
    for sent in range(2):
        same, other = chosen[sent], chosen[1 - sent]
        result[..., sent, :, :, :, :] = (
            same * table[..., sent, :, :, :, :] + other * coin[..., 1 - sent, :, :, :, :]
        )
    return result


def _intercepted(scene: Scene, basis: Basis, light: Light) -> Table:
    """Intercept and resend right behind the transmitter; she measures without loss or error."""
    if light is Light.KEPT:
        return _resent(plain(scene), basis)
    seen = -np.expm1(-scene.means)
    caught = scene.fibre * float(scene.receiver.mean())
    wanted = -math.expm1(-caught * scene.signal) / -math.expm1(-scene.signal) if scene.signal else 0.0
    bright = -math.log1p(-min(wanted, 1 - 1e-12)) / caught if caught else 0.0
    pulse = _resent(_poissonian(scene, np.full((1, 1), bright * scene.fibre)), basis)
    silence = _poissonian(scene, np.zeros((1, 1)))
    share = seen[..., None, None, None, None, None]
    return _averaged(scene, share * pulse + (1 - share) * silence)


def _split(scene: Scene) -> Table:
    """Photon-number splitting: of several photons she keeps one, single ones she stops as far as the gain
    of the signal lets her; what she forwards meets less loss than the fibre has."""
    single, channel = _splitting_plan(scene)
    table = np.zeros((*scene.means.shape, 2, 2, 2, 3, 4))
    probability = np.exp(-scene.means)
    shares = scene.routes * scene.receiver
    for photons in range(_most(float(scene.means.max()))):
        if photons:
            probability = probability * scene.means / photons
        passed = _cells(fock_hits(shares * channel, max(0, photons - 1)), scene.dark)
        if photons == 1:
            passed = (1 - single) * passed + single * _cells(fock_hits(shares, 1), scene.dark)
        table += probability[..., None, None, None, None, None] * passed
    return _averaged(scene, table)


def _most(mean: float) -> int:
    """A number of photons that Poissonian light of this mean does not reach (probability below 1e-14)."""
    return math.ceil(mean + 10 * math.sqrt(mean) + 20)


def _splitting_plan(scene: Scene) -> tuple[float, float]:
    """(share of single photons let through, transmittance of her channel) that keep the signal's gain."""
    receiver, mean = float(scene.receiver.mean()), scene.signal
    wanted = -math.expm1(-scene.fibre * receiver * mean)

    def several(channel: float) -> float:
        weight, total = math.exp(-mean), 0.0
        for photons in range(1, _most(mean)):
            weight *= mean / photons
            total += weight * (1 - (1 - channel * receiver) ** (photons - 1))
        return total

    best = several(1.0)
    if best < wanted:
        alone = mean * math.exp(-mean) * receiver
        return min(1.0, (wanted - best) / alone) if alone else 0.0, 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if several(middle) < wanted else (low, middle)
    return 0.0, high


def _blinded(scene: Scene) -> Table:
    """Faked states: blind detectors click only at her pulses, in her basis, as she measured; no dark count,
    no double click. She forwards what share of her results keeps the signal's gain."""
    seen = (scene.weights * -np.expm1(-scene.means)).sum(axis=1)
    wanted = -math.expm1(-scene.fibre * float(scene.receiver.mean()) * scene.signal)
    forwarded = min(1.0, 2 * wanted / seen[0]) if seen[0] else 0.0
    pulse = np.zeros((2, 2, 2, 3, 4))
    for basis in range(2):
        for bit in range(2):
            pulse[basis, bit, basis, bit, MIDDLE] = forwarded
    return np.asarray(seen[:, None, None, None, None, None] * _resent(pulse, Basis.RANDOM))


def _shifted(scene: Scene) -> Table:
    """Time shift: early light favours detector 0, late light detector 1."""
    parts = (
        share * _poissonian(scene, scene.means * scene.fibre, origin, scene.receiver * left)
        for share, origin, left in zip((EARLY_SHARE, 1 - EARLY_SHARE), (EARLY, LATE), SHIFTED_SHARES, strict=True)
    )  # fmt: skip
    return _averaged(scene, sum(parts, np.zeros(())))
