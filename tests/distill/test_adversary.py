"""What an adversary on the channel, or at one end of it, gets from a block: nothing (rules in `adversary`)."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.canonical import canonical_json
from qorridor.distill.codec import Kind, join, split
from tests.distill import adversary
from tests.distill.adversary import ATTACKS, NEAR_KINDS, Lies, Strike, attacked, with_payload
from tests.distill.lab import FAR, SETTINGS, Line, with_settings


def stream(*parts):
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "big")))


def struck(kind, attack, occurrence=0, **line):
    """Outcomes of an attacked block behind a quiet one; the next block is quiet again and yields key."""
    far = kind in {Kind.SYNDROME, Kind.FRAMES}
    made = Line(delay=FAR if far else 0.0, **line)
    made.block()
    outcomes, hits = attacked(made, [Strike(kind, attack, occurrence)], [], stream(kind, attack, occurrence))
    assert hits, "the message did not come"
    made.meet()
    after = made.block()
    adversary.judge(made, after, alone=False)
    assert after[0].released
    return outcomes


HARMLESS = {
    # a last message is unchecked but for three copies of its tag
    (Kind.DONE, "flip"), (Kind.DONE, "flip in payload"), (Kind.DONE, "twice"), (Kind.DONE, "abort"),
    (Kind.DONE, "many tags"),
    # the same settings and the same word as in the block before
    (Kind.OPEN, "payload from before"), (Kind.VERDICT, "payload from before"),
}  # fmt: skip
PAIRS = [(kind, attack) for kind in [*NEAR_KINDS, Kind.SYNDROME, Kind.FRAMES] for attack in ATTACKS]


@pytest.mark.compiled
@pytest.mark.requirement("B-16")
@pytest.mark.parametrize(("kind", "attack"), PAIRS, ids=lambda part: getattr(part, "name", part))
def test_each_attack_on_each_kind_of_message_leaves_no_key_or_equal_ones_and_the_next_block_works(
    kind, attack
):
    left, right = struck(kind, attack)
    if (kind, attack) in HARMLESS:
        assert left.released
        assert right.released
    elif kind == Kind.DONE:
        assert not left.released
    elif attack not in {"swap", "twice"}:
        assert not left.released
        assert not right.released


@pytest.mark.compiled
@pytest.mark.parametrize("block", range(6))
def test_random_schedules_break_no_rule(block):
    for seed in range(50 * block, 50 * block + 50):
        adversary.run(seed)


@pytest.mark.compiled
@settings(max_examples=20)
@given(st.integers(0, 2**40))
def test_any_schedule_that_chance_finds_breaks_no_rule(seed):
    adversary.run(seed)


@pytest.mark.compiled
def test_a_schedule_is_a_function_of_its_number():
    first, second = adversary.run(4), adversary.run(4)
    assert first.outcomes[0].record == second.outcomes[0].record
    assert first.outcomes[1].record == second.outcomes[1].record


def cheated(end, kind, change, occurrence=0, again=False, **line):
    """Outcomes of a block in which an end says other things than it should; the next one yields key."""
    far = kind in {Kind.SYNDROME, Kind.FRAMES}
    made = Line(delay=FAR if far else 0.0, **line)
    outcomes, _ = attacked(made, [], [Lies(end, kind, change, occurrence, again=again)], stream(0))
    made.meet()
    after = made.block()
    adversary.judge(made, after, alone=False)
    assert after[0].released
    return outcomes


def flipped(payload, at=0, mask=0x80):
    return payload[:at] + bytes([payload[at] ^ mask]) + payload[at + 1 :]


def test_a_receiver_that_states_wrong_test_bits_raises_the_error_rate_and_gets_no_key():
    def change(payload):
        bits, counts = split(payload, 2)
        return join([bytes(255 - byte for byte in bits[:-1]) + bits[-1:], counts])

    left, _ = cheated(1, Kind.ESTIMATE, change)
    assert left.cause == "no-key"
    assert sum(left.record["m"]["test"]) > 0.9 * sum(left.record["n"]["test"])


@pytest.mark.parametrize("which", range(6))
def test_a_receiver_whose_counts_do_not_add_up_to_what_was_sifted_gets_no_key(which):
    def change(payload):
        bits, counts = split(payload, 2)
        number = int.from_bytes(counts[4 * which : 4 * which + 4], "big") + 1
        return join([bits, counts[: 4 * which] + number.to_bytes(4, "big") + counts[4 * which + 4 :]])

    left, right = cheated(1, Kind.ESTIMATE, change)
    assert left.cause == "protocol"
    assert "count" in left.record["abort_text"]
    assert not right.released


@pytest.mark.parametrize("part", range(4))
def test_a_transmitter_that_states_other_matches_intensities_or_test_bits_shares_no_key(part):
    """Matches: more or fewer are kept than it keeps; intensities: the counts differ; test bits: the tags do."""

    def change(payload):
        parts = split(payload, 4)
        parts[part] = flipped(parts[part], 3, 0x10)
        return join(parts)

    left, right = cheated(0, Kind.SIFT, change)
    if part == 3:  # its own statement, in the transcript of both: one more or one less test error at one end
        assert left.released == right.released
        assert left.record["l"] == right.record["l"]
    else:
        assert not left.released
        assert not right.released


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("occurrence", [0, 1, 5, 20])
def test_an_end_that_lies_in_parities_is_found_out_before_any_key_is_made(end, again, occurrence):
    left, right = cheated(end, Kind.PARITY, flipped, occurrence, again)
    assert not left.released
    assert not right.released
    assert {left.cause, right.cause} & {"verification-failed", "protocol", "no-key"}


@pytest.mark.compiled
@pytest.mark.parametrize("part", [0, 1])
def test_a_transmitter_that_lies_in_its_parities_or_hashes_of_frames_spoils_no_key(part):
    """A hash that is not that of the frame makes the frame resist; Cascade then corrects it in truth."""

    def change(payload):
        parts = split(payload, 2)
        parts[part] = flipped(parts[part])
        return join(parts)

    left, right = cheated(0, Kind.SYNDROME, change)
    assert left.released == right.released
    assert left.key == right.key
    assert left.record["frames_failed"] == right.record["frames_failed"] == 1


@pytest.mark.compiled
def test_a_receiver_that_counts_more_errors_than_there_are_bits_gets_no_key():
    def change(payload):
        flags, counts = split(payload, 2)
        return join([flags, (1 << 31).to_bytes(4, "big") + counts[4:]])

    left, right = cheated(1, Kind.FRAMES, change)
    assert left.cause == "protocol"
    assert not right.released


@pytest.mark.compiled
def test_a_receiver_that_counts_other_errors_than_it_corrected_is_not_believed_twice():
    """Its count is part of its own word; with two decoys nothing of the key follows from it."""

    def change(payload):
        flags, counts = split(payload, 2)
        return join([flags, counts[:3] + bytes([counts[3] + 1]) + counts[4:]])

    left, right = cheated(1, Kind.FRAMES, change)
    assert left.released == right.released
    assert left.record["l"] == right.record["l"]
    assert sum(left.record["m"]["key"]) == sum(right.record["m"]["key"]) + 1


@pytest.mark.parametrize("by", [1, -1, 256])
def test_a_transmitter_that_states_another_length_shares_no_key(by):
    def change(payload):
        length, proof, seed = split(payload, 3)
        return join([(int.from_bytes(length, "big") + by).to_bytes(4, "big"), proof, seed])

    left, right = cheated(0, Kind.AMPLIFY, change)
    assert right.cause == "protocol"
    assert not left.released


def test_a_seed_that_is_altered_on_its_way_is_found_by_the_tags():
    line = Line()

    def alter(_, direction, message):
        return [(direction, flipped(message, len(message) - 20) if message[1] == Kind.AMPLIFY else message)]

    left, right = line.block(alter)
    assert right.cause == "auth-failure"
    assert not left.released


def test_an_end_that_says_another_tag_of_the_block_than_its_own_shares_no_key():
    left, right = cheated(0, Kind.VERIFY, lambda payload: flipped(payload, len(payload) - 1, 1))
    assert (left.cause, right.cause) == ("peer-aborted", "verification-failed")
    left, right = cheated(1, Kind.VERDICT, lambda _: b"not equal")
    assert left.cause == "verification-failed"
    assert not right.released


@pytest.mark.parametrize("delay", [0.0, FAR])
def test_an_error_rate_above_what_the_proof_bears_ends_in_no_key_at_both_ends(delay):
    line = Line(qber=0.12, delay=delay)
    left, right = line.block()
    adversary.judge(line, [left, right], alone=False)
    assert (left.cause, right.cause) == ("no-key", "no-key")
    assert left.record["m"] == right.record["m"]
    assert 0.08 < sum(left.record["m"]["test"]) / sum(left.record["n"]["test"]) < 0.16


def test_an_opening_with_a_number_beyond_all_bounds_leaves_a_record_that_can_be_written():
    """Else one forged message would stop the link: a journal takes no whole number above 2^53."""
    line = Line()

    def forge(_, direction, message):
        changed = message[:19] + b"\xff" * 8 + message[27:] if message[1] == Kind.OPEN else message
        return [(direction, changed)]

    _, right = line.block(forge)
    assert right.cause == "protocol"
    assert right.record["sequence"] == 0
    assert canonical_json(right.record)


def test_an_error_rate_of_many_digits_ends_in_an_abort():
    """400 bytes do not fit a floating number."""
    line = Line()

    def forge(_, direction, message):
        if message[1] == Kind.RECONCILE:
            seed, _, name = split(message[adversary.HEADER + 4 :], 3)
            message = with_payload(message, join([seed, b"\xff" * 400, name]))
        return [(direction, message)]

    left, right = line.block(forge)
    assert right.cause == "protocol"
    assert not left.released


@pytest.mark.parametrize("kind", [Kind.AUTH, Kind.COMMIT])
def test_many_tags_in_one_message_are_no_more_attempts_at_a_forgery(kind):
    """One message with a million tags would be a million attempts, and the record counts one."""
    line = Line()

    def crowd(_, direction, message):
        if message[1] == kind:
            signed = message[adversary.HEADER + 4 :]
            message = with_payload(message, signed * 2)
        return [(direction, message)]

    left, right = line.block(crowd)
    assert not left.released
    assert not right.released
    assert "size" in right.record["abort_text"] or "size" in left.record["abort_text"]


def test_three_copies_of_the_last_tag_are_counted_as_three_attempts():
    line = Line()
    left, right = line.block()
    assert left.record["eps_auth"] == right.record["eps_auth"]
    single = 8 * -(-left.record["bytes_classical"] // 16) / 2.0**106
    assert 5.5 * single < float(left.record["eps_auth"]) < 6.5 * single


def test_one_intact_copy_of_the_last_tag_is_enough_and_none_is_not():
    for spoilt in (2, 3):
        line = Line()

        def spoil(_, direction, message, spoilt=spoilt):
            if message[1] == Kind.DONE:
                message = bytearray(message)
                for copy in range(spoilt):
                    message[-1 - 24 * copy] ^= 1
            return [(direction, bytes(message))]

        left, right = line.block(spoil)
        assert right.released
        assert left.released == (spoilt == 2)
        line.meet()
        left, right = line.block()
        assert left.key == right.key is not None


def test_a_key_shorter_than_what_the_pool_wants_fills_it_with_whole_values():
    """37 bytes give one value for each direction; the 5 left over are the key."""
    line = Line(settings=with_settings(l_fixed=300, leak_cap=1_500))
    for _ in range(12):
        left, right = line.block()
        assert left.key == right.key
        assert left.record["auth_bits_refilled"] == 256
        assert len(left.key) == 5
    assert {len(value) for end in line.ends for lane in end.auth._lanes for value in lane.values} == {16}


def test_settings_that_differ_or_a_small_block_cannot_meet():
    line = Line()
    line.ends[1].settings = with_settings(n_key=SETTINGS.n_key + 1)
    left, right = line.block()
    assert (left.cause, right.cause) == ("peer-aborted", "protocol")
