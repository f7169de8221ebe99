import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill.aborts import BlockAbort
from qorridor.distill.codec import Direction, Kind, Names, header, join, opened, payload_of, split

NAMES = Names("l", "a", "b")
EXPECTED = header(NAMES, (bytes(16), 7), kind=Kind.SIFT, direction=Direction.TO_RECEIVER, turn=3)


def message(payload=b"hello"):
    return EXPECTED + len(payload).to_bytes(4, "big") + payload


def test_a_payload_comes_back_behind_its_exact_header():
    assert payload_of(message(), EXPECTED) == b"hello"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(EXPECTED) + 3), st.integers(1, 255))
def test_any_other_header_is_refused(at, change):
    altered = bytearray(message())
    altered[at] ^= change
    with pytest.raises(BlockAbort):
        payload_of(bytes(altered), EXPECTED)


@pytest.mark.parametrize(
    "change", [{"turn": 4}, {"kind": Kind.OPEN}, {"direction": Direction.TO_TRANSMITTER}]
)
def test_a_message_of_another_turn_kind_or_direction_is_refused(change):
    other = header(
        NAMES, (bytes(16), 7), **{"kind": Kind.SIFT, "direction": Direction.TO_RECEIVER, "turn": 3, **change}
    )
    with pytest.raises(BlockAbort):
        payload_of(other + bytes(4), EXPECTED)


def test_an_abort_of_the_peer_is_told_from_garbage():
    abort = header(NAMES, (bytes(16), 7), kind=Kind.ABORT, direction=Direction.TO_RECEIVER, turn=9)
    with pytest.raises(BlockAbort) as refused:
        payload_of(abort + bytes(4), EXPECTED)
    assert refused.value.code == "Q-LINK-015"
    with pytest.raises(BlockAbort) as refused:
        payload_of(b"", EXPECTED)
    assert refused.value.code == "Q-LINK-013"


@pytest.mark.parametrize("size", [0, 3, 26])
def test_an_opening_shorter_than_its_header_is_refused(size):
    with pytest.raises(BlockAbort) as refused:
        opened(message()[:size])
    assert refused.value.code == "Q-LINK-013"
    assert opened(message()) == (bytes(16), 7)


def test_a_message_of_nothing_but_parts_is_not_taken_apart_to_its_end():
    """2^27 bytes would be 2^25 empty parts."""
    payload = bytes(1 << 20)
    with pytest.raises(BlockAbort):
        split(payload, 2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5))
def test_parts_come_back(parts):
    assert split(join(parts), len(parts)) == parts
    with pytest.raises(BlockAbort):
        split(join(parts), len(parts) + 1)
    with pytest.raises(BlockAbort):
        split(join(parts) + b"x", len(parts))
