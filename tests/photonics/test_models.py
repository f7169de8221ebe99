"""BBM92, MDI, TF-QKD: each closed form against a sum or an integral of its own, and the bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.photonics.entangled import Arm, Placement, arms_of, coincidences, entangled_rate
from qorridor.photonics.presets import PRESETS, load_preset
from qorridor.photonics.rates import binary_entropy, plob, secret_key_rate
from qorridor.photonics.stations import (
    PHASE_SLICES,
    STATION,
    halved,
    measuring_station_rate,
    one_station_bound,
    rectilinear,
    single_pairs,
    twin_field_rate,
)
from tests.photonics.links import links

GYS, LONG = load_preset("gys"), load_preset("snspd-long")


def click(eta, photons):
    return 1 - (1 - eta) ** photons


def counted_pairs(eta_a, eta_b, mean_pairs, most=60):
    """Q and E of BBM92 without dark counts, by summing over pairs and how they part between two modes."""
    pairs, gain, wrong = mean_pairs / 2, 0.0, 0.0
    for n in range(1, most):
        weight = (n + 1) * pairs**n / (1 + pairs) ** (n + 2) / (n + 1)
        for m in range(n + 1):
            one = (click(eta_a, n - m), click(eta_a, m))
            two = (click(eta_b, m), click(eta_b, n - m))  # anticorrelated: the other mode is the right one
            for first, second in ((True, True), (True, False), (False, True)):
                p = (one[0] if first else 1 - one[0]) * (one[1] if second else 1 - one[1])
                for third, fourth in ((True, True), (True, False), (False, True)):
                    q = p * (two[0] if third else 1 - two[0]) * (two[1] if fourth else 1 - two[1])
                    same = 0.5 if (first and second) or (third and fourth) else float(first == third)
                    gain += weight * q
                    wrong += weight * q * same
    return gain, wrong / gain


@pytest.mark.parametrize(("eta_a", "eta_b", "pairs"), [(0.3, 0.05, 0.1), (0.9, 0.6, 0.5), (1.0, 1.0, 0.05)])
def test_coincidences_are_those_of_a_sum_over_pairs(eta_a, eta_b, pairs):
    gain, error = coincidences((Arm(eta_a, 0.0), Arm(eta_b, 0.0)), pairs)
    assert (gain, error) == pytest.approx(counted_pairs(eta_a, eta_b, pairs), rel=1e-6)


def test_dark_counts_and_misalignment_enter_as_errors():
    dark = (Arm(0.0, 1e-3), Arm(0.0, 2e-3))
    assert coincidences(dark, 0.1) == pytest.approx((2e-6, 0.5))
    clean = (Arm(1e-3, 0.0), Arm(1e-3, 0.0))
    base = coincidences(clean, 1e-5)[1]
    assert coincidences(clean, 1e-5, 0.03)[1] == pytest.approx(0.03 + base, rel=1e-3)


def test_the_best_mean_number_of_pairs_is_not_beaten_by_another():
    best = entangled_rate(LONG).bits_per_pulse
    others = [entangled_rate(LONG, mean_pairs=float(mu)).bits_per_pulse for mu in np.geomspace(1e-4, 1, 60)]
    assert 0.98 * best <= max(others) <= best * (1 + 1e-9)
    for mu in (0.0, 3.0, math.nan):
        with pytest.raises(LinkError, match="mean pairs"):
            entangled_rate(LONG, mean_pairs=mu)


def test_a_source_halfway_reaches_further_than_one_at_an_end():
    far = replace(GYS, length=200.0)
    assert entangled_rate(far, Placement.MIDDLE).bits_per_pulse > 0
    assert entangled_rate(far, Placement.END).bits_per_pulse == 0
    (one, two), (near, away) = arms_of(far, Placement.MIDDLE), arms_of(far, Placement.END)
    assert one == two
    assert near.transmittance == pytest.approx(0.045)
    assert one.transmittance**2 == pytest.approx(near.transmittance * away.transmittance)


def test_the_entangled_rate_ends_where_both_errors_use_up_the_bit():
    """R = q Q [1 - f h(E) - h(E)]: at f = 1 this is the one-way limit of 11.00 %."""
    link = replace(LONG, length=10.0, dark=0.0, reconciliation=1.0)
    assert binary_entropy(0.11) == pytest.approx(0.5, abs=1e-3)
    assert entangled_rate(replace(link, misalignment=0.109), mean_pairs=1e-5).bits_per_pulse > 0
    assert entangled_rate(replace(link, misalignment=0.1105), mean_pairs=1e-5).bits_per_pulse == 0


def interfered(eta, dark, mu, phases=4000):
    """Q_Z and E_Z of MDI without misalignment, by averaging over the relative phase of both pulses."""
    keep = 1 - dark
    phase = 2 * np.pi * (np.arange(phases) + 0.5) / phases
    bright = {"c": eta * mu * (1 + np.cos(phase)), "d": eta * mu * (1 - np.cos(phase))}
    one = lambda c, d: (
        (1 - keep * np.exp(-c)) * keep * np.exp(-d) + (1 - keep * np.exp(-d)) * keep * np.exp(-c)
    )
    same = np.mean(one(bright["c"], bright["d"]) * one(0.0, 0.0))
    apart = one(eta * mu / 2, eta * mu / 2) ** 2
    return (same + apart) / 2, same / (same + apart)


@pytest.mark.parametrize(
    ("eta", "dark", "mu"), [(0.1, 1e-4, 0.4), (0.9, 1e-2, 1.5), (1e-3, 1e-6, 0.3), (1.0, 0.0, 5.0)]
)
def test_the_gain_of_a_measuring_station_is_that_of_an_average_over_phases(eta, dark, mu):
    assert rectilinear(eta, dark, mu, 0.0) == pytest.approx(interfered(eta, dark, mu), rel=1e-7)


def test_single_pairs_at_a_station_have_their_known_limits():
    assert single_pairs(1.0, 0.0, 0.0) == (0.5, 0.0)
    assert single_pairs(0.0, 0.1, 0.0) == pytest.approx((4 * 0.1**2 * 0.9**2, 0.5))
    assert single_pairs(0.2, 0.0, 0.04)[1] == pytest.approx(0.04)


@pytest.mark.parametrize(("model", "power"), [(measuring_station_rate, 1.0), (twin_field_rate, 0.5)])
def test_lines_with_a_station_scale_as_they_are_said_to(model, power):
    """Slope over 20 dB where dark counts do not matter yet."""
    link = replace(LONG, dark=0.0, misalignment=0.0)
    rates = [model(replace(link, extra_loss=loss)).bits_per_pulse for loss in (20.0, 40.0)]
    assert math.log10(rates[0] / rates[1]) / 2 == pytest.approx(power, abs=0.01)


def test_the_twin_field_line_is_the_decoy_rate_over_half_the_channel_with_the_error_of_its_slices():
    link = replace(LONG, misalignment=0.0)
    half = replace(halved(link), misalignment=0.01275)
    assert halved(link).channel_transmittance ** 2 == pytest.approx(link.channel_transmittance)
    assert twin_field_rate(link).bits_per_pulse * PHASE_SLICES == pytest.approx(
        secret_key_rate(half).bits_per_pulse, rel=1e-3
    )


def test_the_twin_field_line_passes_the_bound_of_a_link_without_station_at_long_reach_only():
    """It may: a station halfway is no point-to-point link, and it is named."""
    above = lambda km: (
        twin_field_rate(replace(LONG, length=km)).bits_per_pulse
        > plob(replace(LONG, length=km).channel_transmittance)
    )
    assert [above(km) for km in (100.0, 200.0, 400.0, 450.0)] == [False, False, True, True]
    assert "halfway" in STATION
    assert "untrusted" in STATION


@settings(max_examples=400, deadline=None)
@given(links(), st.sampled_from(Placement), st.one_of(st.none(), st.floats(1e-5, 2.0)))
def test_no_entangled_rate_passes_the_repeaterless_bound(link, placement, pairs):
    found = entangled_rate(link, placement, pairs)
    assert 0 <= found.bits_per_pulse <= plob(link.channel_transmittance) * (1 + 1e-9)
    assert 0 <= found.error <= 0.5
    assert found.secret_key_rate <= link.clock * found.bits_per_pulse * (1 + 1e-9)


@settings(max_examples=400, deadline=None)
@given(links())
def test_lines_with_a_station_keep_below_the_bound_of_one_station(link):
    most = one_station_bound(link.channel_transmittance) * (1 + 1e-9)
    assert 0 <= twin_field_rate(link).bits_per_pulse <= most
    assert 0 <= measuring_station_rate(link).bits_per_pulse <= plob(link.channel_transmittance) * (1 + 1e-9)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("model", [entangled_rate, measuring_station_rate, twin_field_rate])
def test_every_model_falls_with_loss(name, model):
    base = load_preset(name, loss=10.0)
    rates = [
        model(replace(base, extra_loss=base.extra_loss + more)).secret_key_rate for more in (0, 1, 3, 10, 90)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0


@settings(max_examples=50, deadline=None)
@given(st.floats(60.0, 200.0))
def test_rates_stay_exact_where_nearly_nothing_arrives(loss):
    link = replace(LONG, extra_loss=loss, length=0.0, dark=0.0)
    assume(link.channel_transmittance > 0)
    for model, power in ((entangled_rate, 1.0), (measuring_station_rate, 1.0), (twin_field_rate, 0.5)):
        one, two = (model(replace(link, extra_loss=loss + more)).bits_per_pulse for more in (-10.0, 0.0))
        assert one / two == pytest.approx(10**power, rel=1e-3)
