"""Allowances of SAEs: what is let through over any stretch of time, and that one SAE costs no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.run.admission import CONNECTIONS, LEAST_KEY_BURST, TELL_SECONDS, Admission, Bucket, Limits


@given(
    st.floats(0.01, 1000), st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 1)), min_size=1, max_size=60),
)  # fmt: skip
def test_no_stretch_of_time_lets_more_through_than_its_rate_and_one_burst(rate, burst, calls):
    bucket, now, taken = Bucket(rate, burst), 0.0, []
    for pause, share in calls:
        now += pause
        count = share * burst
        if not bucket.take(now, count):
            taken.append((now, count))
    for at, (begin, _) in enumerate(taken):
        for to in range(at, len(taken)):
            through = sum(count for _, count in taken[at : to + 1])
            assert through <= burst + rate * (taken[to][0] - begin) + 1e-6 * (1 + through)


@given(st.floats(0.01, 1000), st.floats(1, 1000), st.floats(0.001, 1))
def test_whoever_waits_as_long_as_told_is_let_through(rate, burst, share):
    bucket = Bucket(rate, burst)
    bucket.take(0.0, burst)
    wait = bucket.take(0.0, share * burst)
    assert wait > 0
    assert bucket.take(wait * 1.000001, share * burst) == 0.0


def test_a_clock_that_stands_or_runs_backwards_gives_nothing_away():
    bucket = Bucket(1.0, 1.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(100.0) > 0
    assert bucket.take(50.0) > 0
    assert bucket.take(50.5) > 0


def test_a_refused_count_takes_nothing_and_an_undelivered_one_comes_back():
    admission = Admission({"a": Limits(keys=1.0)})
    assert admission.keys_left("a", 0.0) == LEAST_KEY_BURST
    assert admission.keys("a", 500, 0.0) == 0.0
    assert admission.keys("a", 13, 0.0) == pytest.approx(1.0)
    assert admission.keys_left("a", 0.0) == 12
    admission.keys_back("a", 500)
    assert admission.keys_left("a", 0.0) == LEAST_KEY_BURST
    admission.keys_back("a", 500)
    assert admission.keys_left("a", 0.0) == LEAST_KEY_BURST


def test_an_sae_without_limits_is_never_asked_to_wait():
    admission = Admission({"a": Limits()})
    assert not any(admission.request("a", 0.0) or admission.keys("a", 1e6, 0.0) for _ in range(1000))
    assert admission.keys_left("a", 0.0) is None
    admission.keys_back("a", 5)


def test_one_saes_flood_costs_no_other_one():
    admission = Admission({name: Limits(requests=10.0) for name in "ab"})
    assert sum(admission.request("a", 0.0) == 0.0 for _ in range(100)) == 20
    assert admission.request("b", 0.0) == 0.0


def test_connections_of_one_sae_are_bounded_and_free_again_when_they_end():
    admission = Admission({})
    assert all(admission.enter("a") for _ in range(CONNECTIONS))
    assert not admission.enter("a")
    assert admission.enter("b")
    admission.leave("a")
    assert admission.enter("a")


def test_a_flood_is_told_of_once_a_minute_with_its_count():
    admission = Admission({})
    told = [admission.to_tell("a", "requests", 0.1 * at) for at in range(1000)]
    assert [count for count in told if count is not None] == [0, int(TELL_SECONDS / 0.1) - 1]
    assert admission.to_tell("a", "keys", 0.0) == 0
