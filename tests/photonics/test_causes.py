"""Each row of the signature table shows in counts and monitors as the table says, and nowhere else."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.photonics.causes import CAUSES, ELSEWHERE, FAULTS
from qorridor.photonics.events import Basis, Conditions, Light
from qorridor.photonics.expectation import expect, observe
from qorridor.photonics.housekeeping import monitor
from qorridor.photonics.law import law
from qorridor.photonics.parameters import LitChannel
from qorridor.photonics.presets import PRESETS, load_preset
from qorridor.photonics.simulation import simulate, stream
from tests.photonics.comparing import table

LINK = replace(load_preset("demo-1ghz", loss=6.9), dark=2e-5, probabilities=(0.3, 0.4, 0.3))
SLOTS = 200_000_000


class Seen:
    """Counts of one run as both ends would work them out, and the monitors."""

    def __init__(self, now, number):
        block = simulate(LINK, 0, SLOTS, stream(31, number), now)
        rows = table(block)
        self.monitors = monitor(LINK, block, now, stream(32, number))
        sent = np.array(LINK.probabilities) * SLOTS
        self.clicks = np.bincount(rows[:, 1], minlength=3)
        self.gains = self.clicks / sent
        self.qber = [error_rate(rows, basis) for basis in (0, 1)]
        self.detectors = [int((rows[:, 5] >> at & 1).sum()) for at in (0, 1)]
        self.doubles = int((rows[:, 5] == 3).sum())
        dark = rows[rows[:, 1] == 2]
        self.vacuum = [int((dark[:, 5] >> at & 1).sum()) for at in (0, 1)]

    @property
    def ratio(self):
        """Gain of the decoy over that of the signal."""
        return self.gains[1] / self.gains[0]


def error_rate(rows, basis):
    used = rows[(rows[:, 2] == basis) & (rows[:, 4] == basis) & (rows[:, 1] == 0)]
    return ((used[:, 5] == 3) / 2 + (used[:, 5] == 2 - used[:, 3])).mean()


@cache
def seen(number=0, **now):
    return Seen(Conditions(**now), number)


@cache
def calm():
    return seen(99)


def same(left, right, sigma=5):
    """Whether two counts are alike."""
    return abs(int(left) - int(right)) < sigma * (int(left) + int(right) + 1) ** 0.5


def flat_gains(found):
    return all(same(a, b) for a, b in zip(found.clicks, calm().clicks, strict=True))


def flat_qber(found):
    return all(abs(a - b) < 2e-3 for a, b in zip(found.qber, calm().qber, strict=True))


def test_interception_raises_both_error_rates_and_nothing_else():
    found = seen(1, intercept=0.2)
    assert flat_gains(found)
    assert same(found.doubles, calm().doubles)
    for mine, plain in zip(found.qber, calm().qber, strict=True):
        assert mine == pytest.approx(0.8 * plain + 0.2 * (0.25 + plain / 2), rel=0.05)
    mine, usual = found.monitors.receiver, calm().monitors.receiver
    assert same(mine.off_gate_darks[0], usual.off_gate_darks[0])
    assert mine.visibility == pytest.approx(usual.visibility, abs=0.01)


@pytest.mark.parametrize(("basis", "hit"), [(Basis.KEY, 1), (Basis.TEST, 0)])
def test_an_eavesdropper_who_fixes_her_basis_raises_only_the_other_ones_errors_to_a_half(basis, hit):
    found = seen(2, intercept=1.0, basis=basis)
    assert found.qber[hit] == pytest.approx(0.5, abs=0.01)
    assert found.qber[1 - hit] == pytest.approx(calm().qber[1 - hit], abs=2e-3)
    assert flat_gains(found)


def test_resending_one_and_the_same_light_breaks_the_decoys_and_keeps_the_signal():
    found = seen(3, intercept=1.0, light=Light.BROKEN)
    assert found.gains[0] == pytest.approx(calm().gains[0], rel=0.02)
    assert found.ratio > 1.1 * calm().ratio


def test_splitting_keeps_errors_and_signal_and_starves_the_decoys():
    found = seen(4, splitting=1.0)
    assert found.gains[0] == pytest.approx(calm().gains[0], rel=0.02)
    assert found.ratio < 0.9 * calm().ratio
    assert flat_qber(found)


def test_blinding_silences_dark_counts_and_doubles_and_lifts_current_and_power():
    found = seen(5, blinding=1.0)
    assert (found.gains[2] < calm().gains[2] / 4, found.doubles) == (True, 0)
    assert max(found.qber) < 0.01
    mine, usual = found.monitors.receiver, calm().monitors.receiver
    assert mine.off_gate_darks == (0, 0)
    assert min(mine.photocurrents) > 100 * max(usual.photocurrents)
    assert mine.optical_power > usual.optical_power + 30


def test_a_time_shift_biases_the_detectors_by_arrival():
    found = seen(6, shift=1.0)
    assert found.detectors[0] / found.detectors[1] > 1.1
    histograms = np.array(found.monitors.receiver.arrivals)
    early, late = histograms[:, :20].sum(axis=1), histograms[:, 44:].sum(axis=1)
    assert early[0] > 2 * early[1]
    assert late[1] > 2 * late[0]
    assert max(found.qber) < max(calm().qber) + 0.01


def test_a_trojan_horse_shows_at_the_transmitters_monitor_and_nowhere_in_the_counts():
    found = seen(7, trojan=1.0)
    assert flat_gains(found)
    assert flat_qber(found)
    assert found.monitors.transmitter.back_reflection > calm().monitors.transmitter.back_reflection + 20


@pytest.mark.parametrize(
    ("cause", "ratio", "reflection"), [("bend", 1.2, -65), ("connector", 1.1, -35), ("ageing", 1.1, -65)]
)
def test_loss_scales_all_light_alike_and_the_line_tells_its_kind(cause, ratio, reflection):
    found = seen(8, **{cause: 3.0})
    factor = 10**-0.3
    for at in (0, 1):
        light = [(which.gains[at] - which.gains[2]) for which in (found, calm())]
        assert light[0] / light[1] == pytest.approx(factor, rel=0.03)
    line = found.monitors.line
    assert line.supervisory_power == pytest.approx(calm().monitors.line.supervisory_power - 3, abs=0.2)
    assert line.otdr_step == pytest.approx(3.0, abs=0.1)
    assert line.otdr_reflection == pytest.approx(reflection, abs=3)
    assert (line.loss_ratio > 1.2) == (ratio > 1.1)


def test_a_cut_leaves_dark_counts_and_no_supervisory_channel():
    found = seen(9, cut=1.0)
    expected = 2 * LINK.dark * SLOTS
    assert abs(found.clicks.sum() - expected) < 6 * (expected * 1.1) ** 0.5
    assert found.monitors.line.supervisory_power is None
    assert found.qber[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("cause", "amount"), [("raman", 0.01), ("stray", 3e-5)])
def test_foreign_light_lifts_the_vacuum_and_not_what_the_signal_adds(cause, amount):
    found = seen(10, **{cause: amount})
    assert found.gains[2] > 1.5 * calm().gains[2]
    for at in (0, 1):
        assert found.gains[at] - found.gains[2] == pytest.approx(calm().gains[at] - calm().gains[2], rel=0.03)
    assert same(found.vacuum[0], found.vacuum[1])
    assert (found.monitors.line.launch_power is None) == (cause == "stray")


def test_a_failing_cooler_warms_one_detector_and_doubles_its_dark_counts_every_nine_kelvin():
    found = seen(11, cooler=18.0)
    assert same(found.vacuum[0], calm().vacuum[0])
    assert found.vacuum[1] > 2.2 * calm().vacuum[1]
    darks = found.monitors.receiver.off_gate_darks
    assert darks[1] / darks[0] == pytest.approx(4, rel=0.4)
    assert found.monitors.receiver.temperatures == pytest.approx((-40, -22), abs=0.2)


def test_an_ageing_detector_loses_light_and_gains_dark_counts_alone():
    found = seen(12, detector=0.5)
    assert found.detectors[1] < 0.6 * calm().detectors[1]
    assert found.detectors[0] == pytest.approx(calm().detectors[0], rel=0.02)


def test_polarisation_hits_the_test_basis_more_and_shows_in_the_supervisory_light():
    found = seen(13, polarisation=0.4)
    risen = [mine - plain for mine, plain in zip(found.qber, calm().qber, strict=True)]
    assert risen[1] > 2 * risen[0] > 0
    assert flat_gains(found)
    assert found.monitors.line.supervisory_polarisation == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(("cause", "amount"), [("phase", 0.4), ("laser", 1.0)])
def test_phase_and_wavelength_hit_the_test_basis_alone(cause, amount):
    found = seen(14, **{cause: amount})
    assert found.qber[1] > calm().qber[1] + 0.03
    assert found.qber[0] == pytest.approx(calm().qber[0], abs=2e-3)
    assert found.monitors.receiver.visibility < calm().monitors.receiver.visibility - 0.05
    told, usual = found.monitors.transmitter.laser_temperature, calm().monitors.transmitter.laser_temperature
    assert (abs(told - usual) > 0.008) == (cause == "laser")


def test_a_modulator_fault_looks_like_splitting_until_the_power_monitor_is_read():
    found = seen(15, modulator=0.3)
    assert found.ratio > 1.2 * calm().ratio
    assert same(found.clicks[0], calm().clicks[0])
    assert flat_qber(found)
    assert found.monitors.transmitter.power > 1.05 > seen(4, splitting=1.0).monitors.transmitter.power


def test_a_clock_that_slips_moves_the_arrivals_and_lowers_all_gains():
    found = seen(16, clock=480.0)
    assert found.gains[0] < 0.75 * calm().gains[0]
    assert np.array(found.monitors.receiver.arrivals).sum(axis=0)[32:].sum() > 0.95 * found.clicks.sum()
    assert min(found.qber) > min(calm().qber)


def test_drift_of_the_calibration_raises_both_bases():
    found = seen(17, drift=0.03)
    for mine, plain in zip(found.qber, calm().qber, strict=True):
        assert mine == pytest.approx(plain + 0.03, abs=3e-3)


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.name)
def test_severities_have_a_range_and_small_ones_do_little(cause):
    calmly = Conditions().after(cause.name, 0.0)
    assert calmly == Conditions()
    assert expect(calmly.apply(LINK)) == expect(LINK)
    tiny = simulate(LINK, 0, 10**7, stream(33, 0), Conditions().after(cause.name, 1e-9 * cause.most))
    plain = simulate(LINK, 0, 10**7, stream(33, 0))
    assert same(len(tiny.received.slots), len(plain.received.slots), 3)
    simulate(LINK, 0, 10**5, stream(33, 1), Conditions().after(cause.name, cause.most))
    for wrong in (cause.most * 1.01, cause.least - 1e-3, float("nan")):
        with pytest.raises(LinkError) as refused:
            Conditions().after(cause.name, wrong)
        assert refused.value.code == "Q-LINK-003"


@pytest.mark.parametrize("cause", ELSEWHERE)
def test_what_is_no_matter_of_optics_is_refused_with_the_place_it_belongs_to(cause):
    with pytest.raises(LinkError, match="optics") as refused:
        Conditions().after(cause)
    assert "link ends" in refused.value.remedy
    assert cause not in FAULTS


def test_causes_add_up_and_all_of_them_at_once_are_a_link_still():
    worst = Conditions(**{cause.field: cause.most for cause in CAUSES.values()})
    assert worst.plus(worst) == worst
    assert expect(worst.apply(replace(LINK, lit=(LitChannel(0.0),)))).qber <= 0.5
    assert simulate(LINK, 0, 1000, stream(34, 0), worst).stop == 1000
    assert Conditions(bend=1.0).plus(Conditions(bend=2.0, cut=1.0)) == Conditions(bend=3.0, cut=1.0)


severities = st.fixed_dictionaries({
    cause.field: st.just(0.0) | st.floats(cause.least, cause.most) for cause in CAUSES.values()
})  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(severities, st.sampled_from(Basis), st.sampled_from(Light), st.sampled_from(PRESETS), st.floats(0, 60))
def test_the_law_of_a_slot_is_a_law_whatever_happens_to_the_link(found, basis, light, preset, loss):
    link = load_preset(preset, loss=loss)
    made = law(link, Conditions(**found, basis=basis, light=light))
    assert made.cells.min() >= 0
    assert made.settings.min() >= 0
    assert made.chance + made.settings.sum() == pytest.approx(1, abs=1e-12)
    sent = (made.cells.sum(axis=(1, 2)) + made.settings).reshape(-1, 8).sum(axis=1)
    assert sent == pytest.approx(np.array(link.probabilities)), "who interferes changes nothing that was sent"


UNEVEN = {
    "detectors": {"efficiency_factors": (1.3, 0.6), "dark_factors": (0.5, 8.0)},
    "bases": {"misalignment_offsets": (0.0, 0.05)},
    "intensities": {"intensity_factors": (1.1, 0.7, 2.0)},
    "noisy intensities": {"intensity_noise": (0.3, 0.2, 0.0)},
}


@pytest.mark.parametrize("kind", UNEVEN)
def test_closed_forms_of_an_uneven_link_meet_the_simulation(kind):
    link = replace(LINK, dead_time=0.0, afterpulse=0.0, **UNEVEN[kind])
    rows = table(simulate(link, 0, SLOTS, stream(35, 0)))
    for index, (gain, error) in enumerate(zip(*observe(link), strict=True)):
        mine = rows[rows[:, 1] == index]
        count = SLOTS * link.probabilities[index] * gain
        assert abs(len(mine) - count) < 4.5 * count**0.5
        matched = mine[mine[:, 2] == mine[:, 4]]
        wrong = ((matched[:, 5] == 3) / 2 + (matched[:, 5] == 2 - matched[:, 3])).sum()
        share = (link.key_basis**2 + (1 - link.key_basis) ** 2) * count
        assert abs(wrong - error * share) < 4.5 * (error * share) ** 0.5 + 2
