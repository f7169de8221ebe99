import numpy as np
import pytest
from cryptography.hazmat.primitives.poly1305 import Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base import cbor
from qorridor.base.secret import Secret
from qorridor.distill.aborts import BlockAbort
from qorridor.distill.authentication import RENEW_AFTER, Authenticator, bootstrap_size, forgery_bound

SECRET = np.random.Generator(np.random.Philox(3)).bytes(bootstrap_size(80))


def pair(target=200, tags=80):
    notes = []
    secret = SECRET[: bootstrap_size(tags)]
    make = lambda role: Authenticator(
        Secret(secret), role, lambda d, i: notes.append((role, d, i)), target=target
    )
    return make("transmitter"), make("receiver"), notes


def slow_tag(r, s, message):
    """Poly1305 in Python integers (RFC 8439 section 2.5)."""
    point = int.from_bytes(r, "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    value = 0
    for at in range(0, len(message), 16):
        value = (value + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * point % ((1 << 130) - 5)
    return ((value + int.from_bytes(s, "little")) % (1 << 128)).to_bytes(16, "little")


def test_the_rfc_8439_vector_is_met():
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = "a8061dc1305136c6c22b8baf0c0127a9"
    assert Poly1305.generate_tag(key, b"Cryptographic Forum Research Group").hex() == tag
    assert slow_tag(key[:16], key[16:], b"Cryptographic Forum Research Group").hex() == tag


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_a_tag_is_poly1305_under_the_kept_r_and_the_next_one_time_value(message):
    left, right, _ = pair()
    signed = left.sign(message)
    assert signed[:8] == bytes(8)
    assert signed[8:] == slow_tag(SECRET[:16], SECRET[32:48], message)
    assert right.sign(message)[8:] == slow_tag(SECRET[16:32], SECRET[48:64], message)


@pytest.mark.requirement("B-16")
def test_an_altered_replayed_or_reflected_message_is_refused():
    left, right, _ = pair()
    signed = left.sign(b"hello")
    with pytest.raises(BlockAbort) as refused:
        right.verify(b"hullo", signed)
    assert refused.value.code == "Q-LINK-012"
    with pytest.raises(BlockAbort):
        right.verify(b"hello", signed)
    with pytest.raises(BlockAbort):
        left.verify(b"hello", left.sign(b"hello"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 24 * 8 - 1))
def test_any_flipped_bit_of_a_tag_is_refused_and_burns_the_value(bit):
    left, right, notes = pair()
    signed = bytearray(left.sign(b"hello"))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BlockAbort):
        right.verify(b"hello", bytes(signed))
    if bit >= 64:
        assert ("receiver", "transmitter-receiver", 1) in notes
        with pytest.raises(BlockAbort):
            right.verify(b"hello", left.sign(b"hello")[:-1])


def test_the_index_is_persisted_before_the_value_is_used_and_never_twice():
    left, right, notes = pair()
    for number in range(20):
        right.verify(b"m", left.sign(b"m"))
        assert notes[-1][2] == number + 1
    assert len(set(notes)) == len(notes)


def test_a_store_that_cannot_persist_stops_the_use():
    def full(direction, index):
        raise OSError("disk full")

    left = Authenticator(Secret(SECRET), "transmitter", full)
    with pytest.raises(OSError, match="disk full"):
        left.sign(b"x")
    assert left.state == (0, 0, 0)


def test_values_burnt_at_one_end_only_are_skipped_within_a_window():
    left, right, _ = pair()
    for _ in range(5):
        left.sign(b"lost")
    right.verify(b"m", left.sign(b"m"))
    assert right.left == left.left
    for _ in range(70):
        left.sign(b"lost")
    with pytest.raises(BlockAbort):
        right.verify(b"m", left.sign(b"m"))


def test_one_intact_copy_of_three_is_enough():
    left, right, _ = pair()
    copies = bytearray(left.sign(b"m") * 3)
    copies[3] ^= 1
    right.verify(b"m", bytes(copies), 3)


def test_more_copies_than_are_allowed_are_refused_and_burn_nothing():
    left, right, _ = pair()
    signed = left.sign(b"m")
    for size in (2, 4, 1000):
        with pytest.raises(BlockAbort) as refused:
            right.verify(b"m", signed * size, 1 if size == 2 else 3)
        assert refused.value.code == "Q-LINK-012"
    right.verify(b"m", signed)


@given(st.integers(0, 400), st.booleans())
def test_a_pool_takes_whole_values_and_never_more_than_the_key_has(size, old):
    left, _, _ = pair(tags=2)
    if old:
        left._out.tags = RENEW_AFTER
    wanted = left.wanted(size)
    assert wanted <= size
    left.refill(Secret(bytes(range(256))[:wanted] + bytes(max(0, wanted - 256))))
    assert {len(value) for lane in left._lanes for value in lane.values} == {16}
    assert {len(lane.r) for lane in left._lanes} == {16}
    assert len(left.sign(b"m")) == 24


def test_a_pool_that_does_not_reach_as_far_as_the_peer_is_an_abort():
    left, _, _ = pair(tags=4)
    with pytest.raises(BlockAbort) as empty:
        left.skip_to(0, 5)
    assert empty.value.code == "Q-LINK-014"
    left.skip_to(4, 4)
    assert left.left == 0


def test_a_wiped_pool_has_nothing_left():
    left, _, _ = pair(tags=4)
    values = [value for lane in left._lanes for value in lane.values]
    left.wipe()
    assert left.left == 0
    with pytest.raises(BlockAbort):
        left.sign(b"m")
    assert all(len(value) == 0 or not any(value.reveal()) for value in values)


def test_an_empty_pool_is_an_abort_of_its_own():
    left, _, _ = pair(tags=2)
    left.sign(b"a")
    left.sign(b"b")
    with pytest.raises(BlockAbort) as empty:
        left.sign(b"c")
    assert empty.value.code == "Q-LINK-014"


def test_new_key_refills_both_ends_alike_until_the_reserve_is_full():
    left, right, _ = pair(target=200, tags=80)
    key = bytes(range(256)) * 16
    wanted = left.wanted(len(key))
    assert wanted == right.wanted(len(key)) == 32 * 16
    for end in (left, right):
        end.refill(Secret(key[:wanted]))
    assert left.left == 96
    assert left.state == right.state
    while left.left < 100:
        end_size = left.wanted(len(key))
        for end in (left, right):
            end.refill(Secret(key[:end_size]))
    assert left.wanted(len(key)) == 0
    for _ in range(99):
        right.verify(b"m", left.sign(b"m"))


def test_r_is_renewed_when_it_has_made_its_tags(monkeypatch):
    monkeypatch.setattr("qorridor.distill.authentication.RENEW_AFTER", 3)
    left, right, _ = pair(target=160)
    for _ in range(3):
        right.verify(b"m", left.sign(b"m"))
    size = left.wanted(4096)
    fresh = bytes(range(200, 232)) + bytes(size - 32)
    for end in (left, right):
        end.refill(Secret(fresh))
    assert bytes(left._out.r.reveal()) == fresh[:16] == bytes(right._in.r.reveal())
    right.verify(b"m", left.sign(b"m"))


@pytest.mark.parametrize(("size", "power"), [(1 << 10, -97), (1 << 16, -91), (1 << 20, -87), (1 << 24, -83)])
def test_the_forgery_bound_is_that_of_the_contract(size, power):
    assert forgery_bound(size) == 2.0**power


@pytest.mark.parametrize("size", [0, 32, 33, 48, 63])
def test_a_bootstrap_secret_of_another_shape_is_refused(size):
    with pytest.raises(ValueError):
        Authenticator(Secret(bytes(size)), "transmitter", lambda d, i: None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), max_size=20), st.integers(0, 6))
def test_a_pool_that_was_kept_and_loaded_is_the_same_pool(turns, later):
    left, right, _ = pair()
    for ours in turns:
        (left if ours else right).sign(b"m")
    dumped = left.dump()
    for _ in range(later):
        left.sign(b"after the pool was kept")
    used = {"transmitter-receiver": left.state[1], "nonsense": 99}
    again = Authenticator.load(dumped, "transmitter", lambda d, i: None, used, target=200)
    assert again.state == left.state
    assert again.left == left.left
    assert again.sign(b"x") == left.sign(b"x")
    assert again.wanted(4096) == left.wanted(4096)


def test_more_used_values_than_a_pool_has_leave_it_empty():
    left, _, _ = pair(tags=2)
    again = Authenticator.load(left.dump(), "transmitter", lambda d, i: None, {"transmitter-receiver": 50})
    assert again.left == 0
    with pytest.raises(BlockAbort):
        again.sign(b"x")


@pytest.mark.parametrize(
    "wrong", [[], [1, 0], [0, 0, [[0, 0, b"r" * 16, b""]]], [0, 0, [[0, 0, b"r", b""], [0, 0, b"r" * 16, b""]]],
              [0, 0, [[0, 0, b"r" * 16, b"x"], [0, 0, b"r" * 16, b""]]], [-1, 0, [[0, 0, b"r" * 16, b""]] * 2]],
)  # fmt: skip
def test_anything_else_is_no_pool(wrong):
    with pytest.raises(ValueError):
        Authenticator.load(Secret(cbor.encode(wrong)), "transmitter", lambda d, i: None, {})


def test_a_refill_is_taken_back_once_and_only_while_none_of_it_was_used():
    left, right, _ = pair(tags=2)
    assert not left.can_undo
    with pytest.raises(ValueError, match="no refill"):
        left.undo()
    left.refill(Secret(bytes(64)))
    assert left.can_undo
    left.undo()
    assert left.state == right.state
    assert left.left == right.left == 2
    assert not left.can_undo
    left.refill(Secret(bytes(64)))
    for _ in range(3):
        left.sign(b"m")
    assert not left.can_undo
