"""Faults that come at once or slowly, and what a link does by itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.photonics.drift import DAY, Drift, Rates
from qorridor.photonics.events import Basis, Conditions
from qorridor.photonics.onset import MOMENTS, Course
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream

LINK = load_preset("demo-1ghz", loss=6.9)


def test_a_step_is_there_from_its_slot_on_and_a_ramp_grows_evenly():
    course = Course().inject("bend", 2.0, 1000).inject("drift", 0.1, 1000, 4000)
    assert course.at(1000) == Conditions(bend=2.0)
    assert course.at(3000).drift == pytest.approx(0.05)
    assert course.at(10**9) == course.settled == Conditions(bend=2.0, drift=0.1)


def test_a_stretch_in_which_nothing_moves_has_one_set_of_conditions():
    course = Course().inject("drift", 0.1, 1000, 4000)
    assert course.over(0, 1000) == (Conditions(),)
    assert course.over(5000, 9000) == (course.settled,)
    moments = course.over(2000, 4000)
    assert len(moments) == MOMENTS
    assert [at.drift for at in moments] == pytest.approx(np.linspace(0.025, 0.075, MOMENTS))


def test_another_severity_starts_from_where_the_ramp_stands_and_clear_ends_all():
    course = Course().inject("ageing", 4.0, 0, 1000).inject("ageing", 0.0, 500, 1000)
    assert [course.at(slot).ageing for slot in (500, 1000, 1500)] == pytest.approx([2.0, 1.0, 0.0])
    assert course.inject("clear", 0.0, 700) == Course()
    chosen = Course().inject("intercept", 0.5, 0, 100, basis=Basis.KEY)
    assert (chosen.at(50).intercept, chosen.at(50).basis) == (0.25, Basis.KEY)


@given(
    st.floats(0, 10),
    st.floats(0, 10),
    st.integers(0, 10**15),
    st.integers(1, 10**12),
    st.integers(0, 2 * 10**12),
)
def test_a_ramp_stays_between_its_ends(first, second, begins, span, later):
    course = Course().inject("bend", first, 0).inject("bend", second, begins, span)
    assert min(first, second) - 1e-9 <= course.at(begins + later).bend <= max(first, second) + 1e-9


def test_clicks_follow_a_ramp_within_one_stretch():
    course = Course().inject("bend", 6.0, 0, 100_000_000)
    slots = simulate(LINK, 0, 100_000_000, stream(51, 0), course.over(0, 100_000_000)).received.slots
    first, last = (np.searchsorted(slots, [a, a + 10_000_000]) for a in (0, 90_000_000))
    counts = first[1] - first[0], last[1] - last[0]
    assert counts[1] / counts[0] == pytest.approx(10**-0.54, rel=0.03)


def test_drift_has_the_spread_that_it_was_given_and_forgets_in_its_time():
    rng, rates = stream(52, 0), Rates(polarisation=0.2, polarisation_time=100.0)
    walks = [Drift(rates) for _ in range(4000)]
    for walk in walks:
        walk.advance(300.0, rng)
    before = np.array([walk.polarisation for walk in walks])
    for walk in walks:
        walk.advance(50.0, rng)
    after = np.array([walk.polarisation for walk in walks])
    assert before.std() == pytest.approx(0.2, rel=0.05)
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(np.exp(-0.5), abs=0.04)


def test_many_small_moves_of_the_drift_are_one_large_one():
    spread = [0.0, 0.0]
    for at, steps in enumerate((1, 40)):
        rng, found = stream(53, at), []
        for _ in range(1500):
            walk = Drift(Rates())
            for _ in range(steps):
                walk.advance(400 / steps, rng)
            found.append(walk.polarisation)
        spread[at] = np.std(found)
    assert spread[0] == pytest.approx(spread[1], rel=0.08)


def test_the_temperature_of_the_day_moves_the_phase_and_no_rates_move_nothing():
    noon = Drift(Rates(phase=0.0, weather=0.0, temperature=5.0, phase_per_kelvin=0.1))
    assert noon.advance(DAY / 4, stream(54, 0)).phase == pytest.approx(0.5)
    still = Rates(**dict.fromkeys(("polarisation", "phase", "loss", "temperature", "weather"), 0.0))
    assert Drift(still).advance(1e5, stream(54, 1)) == Conditions()


@pytest.mark.parametrize("change", [{"phase": -0.1}, {"loss_time": 0.0}, {"weather": float("nan")}], ids=str)
def test_a_drift_outside_its_range_is_refused(change):
    with pytest.raises(LinkError) as refused:
        replace(Rates(), **change)
    assert refused.value.code == "Q-LINK-001"
