import numpy as np
import pytest

from qorridor.distill import sifting
from qorridor.distill.aborts import BlockAbort
from qorridor.distill.bits import pack, unpack
from qorridor.distill.channel import Recalled, Received
from qorridor.distill.codec import join
from qorridor.distill.sifting import (
    Announcement,
    Sifted,
    SiftReply,
    click_bits,
    receiver_sift,
    transmitter_sift,
)

RNG = np.random.Generator(np.random.Philox(4))
N = 5000
bit = lambda: RNG.integers(0, 2, N, dtype=np.uint8)


def both_ends():
    slots = np.cumsum(RNG.integers(1, 500, N)).astype(np.int64)
    mine = Received(slots, bit(), np.array([1, 2], np.uint8)[bit()])
    sent = Recalled(RNG.integers(0, 3, N, dtype=np.uint8), bit(), bit())
    left, right = Sifted(), Sifted()
    said = Announcement.decode(Announcement(slots, mine.bases).encode(), -1, N)
    reply = SiftReply.decode(transmitter_sift(left, said.bases, sent).encode(), mine.bases)
    receiver_sift(right, mine.bases, click_bits(mine.clicks, bytes)[0], reply)
    return mine, sent, left, right


def test_both_ends_keep_the_same_detections_and_disclose_the_test_basis_only():
    mine, sent, left, right = both_ends()
    match = mine.bases == sent.bases
    for basis, ends in ((0, ("key_bits", "key_intensities")), (1, ("test_bits", "test_intensities"))):
        here = match & (mine.bases == basis)
        assert np.array_equal(getattr(right, ends[0]), mine.clicks[here] - 1)
        assert np.array_equal(getattr(left, ends[0]), sent.bits[here])
        assert np.array_equal(getattr(right, ends[1]), sent.intensities[here])
        assert np.array_equal(getattr(left, ends[1]), sent.intensities[here])
    assert np.array_equal(right.peer_test, sent.bits[match & (mine.bases == 1)])


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("n_key", [1, 690, 700])
def test_the_cut_is_behind_the_last_key_detection_that_is_due(batches, n_key):
    """Test detections before it stay, those behind it go, however many batches have come."""
    rng = np.random.Generator(np.random.Philox(9))
    parts = [rng.integers(0, 2, (3, 700 * 2 // batches), dtype=np.uint8) for _ in range(batches)]
    end = Sifted()
    for part in parts:
        end.add(*part)
        end.disclose(part[2][part[0] == 1])
    bases, intensities, bits = np.concatenate(parts, axis=1)
    n_key = min(n_key, end.key_count)
    end.cut(n_key)
    stop = np.flatnonzero(bases == 0)[n_key - 1] + 1
    assert np.array_equal(end.key_bits, bits[:stop][bases[:stop] == 0])
    assert np.array_equal(end.test_bits, bits[:stop][bases[:stop] == 1])
    assert np.array_equal(end.peer_test, end.test_bits)
    assert np.array_equal(end.test_intensities, intensities[:stop][bases[:stop] == 1])
    assert np.array_equal(end.key_intensities, intensities[:stop][bases[:stop] == 0])


def test_counts_and_errors_are_the_plain_ones_after_the_cut():
    _mine, _sent, left, right = both_ends()
    for end in (left, right):
        end.cut(700)
    left.disclose(right.test_bits)
    assert left.key_count == right.key_count == 700
    assert left.counts() == right.counts()
    assert left.test_errors() == right.test_errors()
    wrong = left.test_bits != right.test_bits
    assert left.test_errors() == tuple(int(wrong[left.test_intensities == k].sum()) for k in range(3))


def test_a_double_click_takes_a_bit_of_entropy_and_is_kept():
    clicks = np.array([1, 3, 2, 3, 3, 1], np.uint8)
    bits, double = click_bits(clicks, lambda n: b"\xa0")
    assert bits.tolist() == [0, 1, 1, 0, 1, 0]
    assert double == 3


def test_a_slot_announced_twice_is_refused():
    said = Announcement(np.array([5, 9], np.int64), np.zeros(2, np.uint8)).encode()
    with pytest.raises(BlockAbort):
        Announcement.decode(said, 5, 2)
    Announcement.decode(said, 4, 2)


@pytest.mark.parametrize("due", [0, 1, 3])
def test_an_announcement_of_another_size_than_is_due_is_not_even_decoded(due, monkeypatch):
    said = Announcement(np.array([5, 9], np.int64), np.zeros(2, np.uint8)).encode()
    monkeypatch.setattr(sifting, "decode_slots", None)
    with pytest.raises(BlockAbort, match="than is due"):
        Announcement.decode(said, -1, due)


def test_a_fourth_intensity_and_wrong_sizes_are_refused():
    bases = np.zeros(8, np.uint8)
    full = pack(np.ones(8, np.uint8))
    for parts in ([full, full, full, b""], [full, b"", full, b""], [full, full, b"\0", b"\1"]):
        with pytest.raises(BlockAbort):
            SiftReply.decode(join(parts), bases)


def test_fill_bits_that_are_not_zero_are_refused():
    assert unpack(b"\xa0", 3).tolist() == [1, 0, 1]
    with pytest.raises(BlockAbort):
        unpack(b"\xa1", 3)
