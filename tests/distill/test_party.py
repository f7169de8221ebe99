import json

import numpy as np
import pytest

from qorridor.base.canonical import canonical_json
from qorridor.distill.finite_key import Security
from qorridor.distill.record import recompute_length
from tests.distill.bench import DEMO, bench

pytestmark = pytest.mark.compiled  # `test_block` has short blocks that plain Python can run
SMALL = {"n_key": 120_000, "security": Security(1e-6, 1e-10)}


@pytest.fixture(scope="module")
def calm():
    made = bench(**SMALL)
    return made, made.block()


def test_two_parties_end_with_equal_keys_of_the_proven_length(calm):
    _, (left, right) = calm
    assert left.released
    assert right.released
    assert left.key == right.key
    assert left.block_id == right.block_id
    assert len(left.block_id) == 16
    assert left.record["net_bits"] == 8 * len(left.key)
    assert left.record["l"] - left.record["net_bits"] - left.record["auth_bits_refilled"] < 8


def test_both_ends_write_the_same_facts_into_their_records(calm):
    _, (left, right) = calm
    own = {"double_clicks", "started", "ended", "stage_seconds", "messages"}
    for name in left.record.keys() - own:
        assert left.record[name] == right.record[name], name
    assert json.loads(canonical_json(left.record)) == left.record
    assert left.record["simulated"] is True
    assert left.record["mode"] == "variable-length"
    assert left.record["violated"]


def test_no_key_material_stands_in_the_record(calm):
    _, (left, _) = calm
    text = canonical_json(left.record).decode()
    key = bytes(left.key.reveal())
    assert not any(key[at : at + 8].hex() in text for at in range(0, len(key) - 8, 8))


def test_leakage_is_what_both_ends_said(calm):
    made, (left, _) = calm
    record = left.record
    assert record["leak_charged"] == record["leak_alice"] + record["leak_bob"] + 128
    header = 3 + 16 + 8 + 4 + 3 + len("london-hayes") + len("london") + len("hayes") + 4
    said = record["leak_alice"]
    carried = sum(8 * (size - header) for size in made.sizes[-record["rounds"] * 2 - 8 :])
    assert carried > 2 * said


@pytest.mark.slow
@pytest.mark.requirement("A-21")
def test_a_million_bits_under_attack_give_less_key_or_none():
    made = bench()
    lengths = []
    for fraction in (0.0, 0.05, 0.25):
        made.optics.conditions = made.optics.conditions.after("intercept", fraction)
        left, right = made.block()
        assert left.released == right.released
        assert not left.released or left.key == right.key
        lengths.append(left.record["l"])
        assert recompute_length(left.record) == left.record["l"]
    assert 295_000 < lengths[0] < 325_000
    assert 80_000 < lengths[1] < 140_000
    assert lengths[2] == 0
    assert left.cause == right.cause == "no-key"
    assert left.key is right.key is None
    assert left.record["n"]["test"]
    assert float(left.record["phi"]) > 0.1


def test_blocks_follow_each_other_and_key_refills_the_pool():
    made = bench(**SMALL)
    for sequence in range(3):
        left, right = made.block()
        assert (left.sequence, right.sequence) == (sequence, sequence)
        assert left.key == right.key
    assert made.ends[0].auth.state == made.ends[1].auth.state
    assert made.ends[0].qber == made.ends[1].qber
    assert len(set(made.persisted)) == len(made.persisted)


@pytest.mark.requirement("A-21")
def test_an_aborted_block_leaves_counts_and_no_key_and_the_next_one_succeeds():
    made = bench(**SMALL, intercept=0.4)
    left, right = made.block()
    assert (left.released, right.released, left.key, right.key) == (False, False, None, None)
    assert left.record["state"] == "ABORTED"
    assert sum(left.record["n"]["key"]) == SMALL["n_key"]
    made.optics.conditions = made.optics.conditions.after("clear")
    left, right = made.block()
    assert left.key == right.key
    assert left.sequence == 0


def test_fixed_length_mode_yields_its_length_or_nothing():
    made = bench(**SMALL, l_fixed=8_000, leak_cap=40_000)
    left, right = made.block()
    assert left.key == right.key
    assert left.record["l"] == 8_000
    assert left.record["leak_charged"] == 40_000
    assert left.record["mode"] == "fixed-length"
    assert recompute_length(left.record) == 8_000
    for limits in ({"l_fixed": 90_000, "leak_cap": 40_000}, {"l_fixed": 1_000, "leak_cap": 100}):
        left, right = bench(**SMALL, **limits).block()
        assert left.key is right.key is None


def test_ends_with_different_settings_make_no_key():
    made = bench(**SMALL)
    made.ends[1].settings = bench(n_key=110_000).settings
    left, right = made.block()
    assert left.key is right.key is None
    assert right.cause == "protocol"
    assert left.cause == "peer-aborted"


def test_ends_with_different_pools_make_no_key():
    made = bench(**SMALL)
    made.ends[1].auth = bench(**SMALL).ends[1].auth
    made.ends[1].auth._in.r = bench().ends[1].auth._out.r
    left, right = made.block()
    assert left.key is right.key is None
    assert right.cause == "auth-failure"


@pytest.mark.parametrize("seed", range(4))
def test_under_random_noise_keys_are_equal_or_both_abort(seed):
    rng = np.random.Generator(np.random.Philox(seed))
    made = bench(n_key=60_000, seed=seed, security=Security(1e-4, 1e-8))
    made.optics.conditions = made.optics.conditions.after("drift", rng.uniform(0, 0.12))
    left, right = made.block()
    assert left.released == right.released
    assert not left.released or left.key == right.key


def count_messages():
    seen = []
    bench(**SMALL).block(lambda number, message: seen.append(len(message)) or message)
    return seen


@pytest.mark.requirement("B-16")
def test_one_altered_byte_in_any_message_leaves_no_end_with_a_key_of_its_own():
    sizes = count_messages()
    last = len(sizes) - 1
    rng = np.random.Generator(np.random.Philox(12))
    middle = rng.integers(8, last - 8, 8).tolist()
    for target in [0, 1, 2, 5, *middle, *range(last - 8, last + 1)]:
        place = int(rng.integers(0, sizes[target]))

        def flip(number, message, target=target, place=place):
            if number != target:
                return message
            changed = bytearray(message)
            changed[place % len(message)] ^= 1 << int(rng.integers(8))
            return bytes(changed)

        left, right = bench(**SMALL).block(flip)
        if target == last:
            assert left.key == right.key
        else:
            assert left.key is None, (target, place)
            assert right.key is None, (target, place)


@pytest.mark.parametrize("kind", ["drop", "repeat", "swap"])
@pytest.mark.parametrize("where", [0, 1, 4, 30, -6, -5, -4, -3])
def test_lost_repeated_or_reordered_messages_leave_no_key(kind, where):
    total = len(count_messages()) if where < 0 else 0
    target, kept = where % (total or 10**9), []

    def tamper(number, message):
        kept.append(message)
        if number == target and kind == "drop":
            return None
        if number == target + 1 and kind in {"repeat", "swap"}:
            return kept[-2]
        return message

    left, right = bench(**SMALL).block(tamper)
    for outcome in (left, right):
        assert outcome is None or outcome.key is None


@pytest.mark.parametrize("seed", range(12))
def test_garbage_behind_a_right_header_ends_in_an_abort_and_never_in_a_crash(seed):
    rng = np.random.Generator(np.random.Philox(seed + 100))
    target = int(rng.choice([0, 1, 2, 3, 5, 6, 7, 8, 9, 12]))
    header = 3 + 16 + 8 + 4 + 3 + len("london-hayes") + len("london") + len("hayes")

    def tamper(number, message):
        if number != target:
            return message
        body = rng.bytes(int(rng.integers(0, 400)))
        if seed % 2:  # well-formed parts of random content
            body = b"".join(
                len(p).to_bytes(4, "big") + p for p in (rng.bytes(int(rng.integers(40))) for _ in range(4))
            )
        return message[:header] + len(body).to_bytes(4, "big") + body

    left, right = bench(n_key=60_000, security=Security(1e-4, 1e-8)).block(tamper)
    assert left.key is None
    assert right.key is None


def test_an_undisturbed_link_is_the_same_twice():
    first, second = bench(**SMALL, link=DEMO).block(), bench(**SMALL).block()
    assert first[0].key == second[0].key
