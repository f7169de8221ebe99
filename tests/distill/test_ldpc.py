"""Codes by construction, what is disclosed of a frame, and the decoder against its oracles."""

import functools
import itertools
import operator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qorridor.distill import ldpc
from qorridor.distill.finite_key import entropy
from qorridor.distill.ldpc_code import DEGREES, ENSEMBLES, Code, degrees, make_code, shares
from qorridor.distill.ldpc_kernels import LIMIT, _explains, combine, tag
from qorridor.distill.reference_ldpc import decode_plainly, exact, half_matrix, most_likely, softened


def stream(seed):
    return np.random.Generator(np.random.Philox(seed))


def disclosed(plan, bits):
    return ldpc.parities(bits, plan, ldpc.tag_words(b"t" * 16, plan))


def entries(code):
    """(row, column, shift) of every entry."""
    rows = np.repeat(np.arange(2 * code.rows) // 2, np.diff(code.start))
    return list(zip(rows.tolist(), code.column.tolist(), code.shift.tolist(), strict=True))


def test_a_code_is_a_function_of_its_numbers_and_of_the_seed():
    first, second, other = (make_code.__wrapped__(12, 40, 16, seed) for seed in (b"one", b"one", b"two"))
    assert np.array_equal(first.shift, second.shift)
    assert np.array_equal(first.column, second.column)
    assert not np.array_equal(first.shift, other.shift)


@pytest.mark.parametrize("rows", [21, 41, 81, 140])
def test_columns_have_the_degrees_of_the_ensemble_and_rows_are_even(rows):
    code = make_code(rows, 256, 256)
    made = entries(code)
    assert len({(row, column) for row, column, _ in made}) == len(made)
    counts = np.bincount(code.column, minlength=256)
    assert sorted(counts.tolist()) == sorted(degrees(rows, 256))
    assert abs((counts == DEGREES[1]).mean() - shares(rows / 256)[1]) < 0.02
    weights = np.bincount([row for row, _, _ in made])
    assert weights.max() - weights.min() <= 2
    assert np.diff(code.start).min() >= 2


def test_the_ensembles_share_out_all_columns():
    assert all(abs(sum(row) - 1) < 0.02 for _, row in ENSEMBLES)
    assert [ratio for ratio, _ in ENSEMBLES] == sorted(ratio for ratio, _ in ENSEMBLES)


@pytest.mark.parametrize(("rows", "lift"), [(24, 256), (41, 256), (81, 245), (140, 200)])
def test_no_two_checks_share_two_bits(rows, lift):
    by_column = itertools.groupby(
        sorted(entries(make_code(rows, 256, lift)), key=lambda e: e[1]), lambda e: e[1]
    )
    seen = set()
    for _, column in by_column:
        for (row, _, shift), (other, _, turned) in itertools.combinations(sorted(column), 2):
            difference = (row, other, (shift - turned) % lift)
            assert difference not in seen
            seen.add(difference)


def light_cycles(code):
    """Closed walks of six over columns of degree 2 and 3, counted from the differences."""
    degree = np.bincount(code.column)
    light = [entry for entry in entries(code) if degree[entry[1]] <= 3]
    steps = {}
    for column in set(code.column.tolist()):
        own = [(row, shift) for row, at, shift in light if at == column]
        for (row, shift), (other, turned) in itertools.permutations(own, 2):
            steps.setdefault(row, []).append((other, column, (shift - turned) % code.lift))
    count = 0
    for start, ways in steps.items():
        for second, one, first_turn in ways:
            for third, two, second_turn in steps[second]:
                for end, three, last_turn in steps[third]:
                    turns = (first_turn + second_turn + last_turn) % code.lift
                    count += end == start and len({one, two, three}) == 3 and turns == 0
    return count


def test_light_columns_close_no_cycle_of_six():
    assert light_cycles(make_code(81, 256, 256)) == 0
    assert light_cycles(make_code(5, 40, 2)) > 0, "the count finds them where they cannot be avoided"


def test_a_lift_too_small_for_a_good_shift_still_makes_a_code():
    code = make_code(6, 24, 1)
    assert code.shift.tolist() == [0] * len(code.shift)


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 400), st.floats(0.005, 0.12), st.integers(8, 24), st.integers(0, 2**30))
def test_parities_are_the_product_with_the_dense_matrix(size, qber, columns, seed):
    plan = ldpc.make_plan(size, qber, most=200, columns=columns)
    bits = stream(seed).integers(0, 2, plan.frame, dtype=np.uint8)
    halves = (half_matrix(plan.code) @ ldpc.padded(bits, plan) % 2).reshape(
        2 * plan.code.rows, plan.code.lift
    )
    told = disclosed(plan, bits)
    assert np.array_equal(told.halves, halves)
    assert np.array_equal(told.first(plan), (halves[::2] ^ halves[1::2]).ravel()[: plan.checks])
    assert np.array_equal(told.more(plan), halves[2 * plan.split_rows].ravel())
    assert len(told.more(plan)) == plan.more


@given(st.integers(2, 10**6), st.floats(0.0, 0.3), st.integers(64, 70_000))
def test_frames_cover_the_block_once_and_are_of_one_length(size, qber, most):
    layout = ldpc.lay_out(size, qber, most)
    assume(layout.frame**2 < 10**12)
    plan = ldpc.Plan(layout.frame, layout.lift, layout.checks, layout.split, size, qber, make_code(4, 16, 1))
    spans = [plan.bits_of(frame) for frame in range(plan.frames)]
    assert [span.stop for span in spans[:-1]] == [span.start for span in spans[1:]]
    assert (spans[0].start, spans[-1].stop) == (0, size)
    assert {span.stop - span.start for span in spans[:-1]} <= {layout.frame}
    assert layout.frame <= most
    assert layout.frame <= 256 * layout.lift
    assert 1 <= layout.split <= -(-layout.checks // layout.lift) - 1


def test_two_different_frames_have_different_tags_and_a_tag_is_linear():
    plan = ldpc.make_plan(300, 0.05, columns=24)
    words = ldpc.tag_words(b"k" * 16, plan)
    one, two = (stream(seed).integers(0, 2, 300, dtype=np.uint8) for seed in (1, 2))
    tags = [ldpc.parities(bits, plan, words).tag for bits in (one, two, one ^ two)]
    assert tags[0] != tags[1]
    assert tags[0] ^ tags[1] == tags[2]
    assert all(0 <= tag < 2**32 for tag in tags)


def test_combining_stays_close_to_the_tanh_rule_and_never_exceeds_the_smaller():
    sizes = np.arange(0, 1600, 7, dtype=np.int16)
    left, right = (np.ascontiguousarray(side.ravel()) for side in np.meshgrid(sizes, sizes))
    out = np.empty_like(left)
    combine(out, left, right)
    assert (out >= 0).all()
    assert (out <= np.minimum(left, right)).all()
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    assert max(abs(exact(a, b) - got) for (a, b), got in zip(pairs, out.tolist(), strict=True)) < 8


@settings(max_examples=25, deadline=None)
@given(st.integers(60, 120), st.sampled_from([0.02, 0.05, 0.11]), st.integers(0, 2**30), st.booleans())
def test_the_decoder_equals_the_plain_one_bit_for_bit(size, qber, seed, told_more):
    plan = ldpc.make_plan(size, qber, columns=20)
    wrong = (stream(seed).random(size) < 1.2 * qber).astype(np.uint8)
    told = disclosed(plan, wrong)
    more = told.more(plan) if told_more else None
    fast = ldpc.decode(plan, size, told.first(plan), more)
    plain = decode_plainly(plan, size, told.first(plan), more, rounds=ldpc.ROUNDS, combine=softened)
    assert (fast is None) == (plain is None)
    assert fast is None or np.array_equal(fast, plain)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**30), st.sampled_from([0, 0, 1, 3]))
def test_a_pattern_explains_the_parities_exactly_if_every_known_check_holds(seed, turned):
    plan = ldpc.make_plan(100, 0.05, columns=20)
    rng = stream(seed)
    pattern = (rng.random(100) < 0.1).astype(np.uint8)
    first = disclosed(plan, pattern).first(plan)
    pattern[rng.choice(100, turned, replace=False)] ^= 1
    known = ldpc.layers(plan, first, None)
    posterior = np.where(ldpc.padded(pattern, plan) == 1, -5, 5).astype(np.int16)
    held = _explains(
        known.begin, known.end, plan.code.column, plan.code.shift, known.syndromes, known.limits,
        posterior.reshape(plan.code.columns, plan.code.lift),
    )  # fmt: skip
    assert held == np.array_equal(disclosed(plan, pattern).first(plan), first)
    assert held or turned


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 800), min_size=1, max_size=8),
    st.lists(st.integers(0, 800), min_size=8, max_size=8),
)
def test_the_compiled_sum_of_two_bits_is_the_plain_one_number_for_number(left, right):
    right = right[: len(left)]
    out = np.empty(len(left), np.int16)
    combine(out, np.array(left, np.int16), np.array(right, np.int16))
    assert out.tolist() == [softened(a, b) for a, b in zip(left, right, strict=True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2**32 - 1)), max_size=60))
def test_the_compiled_hash_of_a_frame_is_the_sum_of_its_words(places):
    bits, words = np.array([b for b, _ in places], np.uint8), np.array([w for _, w in places], np.uint32)
    assert int(tag(bits, words)) == functools.reduce(operator.xor, [w for b, w in places if b], 0)


@pytest.mark.compiled
def test_whole_numbers_and_straight_pieces_decode_as_many_frames_as_the_tanh_rule():
    plan = ldpc.make_plan(320, 0.05, columns=40)
    right = [0, 0]
    for seed in range(16):
        wrong = (stream(seed).random(320) < 0.04).astype(np.uint8)
        first = disclosed(plan, wrong).first(plan)
        found = (
            ldpc.decode(plan, 320, first), decode_plainly(plan, 320, first, rounds=25, combine=exact),
        )  # fmt: skip
        for which, pattern in enumerate(found):
            right[which] += pattern is not None and np.array_equal(pattern, wrong)
    assert abs(right[0] - right[1]) <= 2
    assert 3 <= right[0] < 16, "neither all nor none, else nothing is compared"


def test_on_a_tiny_code_the_decoder_finds_the_most_likely_pattern_and_none_where_two_are():
    """Ten columns of two bits, each in a pair of five rows: small enough to try every pattern."""
    pairs = list(itertools.combinations(range(5), 2))
    halves = [
        [column for column, pair in enumerate(pairs) if row in pair][half::2]
        for row in range(5)
        for half in (0, 1)
    ]
    column = np.array([at for half in halves for at in half], np.int32)
    row = np.repeat(np.arange(10) // 2, 2)
    shift = np.array(
        [sum(pairs[at]) % 2 if pairs[at][1] == r else 0 for at, r in zip(column, row, strict=True)], np.int32
    )
    code = Code(5, 10, 2, np.arange(0, 21, 2, dtype=np.int32), column, shift)
    plan = ldpc.Plan(20, 2, 10, 1, 20, 0.05, code)
    each = half_matrix(code).reshape(5, 2, 2, 20)
    matrix = (each[:, 0] ^ each[:, 1]).reshape(10, 20)
    sure = 0
    for places in itertools.chain.from_iterable(itertools.combinations(range(20), k) for k in (0, 1, 2)):
        first = matrix[:, list(places)].sum(axis=1).astype(np.uint8) & 1
        likely, found = most_likely(matrix, first), ldpc.decode(plan, 20, first)
        assert found is None or tuple(np.flatnonzero(found).tolist()) in likely
        assert found is not None or len(likely) > 1
        sure += len(likely) == 1
    assert sure > 150


def test_no_pattern_explains_parities_that_contradict_each_other():
    matrix = np.array([[1, 1, 0], [1, 1, 0]], np.uint8)
    assert most_likely(matrix, np.array([1, 0], np.uint8)) == []


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("qber", "most"), [(0.01, 1.30), (0.02, 1.25), (0.05, 1.18), (0.08, 1.18), (0.11, 1.18)]
)
def test_full_frames_are_decoded_at_the_efficiency_of_the_engine(qber, most):
    plan, leak, limit = ldpc.make_plan(65536, qber), 0, 0.0
    for seed in range(6):
        wrong = (stream(seed).random(65536) < qber).astype(np.uint8)
        told = disclosed(plan, wrong)
        leak += plan.checks + ldpc.TAG_BITS + 1
        found = ldpc.decode(plan, 65536, told.first(plan))
        if found is None:
            leak += plan.more + 1
            found = ldpc.decode(plan, 65536, told.first(plan), told.more(plan))
        limit += 65536 * entropy(float(wrong.mean()))
        assert found is not None
        assert np.array_equal(found, wrong)
    assert leak / limit < most


@pytest.mark.compiled
def test_half_rows_decode_what_whole_rows_do_not():
    plan = ldpc.make_plan(65536, 0.05)
    wrong = np.zeros(65536, np.uint8)
    wrong[stream(3).choice(65536, 3400, replace=False)] = 1  # 2.2 standard deviations more than expected
    told = disclosed(plan, wrong)
    assert ldpc.decode(plan, 65536, told.first(plan)) is None
    assert np.array_equal(ldpc.decode(plan, 65536, told.first(plan), told.more(plan)), wrong)


def test_messages_and_posteriors_fit_their_integers():
    ceiling = LIMIT * (DEGREES[-1] - 1) + round(64 * np.log((1 - ldpc.QBER_LEAST) / ldpc.QBER_LEAST))
    assert 2 * ceiling + 44 < 2**15
