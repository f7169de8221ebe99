import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill.aborts import BlockAbort
from qorridor.distill.cascade import EFFICIENT, MASKS, QUICK, Profile, make_plan, profile_for, reconcile
from qorridor.distill.reference import layout, reconcile_plainly


def keys(size, rate, seed):
    rng = np.random.Generator(np.random.Philox(seed))
    alice = rng.integers(0, 2, size, dtype=np.uint8)
    return alice, alice ^ (rng.random(size) < rate).view(np.uint8)


def run(alice, bob, plan, noted=None):
    """Both results and the bits sent; `noted` gets what both said in each round."""
    ends = [reconcile(alice, plan), reconcile(bob, plan)]
    said, results = [next(end) for end in ends], [None, None]
    sent = [len(said[0]), len(said[1])]
    while None in results:
        heard = said[::-1]
        if noted is not None:
            noted.append(tuple(said))
        for me in (0, 1):
            try:
                said[me] = ends[me].send(heard[me])
                sent[me] += len(said[me])
            except StopIteration as stop:
                results[me] = stop.value
    return results, sent


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1000, 5000), st.floats(0.0, 0.12), st.floats(0.005, 0.1), st.integers(0, 2**30),
    st.sampled_from([EFFICIENT, QUICK, Profile("deep", 1.0, 4, 1e-2), Profile("deeper", 0.8, 3, 3e-1)]),
)  # fmt: skip
def test_errors_leak_and_rounds_equal_the_plain_oracle_at_both_ends(size, rate, guess, seed, profile):
    alice, bob = keys(size, rate, seed)
    plan = make_plan(size, guess, seed.to_bytes(16, "big"), profile)
    errors, told = reconcile_plainly(alice, bob, plan)
    bits, rounds = sum(map(len, told)), len(told)
    if bits > size:
        with pytest.raises(BlockAbort):
            run(alice, bob, plan)
        return
    (left, right), sent = run(alice, bob, plan)
    assert left.errors.tolist() == right.errors.tolist() == errors
    assert left.bits_each_way == right.bits_each_way == bits == sent[0] == sent[1]
    assert left.rounds == right.rounds == rounds
    assert errors == np.flatnonzero(alice ^ bob).tolist()


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([256, 1024, 1536]), st.integers(600, 3500), st.floats(0.0, 0.1), st.floats(0.01, 0.1),
    st.integers(0, 2**30), st.sampled_from([EFFICIENT, QUICK, Profile("deep", 1.0, 4, 1e-2)]),
)  # fmt: skip
def test_many_small_frames_say_bit_for_bit_what_the_plain_oracle_says(
    frame, size, rate, guess, seed, profile
):
    alice, bob = keys(size, rate, seed)
    plan = make_plan(size, guess, seed.to_bytes(16, "big"), profile, frame)
    errors, told = reconcile_plainly(alice, bob, plan)
    bits = sum(map(len, told))
    if bits > size:
        with pytest.raises(BlockAbort):
            run(alice, bob, plan)
        return
    (left, right), sent = run(alice, bob, plan, said_by_both := [])
    assert left.errors.tolist() == right.errors.tolist() == errors == np.flatnonzero(alice ^ bob).tolist()
    assert left.bits_each_way == bits == sent[0]
    assert left.rounds == right.rounds == len(told)
    assert [(one ^ other).tolist() for one, other in said_by_both] == told


@pytest.mark.parametrize("frame", [0, 12, 65536 + 8, -8])
def test_a_frame_is_a_multiple_of_eight_bits_up_to_65536(frame):
    with pytest.raises(ValueError, match="multiple of 8"):
        make_plan(1000, 0.02, b"s" * 16, frame=frame)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**30), st.sampled_from([64, 256, 65536]))
def test_a_peer_that_says_anything_at_all_brings_the_exchange_to_an_end(seed, frame):
    """Parities that contradict each other would lead from pass to pass and back without a question."""
    rng = np.random.Generator(np.random.Philox(seed))
    alice, _ = keys(int(rng.integers(40, 1200)), 0.0, seed)
    end = reconcile(alice, make_plan(len(alice), 0.02, seed.to_bytes(16, "big"), frame=frame))
    own, truth = next(end), rng.random()
    try:
        for _ in range(len(alice) + 2):
            own = end.send(own ^ (rng.random(len(own)) < truth).view(np.uint8))
    except StopIteration as stop:
        assert len(set(stop.value.errors.tolist())) == len(stop.value.errors)
    except BlockAbort as aborted:
        assert aborted.code == "Q-LINK-013"
    else:
        pytest.fail("more rounds than bits")


def test_an_odd_parity_of_no_bits_is_refused():
    """The last frame has one bit, which some masks leave out."""
    alice, _ = keys(257, 0.0, 1)
    plan = make_plan(257, 0.02, b"s" * 16, frame=256)
    empty = next(mask for mask in range(MASKS) if not int(plan.words[0]) >> mask & 1)
    end = reconcile(alice, plan)
    theirs = next(end).copy()
    theirs[len(theirs) - MASKS + empty] ^= 1
    with pytest.raises(BlockAbort, match="no bits"):
        end.send(theirs)


def test_frames_of_a_block_go_in_lock_step_and_the_last_may_be_shorter():
    alice, bob = keys(140_000, 0.02, 3)
    plan = make_plan(140_000, 0.02, b"s" * 16)
    (left, _), _ = run(alice, bob, plan)
    assert plan.frames == 3
    assert np.array_equal(left.errors, np.flatnonzero(alice ^ bob))
    assert sorted(layout(plan)[0][1]) == list(range(140_000))


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("profile", "rate", "most", "messages"),
    [(EFFICIENT, 0.01, 1.05, 600), (EFFICIENT, 0.02, 1.055, 600), (EFFICIENT, 0.05, 1.07, 600),
     (QUICK, 0.01, 1.07, 250), (QUICK, 0.02, 1.07, 250), (QUICK, 0.05, 1.08, 250)],
)  # fmt: skip
def test_the_efficiency_and_the_messages_at_a_million_bits_are_those_of_the_profile(
    profile, rate, most, messages
):
    alice, bob = keys(1_000_000, rate, 9)
    (left, _), _ = run(alice, bob, make_plan(1_000_000, rate, b"e" * 16, profile))
    q = len(left.errors) / 1e6
    shannon = -q * math.log2(q) - (1 - q) * math.log2(1 - q)
    assert np.array_equal(left.errors, np.flatnonzero(alice ^ bob))
    assert left.bits_each_way / 1e6 / shannon < most
    assert left.rounds < messages


def test_a_long_way_is_gone_less_often():
    assert [profile_for(delay).name for delay in (0.0, 0.0019, 0.002, 0.05)] == ["efficient"] * 2 + [
        "quick"
    ] * 2


@given(st.integers(1, 10**5), st.integers(1, 16), st.integers(1000, 10**8), st.floats(1e-7, 1e-3))
def test_no_wave_discloses_more_than_its_share_beyond_plain_bisection(tasks, levels, size, spare):
    depth = Profile("any", 0.8, 4, spare).depth(tasks, levels, size)
    assert 1 <= depth <= 8
    assert depth == 1 or tasks * -(-levels // depth) * (2**depth - 1 - depth) <= spare * size


def test_equal_keys_cost_one_round():
    alice, _ = keys(70_000, 0.0, 1)
    (left, _), _ = run(alice, alice.copy(), make_plan(70_000, 0.02, b"z" * 16))
    assert left.rounds == 1
    assert not len(left.errors)


def test_unrelated_keys_end_in_an_abort_before_more_is_said_than_the_block_has():
    alice, _ = keys(3000, 0.0, 1)
    bob, _ = keys(3000, 0.0, 2)
    with pytest.raises(BlockAbort) as aborted:
        run(alice, bob, make_plan(3000, 0.001, b"u" * 16))
    assert aborted.value.code == "Q-LINK-013"
