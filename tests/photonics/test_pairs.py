"""Entangled pairs: the same interface, an oracle of their own, and the closed form of their coincidences."""

from dataclasses import replace

import numpy as np
import pytest

from qorridor.base.errors import LinkError
from qorridor.photonics import simulation
from qorridor.photonics.events import Basis, Conditions
from qorridor.photonics.memory import TransmitterMemory
from qorridor.photonics.pairs import PairLink, Source, expect_pairs, pair_law, pair_rate
from qorridor.photonics.presets import load_preset
from qorridor.photonics.rates import plob
from qorridor.photonics.simulation import simulate, stream
from tests.photonics.comparing import p_values, table
from tests.photonics.pair_oracle import coincidences

LINE = replace(
    load_preset("demo-1ghz", length=10.0, loss=3.0), intensities=(0.3,), probabilities=(1.0,), efficiency=0.6,
    dark=1e-3, misalignment=0.02, jitter=1e-10, afterpulse=0.0, dead_time=0.0,
)  # fmt: skip
LINK = PairLink(LINE, efficiency=0.5, dark=2e-2)
BUSY = replace(
    LINK,
    line=replace(LINE, dead_time=4e-9, afterpulse=0.3, afterpulse_decay=1e-8),
    dead_time=9e-9,
    afterpulse=0.2,
)
BUNCHED = replace(
    LINK, source=Source.DOWN_CONVERSION, line=replace(LINE, intensities=(0.8,), misalignment=0.1)
)
CASES = {"plain": (LINK, 0.0), "dead time and echoes at both ends": (BUSY, 0.0), "intercept": (LINK, 0.7),
         "down-conversion": (BUNCHED, 0.0)}  # fmt: skip
LIMIT = 0.01 / (6 * len(CASES))


@pytest.fixture(scope="module")
def truth():
    found = {}

    def of(case):
        if case not in found:
            link, intercept = CASES[case]
            share = len(coincidences(link, 200_000, stream(41, 0), intercept)) / 200_000
            slots = int(110_000 / share)
            found[case] = slots, coincidences(link, slots, stream(41, 1), intercept)
        return found[case]

    return of


def compared(truth, case, now):
    slots, rows = truth(case)
    assert len(rows) > 100_000
    mine = table(simulate(CASES[case][0], 0, 2 * slots, stream(42, 0), now))
    return p_values(rows, mine, (slots, 2 * slots), 500)


@pytest.mark.parametrize("case", CASES)
def test_coincidences_are_those_of_a_pulse_by_pulse_source(truth, case):
    found = compared(truth, case, Conditions(intercept=CASES[case][1]))
    assert min(found.values()) > LIMIT, found


def without_accidentals(link, now):
    return pair_law(replace(link, dark=1e-6), now)


MUTANTS = {
    "accidental coincidences of dark counts are left out": ("plain", "pair_law", without_accidentals),
    "an end has the other one's dead time": (
        "dead time and echoes at both ends", "pair_memory",
        lambda link: replace(simulation_memory(link), dead=simulation_memory(link).dead[::-1]),
    ),
    "an eavesdropper leaves no trace": ("intercept", "pair_law", lambda link, _now: pair_law(link, Conditions())),
}  # fmt: skip
MUTANTS["pairs do not bunch"] = (
    "down-conversion", "pair_law", lambda link, now: pair_law(replace(link, source=Source.POISSON), now),
)  # fmt: skip
simulation_memory = simulation.pair_memory


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_error_is_told_from_the_pulse_by_pulse_source(truth, name, monkeypatch):
    case, attribute, mutant = MUTANTS[name]
    monkeypatch.setattr(simulation, attribute, mutant)
    found = compared(truth, case, Conditions(intercept=CASES[case][1]))
    assert min(found.values()) < LIMIT, found


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("pairs", [0.005, 0.1, 1.0])
def test_the_closed_form_counts_the_coincidences_and_their_errors(source, pairs):
    link = replace(
        LINK, source=source, line=replace(LINE, intensities=(pairs,), misalignment_offsets=(0.0, 0.0))
    )
    expected = expect_pairs(link)
    slots = int(1e5 / expected.gains[0])
    rows = table(simulate(link, 0, slots, stream(43, 0)))
    assert abs(len(rows) - 1e5) < 4.5 * 1e5**0.5
    matched = rows[rows[:, 2] == rows[:, 4]]
    wrong = ((matched[:, 5] == 3) / 2 + (matched[:, 5] == 2 - matched[:, 3])).sum()
    assert abs(wrong - expected.qber * len(matched)) < 4.5 * (expected.qber * len(matched)) ** 0.5


def test_more_pairs_mean_more_accidentals_and_a_best_brightness_exists():
    rates, errors = [], []
    for pairs in (0.001, 0.03, 0.1, 0.5, 2.0):
        link = replace(LINK, dark=1e-6, line=replace(LINE, dark=1e-6, intensities=(pairs,)))
        rates.append(pair_rate(link))
        errors.append(expect_pairs(link).qber)
        assert rates[-1] <= plob(LINE.channel_transmittance)
    assert errors == sorted(errors)
    assert rates.index(max(rates)) not in (0, 4)
    assert rates[4] == 0


def test_who_distils_sees_no_difference_between_the_protocols():
    block = simulate(LINK, 0, 500_000, stream(44, 0))
    other = simulate(load_preset("demo-1ghz"), 0, 500_000, stream(44, 0))
    for mine, theirs in ((block.received, other.received), (block.sent, other.sent)):
        for name in theirs.__slots__:
            assert getattr(mine, name).dtype == getattr(theirs, name).dtype, name
    memory = TransmitterMemory(LINK, stream(44, 1))
    memory.record(block.sent, block.stop)
    assert np.array_equal(memory.answer(block.received.slots).bits, block.sent.bits)


def test_faults_of_the_line_act_on_pairs_too_and_what_needs_decoys_is_refused():
    plain, bent = (
        len(simulate(LINK, 0, 10**6, stream(45, 0), now).sent.slots) for now in (None, Conditions(bend=3.0))
    )
    assert bent / plain == pytest.approx(0.52, abs=0.03)
    turned = table(simulate(LINK, 0, 10**6, stream(45, 1), Conditions(intercept=1.0, basis=Basis.KEY)))
    wrong = [
        np.mean(r[:, 5] == 2 - r[:, 3])
        for r in (turned[(turned[:, 2] == b) & (turned[:, 4] == b)] for b in (0, 1))
    ]
    assert wrong[0] < 0.15 < 0.4 < wrong[1]
    with pytest.raises(LinkError) as refused:
        simulate(LINK, 0, 1000, stream(45, 2), Conditions(splitting=0.5))
    assert refused.value.code == "Q-LINK-003"
    with pytest.raises(LinkError):
        simulate(BUNCHED, 0, 1000, stream(45, 3), Conditions(intercept=0.5))


def test_few_pairs_are_the_same_from_either_source():
    few = [
        replace(LINK, dark=1e-9, source=source, line=replace(LINE, dark=1e-9, intensities=(1e-4,)))
        for source in Source
    ]
    laws = [pair_law(link, Conditions()).cells for link in few]
    assert laws[0] == pytest.approx(laws[1], rel=1e-3, abs=1e-9)
    assert expect_pairs(few[0]).qber == pytest.approx(expect_pairs(few[1]).qber, rel=0.01)


@pytest.mark.parametrize("change", [{"efficiency": 1.5}, {"dark": -1.0}, {"dead_time": float("nan")},
                                    {"line": load_preset("demo-1ghz")}], ids=str)  # fmt: skip
def test_a_value_outside_its_range_is_refused(change):
    with pytest.raises(LinkError) as refused:
        replace(LINK, **change)
    assert refused.value.code == "Q-LINK-001"
