"""Asymptotic secret key rates and the bound that no link without a repeater can pass.

Ma, Qi, Zhao and Lo 2005 (decoy states) and Pirandola, Laurenza, Ottaviani and Banchi 2017 (PLOB).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from qorridor.photonics.expectation import expect, gain
from qorridor.photonics.parameters import LinkParameters


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """bits_per_pulse per signal pulse; secret_key_rate in bit/s after dead time; bound in bit/pulse."""

    bits_per_pulse: float
    secret_key_rate: float
    plob_bits_per_pulse: float
    signal_gain: float
    signal_error: float
    clicks_per_second: float
    sifted_per_second: float


class ModelRate(NamedTuple):
    """Rate of another model: bits per pulse (or pair of pulses) and bit/s after dead time, with its gain
    and QBER where it has them."""

    bits_per_pulse: float
    secret_key_rate: float
    gain: float
    error: float


def secret_key_rate(link: LinkParameters) -> RateEstimate:
    """Asymptotic rate with infinite decoys, signal intensity only; a planning figure, no promise.

    Dead time as r/(1 + r tau/2), two detectors sharing the load: the convention of the preset table.
    A block of finite size yields less, possibly nothing: see distill.finite_key.
    """
    expected = expect(link)
    signal, error = expected.gains[0] * (1 + link.afterpulse), expected.errors[0]
    leaked = signal * link.reconciliation * binary_entropy(error)
    bits = max(0.0, link.basis_factor * (single_photon_part(link) - leaked))
    rate = link.clock * expected.click_probability
    live = 1 / (1 + rate * link.dead_time / 2)
    return RateEstimate(
        bits_per_pulse=bits,
        secret_key_rate=link.clock * link.probabilities[0] * bits * live,
        plob_bits_per_pulse=plob(link.channel_transmittance),
        signal_gain=expected.gains[0],
        signal_error=error,
        clicks_per_second=rate * live,
        sifted_per_second=rate * live * link.basis_factor,
    )


def single_photon_part(link: LinkParameters) -> float:
    """Q_1 (1 - h(e_1)) with Y_1 = Y_0 + eta - Y_0 eta and e_1 = (Y_0/2 + e_mis eta)/Y_1."""
    vacuum, eta, signal = gain(link, 0.0), link.transmittance, link.intensities[0]
    single = vacuum + eta - vacuum * eta
    if single <= 0:
        return 0.0
    error = min(0.5, (vacuum / 2 + link.misalignment * eta) / single)
    return single * signal * math.exp(-signal) * (1 - binary_entropy(error))


def vacuum_weak_rate(link: LinkParameters) -> float:
    """Bits per signal pulse when Y_1 and e_1 come from a weak decoy and vacuum (Ma 2005, eq. 34, 37).

    Uses the first two intensities as signal and weak decoy.
    """
    expected = expect(link)
    (mu, nu), (q_mu, q_nu) = link.intensities[:2], expected.gains[:2]
    vacuum = gain(link, 0.0)
    weak = q_nu * math.exp(nu) - q_mu * math.exp(mu) * nu**2 / mu**2 - (mu**2 - nu**2) / mu**2 * vacuum
    single = mu / (mu * nu - nu**2) * weak
    if single <= 0:
        return 0.0
    error = min(0.5, (expected.errors[1] * q_nu * math.exp(nu) - vacuum / 2) / (single * nu))
    secret = single * mu * math.exp(-mu) * (1 - binary_entropy(error))
    leaked = q_mu * link.reconciliation * binary_entropy(expected.errors[0])
    return max(0.0, link.basis_factor * (secret - leaked))


def plob(transmittance: float) -> float:
    """-log2(1 - eta): the most secret bits per pulse of any span without a repeater (PLOB 2017)."""
    return math.inf if transmittance >= 1 else -math.log1p(-transmittance) / math.log(2)


def binary_entropy(probability: float) -> float:
    """h(x) in bits; 0 outside 0..1."""
    if not 0 < probability < 1:
        return 0.0
    return -probability * math.log2(probability) - (1 - probability) * math.log2(1 - probability)
