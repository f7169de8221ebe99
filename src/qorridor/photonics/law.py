"""The law of one slot of a decoy-state BB84 link under given conditions (link model section 4)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from qorridor.photonics.attacks import Scene, plain, touched
from qorridor.photonics.events import Conditions
from qorridor.photonics.outcomes import Table
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.sampler import Law, Memory

_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


@lru_cache(maxsize=256)
def law(link: LinkParameters, now: Conditions) -> Law:
    """Settings are numbered ((intensity * 2 + basis sent) * 2 + bit) * 2 + basis measured."""
    scene = observed(now.apply(link))
    table = touched(scene, now) if now.is_attacked else plain(scene)
    bases = np.array([scene.key_basis, 1 - scene.key_basis])
    prior = (
        np.array(link.probabilities)[:, None, None, None] * bases[:, None, None] * 0.5 * bases[None, None, :]
        * np.ones((1, 1, 2, 1))
    )  # fmt: skip
    cells = prior[..., None, None] * table
    silent = np.maximum(prior - cells.sum(axis=(-2, -1)), 0.0)
    return Law(cells.reshape(-1, 3, 4), silent.ravel())


def memory(link: LinkParameters, blinded: float = 0.0) -> Memory:
    """Dead time and echoes of the receiver; detectors that are blinded for a share of the slots have so
    much fewer echoes, since a click without an avalanche traps no charge."""
    decay, echo = link.afterpulse_decay * link.clock, link.afterpulse * (1 - blinded)
    return Memory((link.dead_slots,), (echo,), (decay,), link.vetoes_both)


def observed(link: LinkParameters) -> Scene:
    """The numbers that decide about a slot of an untouched link."""
    factors = 10 ** (-link.receiver_loss / 10) * link.gate_share * link.efficiency
    means, weights = _noisy(link)
    return Scene(
        means, weights, link.channel_transmittance, factors * np.array(link.efficiency_factors),
        np.array([link.detector_noise(0), link.detector_noise(1)]), np.array(link.misalignments), link.key_basis,
    )  # fmt: skip


def _noisy(link: LinkParameters) -> tuple[Table, Table]:
    """Photon numbers that leave: one per intensity, or the points of a log-normal spread of mean 1."""
    means = np.array(link.sent_intensities)[:, None]
    if not any(link.intensity_noise):
        return means, np.ones_like(means)
    sigma = np.array(link.intensity_noise)[:, None]
    spread = np.exp(sigma * _POINTS - sigma**2 / 2)
    weights = np.broadcast_to(_WEIGHTS / _WEIGHTS.sum(), spread.shape)
    return means * spread, weights
