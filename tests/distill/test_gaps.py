import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill.aborts import BlockAbort
from qorridor.distill.gaps import decode_slots, encode_slots

slots = st.sets(st.integers(0, 2**50), max_size=60).map(lambda found: np.array(sorted(found), np.int64))


@settings(max_examples=100, deadline=None)
@given(slots)
def test_slots_come_back_as_they_were(places):
    # widely spread gaps would need long unary runs at a small parameter: the mean decides it
    if len(places) > 1 and np.diff(places).mean() > 2**38:
        places = places >> 14
        places = np.unique(places)
    assert np.array_equal(decode_slots(encode_slots(places)), places)


def test_a_detection_costs_about_ten_bits_at_one_click_in_236_slots():
    rng = np.random.Generator(np.random.Philox(1))
    places = np.cumsum(rng.geometric(1 / 236, 100_000)).astype(np.int64)
    assert 8 * len(encode_slots(places)) / len(places) < 9.8


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.integers(1, 255))
def test_an_altered_announcement_is_refused_or_reads_as_other_slots(at, change):
    rng = np.random.Generator(np.random.Philox(2))
    data = bytearray(encode_slots(np.cumsum(rng.geometric(0.01, 300)).astype(np.int64)))
    original = decode_slots(bytes(data))
    data[at % len(data)] ^= change
    try:
        read = decode_slots(bytes(data))
    except BlockAbort:
        return
    assert not np.array_equal(read, original)
    assert (np.diff(read) > 0).all()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_garbage_is_refused_or_canonical(data):
    try:
        read = decode_slots(data)
    except BlockAbort:
        return
    assert encode_slots(read) == data


@pytest.mark.parametrize("places", [[5, 5], [7, 3], [-1, 4]])
def test_slots_out_of_order_are_not_encoded(places):
    with pytest.raises(ValueError):
        encode_slots(np.array(places))


def plainly(places):
    """The code spelled out, bit by bit."""
    gaps = [int(b - a) - 1 for a, b in itertools.pairwise(places)]
    mean = sum(gaps) / len(gaps) if gaps else 0
    low = next((size for size in (1, 2, 3) if mean < 1.5 * 256**size), 4)
    bits = "".join("0" * (gap >> 8 * low) + "1" for gap in gaps)
    bits += "0" * (-len(bits) % 8)
    unary = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    rests = b"".join((gap & 256**low - 1).to_bytes(low, "little") for gap in gaps)
    return int(places[0]).to_bytes(8, "big") + len(places).to_bytes(4, "big") + bytes([low]) + rests + unary


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 2**22), min_size=1, max_size=200))
def test_the_compiled_code_writes_what_the_plain_one_does(found):
    places = np.array(sorted(found), np.int64)
    assert encode_slots(places) == plainly(places)


def test_fill_bits_a_slot_beyond_all_numbers_and_a_second_form_of_nothing_are_refused():
    spoilt = bytearray(encode_slots(np.arange(0, 35, 7)))  # four gaps: four bits of the last byte are fill
    spoilt[-1] |= 1
    head = ((1 << 62) - 1).to_bytes(8, "big") + (2).to_bytes(4, "big") + b"\1"
    for data in (bytes(spoilt), head + b"\x10\x80", b"\1" + bytes(12)):
        with pytest.raises(BlockAbort) as refused:
            decode_slots(data)
        assert "canonical" in refused.value.cause


@pytest.mark.parametrize("more", [b"\0", b"\x80"])
def test_bytes_behind_the_last_gap_are_refused(more):
    data = encode_slots(np.arange(0, 5000, 7))
    with pytest.raises(BlockAbort):
        decode_slots(data + more)
