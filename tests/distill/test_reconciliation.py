"""Both engines over the channel of a block: equal bits or an abort, and every bit that was said is counted."""

import math
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill import ldpc, ldpc_exchange
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import pack
from qorridor.distill.channel import Channel, Receive, Send
from qorridor.distill.codec import Direction, Kind, join
from qorridor.distill.finite_key import ALICE_ONLY, BOTH_DIRECTIONS, Security
from qorridor.distill.reconciliation import (
    CASCADE,
    LDPC,
    Reconciliation,
    choose,
    disclosure_cap,
    start_message,
)
from qorridor.distill.record import charge, recompute_length
from tests.distill.bench import NAMES, StillClock, bench

SMALL = {"n_key": 120_000, "security": Security(1e-6, 1e-10)}
HEADER = 3 + 16 + 8 + 4 + 3 + len("london-hayes") + len("london") + len("hayes") + 4


def keys(size, rate, seed):
    rng = np.random.Generator(np.random.Philox(seed))
    alice = rng.integers(0, 2, size, dtype=np.uint8)
    return alice, alice ^ (rng.random(size) < rate).view(np.uint8), rng.integers(0, 3, size, dtype=np.uint8)


def channels():
    return [Channel(NAMES, direction) for direction in (Direction.TO_RECEIVER, Direction.TO_TRANSMITTER)]


def talk(parties, tamper=None):
    """Run both ends until each has ended; returns (results, payloads). `tamper` sees and may change payloads."""
    wires, results, said, waiting = (deque(), deque()), [None, None], [], [None, None]
    replies = [None, None]
    while None in results:
        for me in (0, 1):
            while results[me] is None:
                try:
                    step = waiting[me] or parties[me].send(replies[me])
                except StopIteration as stop:
                    results[me] = stop.value
                    break
                waiting[me] = None
                if isinstance(step, Send):
                    message = step.message
                    payload = message[HEADER:]
                    if tamper is not None and (other := tamper(len(said), payload)) is not None:
                        payload = other
                        message = message[: HEADER - 4] + len(payload).to_bytes(4, "big") + payload
                    said.append(payload)
                    wires[1 - me].append(message)
                    replies[me] = None
                    continue
                assert isinstance(step, Receive)
                if not wires[me]:
                    waiting[me] = step
                    break
                replies[me] = wires[me].popleft()
    return results, said


def exchange(alice, bob, intensities, plan, tamper=None):
    left, right = channels()
    seed = b"s" * 16
    return talk(
        [ldpc_exchange.transmit(left, alice, intensities, plan, seed),
         ldpc_exchange.receive(right, bob, intensities, plan, seed)], tamper,
    )  # fmt: skip


def small_plan(size, qber):
    return ldpc.make_plan(size, qber, most=400, columns=40)


@pytest.mark.compiled
@settings(max_examples=25, deadline=None)
@given(st.integers(300, 1500), st.floats(0.0, 0.06), st.floats(0.01, 0.1), st.integers(0, 2**30))
def test_frames_that_do_not_resist_are_right_and_both_ends_count_alike(size, rate, guess, seed):
    alice, bob, intensities = keys(size, rate, seed)
    plan = small_plan(size, guess)
    (left, right), said = exchange(alice, bob, intensities, plan)
    assert (left.resisting, left.disclosed, left.passes) == (right.resisting, right.disclosed, right.passes)
    assert left.wrong.tolist() == right.wrong.tolist()
    found = np.zeros(size, np.uint8)
    found[np.concatenate([np.empty(0, np.int64), *right.errors])] = 1
    for frame in range(plan.frames):
        span = plan.bits_of(frame)
        expected = 0 if frame in right.resisting else alice[span] ^ bob[span]
        assert np.array_equal(found[span], np.zeros_like(found[span]) + expected)
    assert left.wrong.tolist() == np.bincount(intensities[found == 1], minlength=3).tolist()
    framing = 4 * 2 * 3 + 6  # lengths of parts, and fill bits
    assert left.disclosed <= 8 * sum(map(len, said)) <= left.disclosed + 8 * framing
    assert len(said) == 2 * left.passes <= 4


def test_equal_keys_take_two_messages_and_hopeless_ones_four(monkeypatch):
    monkeypatch.setattr(ldpc, "ROUNDS", 2)
    alice, bob, intensities = keys(800, 0.5, 1)
    (left, right), said = exchange(alice, alice.copy(), intensities, small_plan(800, 0.03))
    assert (len(said), left.resisting, sum(map(len, right.errors))) == (2, [], 0)
    (left, _), said = exchange(alice, bob, intensities, small_plan(800, 0.03))
    assert (len(said), left.resisting) == (4, [0, 1])
    assert left.wrong.sum() == 0


def test_a_pattern_that_its_hash_refutes_is_not_taken():
    """The peer's hash is altered: parities alone would have been believed."""
    alice, bob, intensities = keys(400, 0.01, 3)
    plan = small_plan(400, 0.03)

    def alter(number, payload):
        return payload[:-1] + bytes([payload[-1] ^ 1]) if number == 0 else None

    (left, right), _ = exchange(alice, bob, intensities, plan, alter)
    assert left.resisting == right.resisting == [0]
    (left, right), _ = exchange(alice, bob, intensities, plan)
    assert left.resisting == right.resisting == []


def frames_message(flags, counts):
    return join([pack(np.array(flags, np.uint8)), b"".join(n.to_bytes(4, "big") for n in counts)])


PLAN = small_plan(800, 0.03)
WRONG = {
    "too few parities": (0, lambda p: join([p[4:20], p[-8:]])),
    "a hash too many": (0, lambda p: join([p[4 : 4 + -(-2 * PLAN.checks // 8)], bytes(12)])),
    "one part only": (0, lambda _: join([b"abc"])),
    "fill bits": (1, lambda _: join([b"\xc1", bytes(12)])),
    "flags of other frames": (1, lambda _: frames_message([1] * 9, [0, 0, 0])),
    "more errors than bits": (1, lambda _: frames_message([0, 1], [0, 401, 0])),
    "errors in frames that resist": (1, lambda _: frames_message([1, 1], [1, 0, 0])),
    "four intensities": (1, lambda _: frames_message([1, 1], [0, 0, 0, 0])),
    "no counts": (1, lambda _: b""),
    "more that is too short": (2, lambda p: p[:-1]),
    "more that is too long": (2, lambda p: p + b"\0"),
    "a last verdict of other frames": (3, lambda _: frames_message([1] * 9, [0, 0, 0])),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_malformed_or_contradicts_itself_ends_in_an_abort(what, monkeypatch):
    monkeypatch.setattr(ldpc, "ROUNDS", 2)  # no pattern is to be found in any number of rounds
    number, change = WRONG[what]
    alice, bob, intensities = keys(800, 0.5, 7)
    with pytest.raises(BlockAbort) as aborted:
        exchange(alice, bob, intensities, PLAN, lambda at, payload: change(payload) if at == number else None)
    assert aborted.value.reason == Cause.PROTOCOL


def reconcile(alice, bob, intensities, start, clock=None):
    clock = clock or StillClock()
    ends = [
        Reconciliation(channel, clock, bits, intensities)
        for channel, bits in zip(channels(), (alice, bob), strict=True)
    ]
    return talk([end.run(start) for end in ends])


@pytest.mark.compiled
@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["efficient", "quick", LDPC]), st.integers(1000, 4000), st.floats(0.0, 1.5),
    st.floats(0.01, 0.08), st.integers(0, 2**30),
)  # fmt: skip
def test_every_engine_makes_keys_equal_and_counts_what_was_said(name, size, worse, guess, seed):
    alice, bob, intensities = keys(size, worse * guess, seed)
    start = start_message(seed.to_bytes(16, "big"), int(guess * 1e6), name)
    (left, right), said = reconcile(alice, bob, intensities, start)
    bob[right.errors] ^= 1
    assert np.array_equal(alice, bob)
    assert (left.alice, left.bob, left.wrong, left.entries) == (
        right.alice,
        right.bob,
        right.wrong,
        right.entries,
    )
    assert sum(right.wrong) == len(right.errors)
    assert left.alice + left.bob <= 8 * sum(map(len, said))
    assert left.entries["engine"] == (LDPC if name == LDPC else CASCADE)
    if name == LDPC:
        assert (left.bob > 0) == (left.entries["frames_failed"] > 0) == (left.entries["masks"] > 0)
    else:
        assert left.alice == left.bob


@pytest.mark.compiled
def test_frames_that_resist_are_left_to_cascade_and_stay_charged():
    alice, bob, intensities = keys(140_000, 0.03, 2)
    start = start_message(b"r" * 16, 20_000, LDPC)
    (left, right), _ = reconcile(alice, bob, intensities, start)
    plan = ldpc.make_plan(140_000, 0.02)
    bob[right.errors] ^= 1
    assert np.array_equal(alice, bob)
    assert left.entries["frames_failed"] == plan.frames == 3
    parities = 3 * (plan.checks + plan.more + ldpc.TAG_BITS + 2) + 2 * 96
    assert left.alice - left.bob == parities
    assert left.bob > 1.0 * 140_000 * 0.19


@pytest.mark.compiled
def test_a_small_frame_with_twice_the_errors_goes_to_cascade_too():
    alice, bob, intensities = keys(2000, 0.06, 5)
    (left, right), _ = reconcile(alice, bob, intensities, start_message(b"r" * 16, 30_000, LDPC))
    assert left.entries["frames_failed"] == 1
    assert np.array_equal(np.flatnonzero(alice ^ bob), right.errors)


def test_a_tiny_block_that_resists_is_corrected_by_cascade_and_charged_with_both(monkeypatch):
    monkeypatch.setattr(ldpc, "ROUNDS", 1)
    alice, bob, intensities = keys(1000, 0.03, 5)
    (left, right), _ = reconcile(alice, bob, intensities, start_message(b"r" * 16, 30_000, LDPC))
    plan = ldpc.make_plan(1000, 0.03)
    assert np.array_equal(np.flatnonzero(alice ^ bob), right.errors)
    assert left.wrong == right.wrong
    assert left.alice - left.bob == plan.checks + plan.more + ldpc.TAG_BITS + 2 + 2 * 96
    assert left.entries["frames_failed"] == 1


class Ticking:
    def __init__(self):
        self.at = 0.0

    def monotonic(self):
        self.at += 1.0
        return self.at


def test_symmetric_exchanges_tell_how_long_a_message_takes():
    alice, bob, intensities = keys(2000, 0.02, 4)
    left, _ = reconcile(alice, bob, intensities, start_message(b"q" * 16, 20_000, "quick"), Ticking())[0]
    assert 1.0 <= left.delay < 5.0
    left, _ = reconcile(alice, alice.copy(), intensities, start_message(b"q" * 16, 20_000, LDPC), Ticking())[
        0
    ]
    assert left.delay == float("inf")


@pytest.mark.parametrize("start", [
    start_message(b"short", 20_000, LDPC), start_message(b"s" * 16, 20_000, "ldpx"), join([b"s" * 16, b"\0" * 4]),
    join([b"s" * 16, b"\0" * 4, b"\xff"]),
])  # fmt: skip
def test_an_unknown_way_of_reconciling_ends_in_an_abort(start):
    alice, bob, intensities = keys(2000, 0.02, 4)
    with pytest.raises(BlockAbort):
        reconcile(alice, bob, intensities, start)


def test_ldpc_is_chosen_where_a_message_takes_long_and_the_cap_has_room():
    assert [choose(delay, 10**6, 0.02, None) for delay in (0.0, 0.0019, 0.002, 0.0199, 0.02, 1.0)] == [
        "efficient", "efficient", "quick", "quick", LDPC, LDPC,
    ]  # fmt: skip
    assert [choose(0.05, 10**6, qber, None) for qber in (0.001, 0.05, 0.2)] == ["quick", LDPC, "quick"]
    need = sum(disclosure_cap(LDPC, 10**6, 0.02))
    assert [choose(0.0, 10**6, qber, 1, LDPC) for qber in (0.001, 0.12, 0.13)] == [LDPC, LDPC, "efficient"]
    assert [choose(0.05, 10**6, 0.02, room) for room in (need - 1, need)] == ["quick", LDPC]


@pytest.mark.parametrize("qber", [0.008, 0.02, 0.05, 0.11])
def test_what_cascade_may_disclose_both_ways_is_enough_for_ldpc(qber):
    for size in (400_000, 10**6, 10**7):
        assert sum(disclosure_cap(LDPC, size, qber)) <= sum(disclosure_cap("efficient", size, qber))


@pytest.mark.compiled
@pytest.mark.parametrize("qber", [0.01, 0.03, 0.08])
def test_the_cap_of_an_engine_is_above_what_a_block_discloses_and_not_far_above(qber):
    alice, bob, intensities = keys(300_000, qber, 11)
    for name in ("efficient", LDPC):
        (left, _), _ = reconcile(alice, bob, intensities, start_message(b"c" * 16, int(qber * 1e6), name))
        cap = disclosure_cap(name, 300_000, qber * 1.02)
        assert left.alice <= cap[0] <= 1.45 * left.alice
        assert left.bob <= cap[1]


def forced(delay=0.05, **more):
    made = bench(**{**SMALL, **more})
    made.ends[0].delay = delay
    return made


@pytest.fixture(scope="module")
def long_way():
    made = forced()
    return made, made.block()


@pytest.mark.compiled
def test_two_parties_far_apart_end_with_equal_keys_in_few_messages(long_way):
    made, (left, right) = long_way
    assert left.key == right.key is not None
    assert left.record["engine"] == LDPC
    assert left.record["leak_alice"] >= left.record["frames"] * 2000
    assert left.record["leak_bob"] == 0
    assert len(made.sizes) < 25
    assert 1.0 < float(left.record["f_ec"]) < 1.4


@pytest.mark.compiled
def test_both_records_of_a_block_far_apart_are_alike_and_recomputable(long_way):
    _, (left, right) = long_way
    own = {"double_clicks", "started", "ended", "stage_seconds", "messages"}
    assert {name for name in left.record if left.record[name] != right.record[name]} <= own
    assert recompute_length(left.record) == left.record["l"] > 0
    charged = sum(left.record[name] for name in ("leak_alice", "leak_bob", "leak_other"))
    assert left.record["leak_charged"] == charged
    assert sum(left.record["m"]["key"]) == round(float(left.record["qber_key"]) * SMALL["n_key"])


def test_the_rule_decides_whether_the_other_end_is_charged():
    rules = [SimpleNamespace(leak_rule=rule) for rule in (BOTH_DIRECTIONS, ALICE_ONLY)]
    assert [charge(rule, 100, 20, 3) for rule in rules] == [123, 103]


@pytest.mark.compiled
def test_a_block_whose_frames_all_resist_is_corrected_by_cascade(monkeypatch):
    monkeypatch.setattr(ldpc, "ROUNDS", 1)
    left, right = forced().block()
    assert left.key == right.key is not None
    assert left.record["frames_failed"] == left.record["frames"] == 2
    assert left.record["leak_bob"] > 0
    assert recompute_length(left.record) == left.record["l"]


@pytest.mark.compiled
def test_fixed_length_blocks_far_apart_are_charged_with_the_cap():
    cap = sum(disclosure_cap(LDPC, SMALL["n_key"], 0.02)) + 128
    left, right = forced(l_fixed=8_000, leak_cap=cap).block()
    assert left.key == right.key is not None
    assert (left.record["engine"], left.record["leak_charged"], left.record["l"]) == (LDPC, cap, 8_000)


@pytest.mark.compiled
def test_the_next_block_knows_how_long_messages_take():
    class Slow(StillClock):
        at = 0.0

        def monotonic(self):
            Slow.at += 0.03
            return Slow.at

    made = forced()
    made.ends[0].clock = Slow()
    left, _ = made.block()
    assert left.record["engine"] == LDPC
    assert made.ends[0].delay == pytest.approx(0.015)  # half of a question and its answer
    assert made.block()[0].record["profile"] == "quick"


@pytest.mark.compiled
@pytest.mark.requirement("B-16")
@pytest.mark.parametrize("seed", range(10))
def test_garbage_in_the_exchange_of_a_block_far_apart_leaves_no_key(seed):
    rng = np.random.Generator(np.random.Philox(seed + 500))
    sizes = []
    forced().block(lambda _, message: sizes.append(message[1]) or message)
    places = [at for at, kind in enumerate(sizes) if kind in {Kind.RECONCILE, Kind.SYNDROME, Kind.FRAMES}]
    target = places[seed % len(places)]

    def tamper(number, message):
        if number != target:
            return message
        if seed % 2:  # one bit of what was said
            changed = bytearray(message)
            changed[int(rng.integers(HEADER, len(message)))] ^= 1 << int(rng.integers(8))
            return bytes(changed)
        body = b"".join(
            len(p).to_bytes(4, "big") + p for p in (rng.bytes(int(rng.integers(40))) for _ in range(3))
        )
        return message[: HEADER - 4] + len(body).to_bytes(4, "big") + body

    left, right = forced().block(tamper)
    assert left.key is None
    assert right.key is None


@pytest.mark.parametrize("late", [0.0, 0.004])
def test_the_delay_is_told_although_the_ends_are_out_of_step(late):
    """Waits of an end whose peer is ahead by `late` in every other exchange, one with a long computation."""
    work = Reconciliation(None, None, None, None)
    assert work._delay() == math.inf
    work.waits = [0.005 + sign * late for sign in (1, -1) * 20]
    work.waits[7] += 3.0
    assert work._delay() == pytest.approx(0.005)
