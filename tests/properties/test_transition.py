import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.run.corridor_state import State
from qorridor.run.transition import GENESIS, Transition, follows, read_transition


def record(**changes):
    fields = {
        "corridor": "thames", "seq": 1, "origin": State.FAIL_CLOSED, "to": State.HYBRID, "cause": "supply-restored",
        "epoch": 0, "policy_digest": bytes(48), "supply": (20, 4, 1, 2000), "proposer": "i", "previous": GENESIS,
        "deadline": 0, "time": 1_795_000_000,
    }  # fmt: skip
    return Transition(**(fields | changes))


def test_a_record_survives_its_encoding():
    full = record().signed("i", b"one").signed("r", b"two")
    assert read_transition(full.encode()) == full
    assert full.is_complete


def test_a_signature_is_no_part_of_what_is_signed():
    assert record().signed("i", b"x").payload() == record().payload()


@pytest.mark.parametrize(
    ("to", "complete"), [(State.FAIL_CLOSED, True), (State.HYBRID, False), (State.PQC_ONLY, False)]
)
def test_only_closing_is_legal_with_one_signature(to, complete):
    assert record(to=to).signed("r", b"x").is_complete is complete
    assert not record(to=to).is_complete


def test_records_form_a_chain():
    first = record()
    second = record(seq=2, origin=State.HYBRID, to=State.CACHED, previous=first.digest)
    assert follows(first, None, State.FAIL_CLOSED) == ""
    assert follows(second, first, State.HYBRID) == ""
    assert follows(record(seq=3), first, State.HYBRID) == "sequence"
    assert follows(record(seq=2, previous=bytes(48)), first, State.HYBRID) == "chain"
    assert follows(second, first, State.CACHED) == "origin"


@given(st.binary(max_size=300))
def test_garbage_is_a_value_error(data):
    with pytest.raises(ValueError):
        read_transition(data)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_any_changed_byte_gives_another_payload_or_none(place, value):
    data = bytearray(record().encode())
    place %= len(data)
    if data[place] == value:
        return
    data[place] = value
    try:
        read = read_transition(bytes(data))
    except ValueError:
        return
    assert read.encode() == bytes(data)
    assert read != record()


@pytest.mark.parametrize(
    ("origin", "to"),
    [(State.HYBRID, State.PQC_ONLY), (State.FAIL_CLOSED, State.PQC_ONLY), (State.FAIL_CLOSED, State.CACHED),
     (State.HYBRID, State.HYBRID)],
)  # fmt: skip
def test_a_record_that_skips_a_state_is_not_followed_whoever_signs_it(origin, to):
    assert follows(record(origin=origin, to=to), None, origin) == "way"
