"""Lines of protocols with an untrusted measuring station halfway: how MDI and TF-QKD scale with loss.

Scaling lines for planning, no engine: the station needs not be trusted, but power, a room and two more
fibres; phase locking, finite size and asymmetric arms are left out.
"""

from __future__ import annotations

import math
from dataclasses import replace

from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.rates import ModelRate, binary_entropy, secret_key_rate

PHASE_SLICES = 16
"""M of Lucamarini 2018: more slices lower the error, and the share of pulses whose slices match."""
STATION = "untrusted measuring station halfway between the ends"


def measuring_station_rate(link: LinkParameters) -> ModelRate:
    """MDI: R = q {Q_11 [1 - h(e_11)] - Q_Z f h(E_Z)} per pair of pulses, infinite decoys.

    Ma and Razavi, Physical Review A 86, 062319 (2012), polarisation encoding, four detectors, both ends at
    the link's signal intensity. Scales with the transmittance of the whole channel.
    """
    arm = halved(link)
    eta, dark, mu = arm.transmittance, arm.noise, link.intensities[0]
    single, phase = single_pairs(eta, dark, link.misalignment)
    gain, error = rectilinear(eta, dark, mu, link.misalignment)
    secret = (mu * math.exp(-mu)) ** 2 * single * (1 - binary_entropy(phase))
    bits = max(0.0, link.basis_factor * (secret - gain * link.reconciliation * binary_entropy(error)))
    clicks = -math.expm1(-2 * eta * mu + 4 * math.log1p(-dark))
    live = (1 / (1 + link.clock * clicks * link.dead_time / 4)) ** 2
    return ModelRate(bits, link.clock * link.probabilities[0] ** 2 * bits * live, gain, error)


def single_pairs(eta: float, dark: float, misalignment: float) -> tuple[float, float]:
    """(Y_11, e_11 of the diagonal basis) when each end sends one photon over an arm of transmittance eta."""
    live = (1 - dark) ** 2
    both = live * eta**2 / 2
    found = both + live * ((4 * eta - 3 * eta**2) * dark + 4 * (1 - eta) ** 2 * dark**2)
    wrong = found / 2 - (0.5 - misalignment) * both
    return found, min(0.5, wrong / found) if found > 0 else 0.5


def rectilinear(eta: float, dark: float, mu: float, misalignment: float) -> tuple[float, float]:
    """(Q_Z, E_Z) when each end sends phase-randomised light of mean photon number mu."""
    arriving, live = eta * mu, math.log1p(-dark)
    quiet = math.exp(2 * live - arriving)
    right = 2 * quiet * math.expm1(live - arriving / 2) ** 2
    wrong = 2 * dark * quiet * (_bessel(arriving) - math.expm1(live - arriving))
    gain = right + wrong
    mistaken = misalignment * right + (1 - misalignment) * wrong
    return gain, min(0.5, mistaken / gain) if gain > 0 else 0.5


def _bessel(x: float) -> float:
    """I_0(x) - 1, the modified Bessel function of order zero, by its series; x up to 5."""
    return math.fsum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(1, 40))


def twin_field_rate(link: LinkParameters) -> ModelRate:
    """TF-QKD: the decoy-state rate over half of the channel, a slice's share of the pulses, its error added.

    R(eta) = R_BB84(sqrt(eta), e_mis + E_M - 2 e_mis E_M)/M with M = 16 phase slices and their error
    E_M = [1 - sin(2 pi/M)/(2 pi/M)]/2 = 1.28 % (Lucamarini, Yuan, Dynes and Shields, Nature 557, 400
    (2018), with all pulses quantum). Scales with the square root of the transmittance, and so may
    pass the bound of a link without station.
    """
    width = 2 * math.pi / PHASE_SLICES
    slicing = (1 - math.sin(width) / width) / 2
    drifted = link.misalignment + slicing - 2 * link.misalignment * slicing
    found = secret_key_rate(replace(halved(link), misalignment=drifted))
    bits, both = (
        found.bits_per_pulse / PHASE_SLICES,
        link.probabilities[0],
    )  # the other end sends a signal too
    rate = found.secret_key_rate / PHASE_SLICES * both
    return ModelRate(bits, rate, found.signal_gain, found.signal_error)


def halved(link: LinkParameters) -> LinkParameters:
    """One arm: half of the fibre and half of the other losses, the receiver being the station's."""
    return replace(link, length=link.length / 2, extra_loss=link.extra_loss / 2)


def one_station_bound(transmittance: float) -> float:
    """-log2(1 - sqrt(eta)): the most bits per pulse with one station halfway (Pirandola 2019)."""
    root = math.sqrt(transmittance)
    return math.inf if root >= 1 else -math.log1p(-root) / math.log(2)
