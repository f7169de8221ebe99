from dataclasses import replace

import numpy as np
import pytest

from qorridor.photonics.events import Conditions
from qorridor.photonics.expectation import expect, observe
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream
from tests.photonics.comparing import table

DEMO = load_preset("demo-1ghz", loss=6.9)
CLEAN = replace(DEMO, afterpulse=0.0, dead_time=0.0)


def mistakes(rows):
    """Number of matched detections and of wrong bits among them, a double click counting half."""
    matched = rows[rows[:, 2] == rows[:, 4]]
    return len(matched), ((matched[:, 5] == 3) / 2 + (matched[:, 5] == 2 - matched[:, 3])).sum()


@pytest.mark.parametrize("loss", [0.0, 6.9, 25.0])
@pytest.mark.parametrize("afterpulse", [0.0, 0.01])
def test_gains_and_errors_are_within_four_sigma_of_the_closed_form(loss, afterpulse):
    link = replace(load_preset("demo-1ghz", loss=loss), afterpulse=afterpulse, dead_time=0.0)
    slots = int(4e5 / expect(link).click_probability)
    rows = table(simulate(link, 0, slots, stream(3, 7)))
    gains, errors = observe(link)
    for index, (gain, error) in enumerate(zip(gains, errors, strict=True)):
        mine = rows[rows[:, 1] == index]
        count = slots * link.probabilities[index] * gain
        assert abs(len(mine) - count) < 4 * np.sqrt(count) + 1
        total, wrong = mistakes(mine)
        assert abs(wrong - error * total) < 4 * np.sqrt(error * total) + 2


def test_without_afterpulses_counted_and_expected_gains_are_one():
    expected = expect(CLEAN)
    for left, right in zip(observe(CLEAN), (expected.gains, expected.errors), strict=True):
        assert left == pytest.approx(right)


@pytest.mark.requirement("A-21")
@pytest.mark.parametrize("fraction", [0.05, 0.25, 1.0])
def test_intercept_and_resend_raises_the_error_rate_as_the_formula_says(fraction):
    rows = table(simulate(CLEAN, 0, 100_000_000, stream(4, 0), Conditions(intercept=fraction)))
    total, wrong = mistakes(rows)
    plain = expect(CLEAN).qber
    qber = (1 - fraction) * plain + fraction * (0.25 + plain / 2)
    assert abs(wrong - qber * total) < 4 * np.sqrt(qber * total)
    for index, gain in enumerate(observe(CLEAN)[0]):
        count = 1e8 * CLEAN.probabilities[index] * gain
        assert abs((rows[:, 1] == index).sum() - count) < 4.5 * np.sqrt(count), (
            "clicks of each intensity stay"
        )


def test_dead_time_lowers_the_rate_as_a_veto_of_both_gates():
    link = replace(DEMO, dead_time=1e-7, afterpulse=0.0)
    block = simulate(link, 0, 100_000_000, stream(5, 0))
    expected = expect(link).detections_per_second / link.clock * 1e8
    assert abs(len(block.received.slots) - expected) < 5 * np.sqrt(expected)
    assert np.diff(block.received.slots).min() > 100


def test_a_cut_leaves_dark_counts_only_and_a_bend_scales_all_gains():
    cut = simulate(CLEAN, 0, 200_000_000, stream(6, 0), Conditions(cut=True))
    assert abs(len(cut.received.slots) - 800) < 5 * 800**0.5
    bent = simulate(CLEAN, 0, 100_000_000, stream(6, 0), Conditions(bend=3.0))
    expected = expect(CLEAN.degraded(extra_loss=3.0)).click_probability * 1e8
    assert abs(len(bent.received.slots) - expected) < 5 * expected**0.5


def test_drift_raises_the_matched_error():
    rows = table(simulate(CLEAN, 0, 100_000_000, stream(6, 1), Conditions(drift=0.05)))
    matched = rows[rows[:, 2] == rows[:, 4]]
    assert 0.055 < (matched[:, 5] == 2 - matched[:, 3]).mean() < 0.065


def test_the_same_seed_gives_the_same_clicks_and_another_does_not():
    first, again, other = (simulate(DEMO, 10**15, 10**7, stream(seed, 3)) for seed in (8, 8, 9))
    assert np.array_equal(table(first), table(again))
    assert not np.array_equal(table(first)[:50], table(other)[:50])
    assert first.received.slots[0] > 10**15


def test_no_click_is_a_legal_sub_block():
    dark = replace(CLEAN, dark=0.0)
    assert not len(simulate(dark, 0, 10**6, stream(1, 1), Conditions(cut=True)).received.slots)
    assert not len(simulate(dark, 0, 0, stream(1, 1)).received.slots)
