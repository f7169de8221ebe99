"""Guards, hysteresis and determinism of a corridor's states (contract of roll-over, section 6)."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.run.corridor_state import CorridorState, Limits, Observation, Proposal, State

LIMITS = Limits(
    interval=120, floor=4, reserve=720, fallback="pqc", fallback_limit=86400, no_fresh_key=240, window=600,
    down_factor=0.8, up_factor=1.2, return_after=600, dwell=60, max_transitions_per_hour=6,
)  # fmt: skip
RICH = Observation(now=0, left=700, fresh=1.0, silence=5, epoch_age=60)
DRY = replace(RICH, fresh=0.0, silence=500)


def machine(state, limits=LIMITS, *, cause="restart"):
    made = CorridorState(limits)
    made.enter(state, -1000.0, cause)
    return made


def test_after_an_unknown_past_a_corridor_is_closed():
    assert CorridorState(LIMITS).state is State.FAIL_CLOSED


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (State.FAIL_CLOSED, RICH, Proposal(State.HYBRID, "supply-restored")),
        (State.FAIL_CLOSED, replace(RICH, left=11), None),
        (State.FAIL_CLOSED, replace(RICH, silence=500), None),
        (State.HYBRID, RICH, None),
        (State.HYBRID, replace(RICH, silence=241), Proposal(State.CACHED, "no-fresh-key")),
        (State.HYBRID, replace(RICH, fresh=0.79 / 120), Proposal(State.CACHED, "no-fresh-key")),
        (State.HYBRID, replace(RICH, fresh=0.81 / 120), None),
        (State.CACHED, DRY, None),
        (State.CACHED, replace(DRY, left=4), Proposal(State.PQC_ONLY, "exhausted")),
        (State.CACHED, replace(DRY, left=5), None),
        (State.PQC_ONLY, DRY, None),
    ],
)
def test_each_guard_lets_through_what_the_contract_says(state, seen, expected):
    assert machine(state).observe(seen) == expected


def test_a_policy_that_says_stop_closes_instead_of_falling_back():
    stop = machine(State.CACHED, replace(LIMITS, fallback="stop"))
    assert stop.observe(replace(DRY, left=4)) == Proposal(State.FAIL_CLOSED, "exhausted")
    assert not stop.allows(State.PQC_ONLY, 0)
    assert machine(State.CACHED).allows(State.PQC_ONLY, 0)


@pytest.mark.parametrize("state", [State.HYBRID, State.CACHED, State.PQC_ONLY])
def test_every_state_closes_at_once_on_an_alarm_or_an_old_key(state):
    assert machine(state).observe(replace(RICH, alarm="mac-mismatch")).to is State.FAIL_CLOSED
    assert machine(state).observe(replace(RICH, epoch_age=361)) == Proposal(State.FAIL_CLOSED, "key-age")


def test_an_alarm_is_not_forgotten_because_keys_are_there():
    assert machine(State.FAIL_CLOSED, cause="mac-mismatch").observe(RICH) is None


def test_the_time_box_of_a_fallback_closes_the_corridor():
    made = machine(State.PQC_ONLY)
    assert made.observe(replace(DRY, now=86400 - 1001, epoch_age=1)) is None
    assert made.observe(replace(DRY, now=86400 - 999, epoch_age=1)) == Proposal(
        State.FAIL_CLOSED, "fallback-limit"
    )


@pytest.mark.parametrize("state", [State.CACHED, State.PQC_ONLY])
def test_the_way_back_needs_steady_supply_for_its_time(state):
    made = machine(state)
    assert made.observe(replace(RICH, now=0)) is None
    assert made.observe(replace(RICH, now=599)) is None
    assert made.observe(replace(RICH, now=600, epoch_age=1)) == Proposal(State.HYBRID, "supply-restored")


def test_a_gap_starts_the_wait_for_the_return_anew():
    made = machine(State.CACHED)
    made.observe(replace(RICH, now=0))
    made.observe(replace(DRY, now=300))
    made.observe(replace(RICH, now=301))
    assert made.observe(replace(RICH, now=700)) is None
    assert made.observe(replace(RICH, now=901)).to is State.HYBRID


def test_a_state_lasts_at_least_its_dwell_time_except_on_the_way_to_closed():
    made = CorridorState(LIMITS)
    made.enter(State.HYBRID, 0.0, "supply-restored")
    assert made.observe(replace(DRY, now=59)) is None
    assert made.observe(replace(DRY, now=59, alarm="compromise")).to is State.FAIL_CLOSED
    assert made.observe(replace(DRY, now=60)).to is State.CACHED


def test_a_flapping_corridor_holds_the_stricter_state():
    made = CorridorState(replace(LIMITS, dwell=0))
    for turn in range(8):
        made.enter(State.CACHED if turn % 2 else State.HYBRID, float(turn), "test")
    made.enter(State.HYBRID, 9.0, "test")
    assert made.observe(replace(DRY, now=10)) is None


observations = st.builds(
    Observation, now=st.just(0.0), left=st.integers(0, 800), fresh=st.floats(0, 1), silence=st.floats(0, 1000),
    epoch_age=st.floats(0, 200), alarm=st.sampled_from(["", "", "", "", "mac-mismatch"]),
)  # fmt: skip
traces = st.lists(st.tuples(st.floats(0.25, 400), observations), min_size=1, max_size=60)


def follow(trace, limits=LIMITS):
    """Run a trace through a machine whose every proposal is agreed; returns the states it went through."""
    made, now, states = CorridorState(limits), 0.0, [(0.0, State.FAIL_CLOSED)]
    for span, seen in trace:
        now += span
        proposal = made.observe(replace(seen, now=now))
        if proposal is not None:
            made.enter(proposal.to, now, proposal.cause)
            states.append((now, proposal.to))
    return states


@pytest.mark.requirement("A-30")
@given(traces)
@settings(max_examples=300, deadline=None)
def test_the_same_observations_give_the_same_decisions(trace):
    assert follow(trace) == follow(trace)


@given(traces)
@settings(max_examples=300, deadline=None)
def test_pqc_only_is_reached_through_cached_alone(trace):
    states = [state for _, state in follow(trace)]
    for before, after in itertools.pairwise(states):
        if after is State.PQC_ONLY:
            assert before is State.CACHED
    assert State.PQC_ONLY not in [state for _, state in follow(trace, replace(LIMITS, fallback="stop"))]


@given(traces)
@settings(max_examples=300, deadline=None)
def test_no_state_but_closed_follows_faster_than_the_dwell(trace):
    states = follow(trace)
    for (earlier, _), (later, to) in itertools.pairwise(states[1:]):
        assert to is State.FAIL_CLOSED or later - earlier >= LIMITS.dwell


@given(traces)
@settings(max_examples=200, deadline=None)
def test_an_episode_without_qkd_never_outlasts_its_limit(trace):
    limits = replace(LIMITS, fallback_limit=1000.0)
    entered = math.inf
    made, now = CorridorState(limits), 0.0
    for span, seen in trace:
        now += span
        proposal = made.observe(replace(seen, now=now))
        if proposal is not None:
            made.enter(proposal.to, now, proposal.cause)
            entered = now if proposal.to is State.PQC_ONLY else math.inf
        assert made.state is not State.PQC_ONLY or now - entered < 1000.0
