from dataclasses import replace

import pytest

from qorridor.base.errors import LinkError
from qorridor.photonics.events import Conditions
from qorridor.photonics.parameters import Direction, LitChannel, raman_noise, raman_power
from qorridor.photonics.presets import PRESETS, document, load_preset

LINK = load_preset("metro")
WORKED = replace(LINK, length=50.0, attenuation=0.2, extra_loss=0.0)

ILLEGAL = [
    {"length": -1.0}, {"efficiency": 1.1}, {"dark": float("nan")}, {"misalignment": 0.6},
    {"probabilities": (0.5, 0.4)}, {"probabilities": (1.0,)}, {"intensities": (0.1, 0.4)},
    {"intensities": (0.4, -0.1)}, {"intensities": (0.4, 0.4)}, {"afterpulse": 1.0}, {"clock": 0.0},
    {"reconciliation": 0.9}, {"key_basis": 1.0}, {"intensities": (), "probabilities": ()},
    {"efficiency_factors": (1.0, 0.0)}, {"efficiency_factors": (6.0, 1.0)}, {"efficiency_factors": (1.0,)},
    {"dark_factors": (1.0, -1.0)}, {"misalignment_offsets": (-0.02, 0.0)}, {"misalignment_offsets": (0.0, 1.0)},
    {"intensity_factors": (1.0,)}, {"intensity_factors": (1.0, 11.0)}, {"intensity_noise": (0.1, float("nan"))},
    {"gate_offset": 2e-7}, {"stray": -1e-9}, {"gate": 1e-7},
]  # fmt: skip


@pytest.mark.parametrize("change", ILLEGAL, ids=str)
def test_a_value_outside_its_range_is_refused_with_the_range(change):
    with pytest.raises(LinkError) as refused:
        replace(LINK, **change)
    assert refused.value.code == "Q-LINK-001"


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_has_a_source_and_every_preset_says_what_it_was_made_for(name):
    preset = document(name)
    assert preset["made_for"]
    assert preset["version"] == 1
    assert all(entry["source"] for entry in preset["values"].values())
    assert {"gate", "filter_width", "raman_coefficient"} <= set(preset["values"])
    assert load_preset(name).name == name


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(LinkError, match="demo-1ghz"):
        load_preset("../etc/passwd")


def test_the_estates_measured_loss_replaces_the_presets():
    assert load_preset("demo-1ghz", length=22.8, loss=5.56).loss == pytest.approx(5.56)
    assert load_preset("demo-1ghz", length=100.0, loss=6.9).loss == pytest.approx(6.9)
    assert load_preset("demo-1ghz").loss == pytest.approx(6.9)


def test_raman_light_has_the_worked_power_in_both_directions():
    assert raman_power(WORKED, LitChannel(0.0)) == pytest.approx(8.0e-12, rel=0.01)
    assert raman_power(WORKED, LitChannel(0.0, Direction.BACKWARD)) == pytest.approx(1.72e-11, rel=0.02)
    flat = replace(WORKED, attenuation=0.0)
    assert raman_power(flat, LitChannel(0.0, Direction.BACKWARD)) == pytest.approx(8.0e-11, rel=0.01)


def test_raman_light_adds_to_the_noise_of_every_gate():
    lit = replace(WORKED, lit=(LitChannel(-25.0), LitChannel(-25.0, Direction.BACKWARD)))
    assert lit.noise == pytest.approx(lit.dark + raman_noise(lit))
    photons = 1e-3 * 10**-2.5 * (8.0e-9 + 1.72e-8) / 1.28e-19 * lit.gate
    assert raman_noise(lit) == pytest.approx(photons * lit.efficiency * 10**-0.25 / 2, rel=0.02)
    with pytest.raises(LinkError):
        LitChannel(30.0)


def test_light_beside_the_gate_is_lost_and_the_middle_is_what_the_efficiency_holds_for():
    link = replace(LINK, gate=1e-9, jitter=1e-10)
    assert link.gate_share == 1
    half = replace(link, gate_offset=5e-10)
    assert half.gate_share == pytest.approx(0.5, rel=1e-5)
    assert half.transmittance == pytest.approx(link.transmittance / 2, rel=1e-5)
    assert replace(link, gate_offset=-5e-10).gate_share == half.gate_share
    far = replace(link, gate_offset=2e-9)
    assert 0 < far.gate_share < 1e-40
    sharp = replace(link, jitter=0.0)
    assert [replace(sharp, gate_offset=at).gate_share for at in (4.9e-10, 5.1e-10)] == [1, 0]


def test_faults_are_checked_and_cleared():
    now = Conditions().after("bend", 3.0).after("intercept", 0.25).after("drift", 0.01)
    assert (now.bend, now.intercept, now.drift) == (3.0, 0.25, 0.01)
    assert now.after("cut").apply(LINK).transmittance < 1e-15
    assert now.apply(LINK).loss == pytest.approx(LINK.loss + 3)
    assert now.after("clear") == Conditions()
    for fault, value in (("intercept", 1.5), ("bend", -1.0), ("melt", 0.0), ("drift", float("nan"))):
        with pytest.raises(LinkError) as refused:
            now.after(fault, value)
        assert refused.value.code == "Q-LINK-003"
