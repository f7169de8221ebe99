from dataclasses import replace

import pytest
from hypothesis import given, settings

from qorridor.photonics.expectation import expect
from qorridor.photonics.presets import load_preset
from qorridor.photonics.rates import plob, secret_key_rate, vacuum_weak_rate
from tests.photonics.links import links

GYS = load_preset("gys")
TABLE = {0: (2.555e-3, 3.304, 2.414e-3), 25: (7.544e-4, 3.312, 7.113e-4), 50: (2.226e-4, 3.341, 2.096e-4),
         75: (6.435e-5, 3.438, 6.046e-5), 120: (4.815e-6, 4.486, 4.369e-6)}  # fmt: skip


@pytest.mark.parametrize("length", TABLE)
def test_the_gobby_yuan_shields_table_is_met_within_half_a_percent(length):
    link = replace(GYS, length=float(length))
    rate, error, weak = TABLE[length]
    found = secret_key_rate(link)
    assert found.bits_per_pulse == pytest.approx(rate, rel=5e-3)
    assert 100 * found.signal_error == pytest.approx(error, rel=1e-3)
    assert vacuum_weak_rate(link) == pytest.approx(weak, rel=5e-3)


def test_the_rate_ends_at_142_kilometres():
    assert secret_key_rate(replace(GYS, length=141.71)).bits_per_pulse > 0
    assert secret_key_rate(replace(GYS, length=142.31)).bits_per_pulse == 0


def test_the_best_signal_intensity_is_the_published_one_and_reaches_a_little_further():
    """(1 - mu) e^-mu = f h(e_mis)/(1 - h(e_mis)) at 0.4789 (Ma 2005); the rate then ends at 142.21 km."""
    near = replace(GYS, length=20.0, dark=0.0)
    rate = lambda mu: secret_key_rate(replace(near, intensities=(mu, 0.05, 0.0))).bits_per_pulse
    mus = [0.47 + 0.0001 * step for step in range(200)]
    assert max(mus, key=rate) == pytest.approx(0.4789, abs=0.004)
    ends = lambda km: max(
        secret_key_rate(replace(GYS, length=km, intensities=(mu, 0.05, 0.0))).bits_per_pulse
        for mu in (0.40, 0.42, 0.44, 0.46, 0.48, 0.50)
    )
    assert ends(141.91) > 0
    assert ends(142.51) == 0


PRESETS = {
    "gys": (None, 1.925e-3, 3.341, 1.39e3, 312), "decoy-1ghz": (None, 5.04e-3, 2.95, 4.0e6, 1.5e6),
    "metro": (None, 6.0e-3, 1.99, 1.5e5, 5.3e4), "snspd-long": (None, 1.13e-6, 1.04, 1.8e3, 8.0e2),
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_the_figures_of_its_table_within_two_percent(name):
    loss, gain, error, sifted, rate = PRESETS[name]
    found = secret_key_rate(load_preset(name, loss=loss))
    assert found.signal_gain == pytest.approx(gain, rel=0.02)
    assert 100 * found.signal_error == pytest.approx(error, rel=0.02)
    assert found.sifted_per_second == pytest.approx(sifted, rel=0.02)
    assert found.secret_key_rate == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize(
    ("loss", "gain", "error", "clicks", "rate"),
    [
        (28, 2.40e-4, 1.65, 1.80e4, 3.1e3),
        (32, 9.66e-5, 2.25, 7.30e3, 1.07e3),
        (36, 3.97e-5, 3.70, 3.03e3, 2.8e2),
    ],
)
def test_the_satellite_preset_gives_its_figures_over_a_pass(loss, gain, error, clicks, rate):
    found = secret_key_rate(load_preset("sat-downlink", loss=loss))
    assert found.signal_gain == pytest.approx(gain, rel=0.02)
    assert 100 * found.signal_error == pytest.approx(error, rel=0.02)
    assert found.clicks_per_second == pytest.approx(clicks, rel=0.02)
    assert found.secret_key_rate == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize(("loss", "bound"), [(10, 0.15200), (20, 0.014500), (50, 1.4427e-5)])
def test_the_repeaterless_bound_has_its_known_values(loss, bound):
    assert plob(10 ** (-loss / 10)) == pytest.approx(bound, rel=1e-4)


@settings(max_examples=300, deadline=None)
@given(links())
def test_no_rate_passes_the_repeaterless_bound(link):
    found = secret_key_rate(link)
    assert 0 <= found.bits_per_pulse <= found.plob_bits_per_pulse * (1 + 1e-9)


@settings(max_examples=200, deadline=None)
@given(links())
def test_gains_and_errors_stay_in_their_ranges_and_order(link):
    expected = expect(link)
    assert all(0 <= q <= 1 for q in expected.gains)
    assert all(-1e-12 <= e <= 0.5 + 1e-9 for e in expected.errors)
    assert list(expected.gains) == sorted(expected.gains, reverse=True)


@pytest.mark.parametrize("field", ["length", "attenuation", "dark", "misalignment"])
def test_the_rate_falls_with_everything_that_hurts(field):
    rates = [
        secret_key_rate(replace(GYS, **{field: getattr(GYS, field) * f})).bits_per_pulse
        for f in (1, 1.1, 1.3)
    ]
    assert rates[0] > rates[1] > rates[2]
