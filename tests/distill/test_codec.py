import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill.aborts import BlockAbort
from qorridor.distill.codec import Direction, Kind, Names, header, join, payload_of, split

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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5))
def test_parts_come_back(parts):
    assert split(join(parts), len(parts)) == parts
    with pytest.raises(BlockAbort):
        split(join(parts), len(parts) + 1)
    with pytest.raises(BlockAbort):
        split(join(parts) + b"x", len(parts))
