import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill.verification import PRIME, block_tag, collision_bound, equal_tags

KEY = bytes(range(16))


def slow(key, bits):
    point = int.from_bytes(key, "big") % PRIME
    data = np.packbits(bits).tobytes()
    chunks = [int.from_bytes(data[at : at + 15], "big") for at in range(0, len(data), 15)] + [len(bits)]
    return (sum(c * pow(point, len(chunks) - i, PRIME) for i, c in enumerate(chunks)) % PRIME).to_bytes(
        16, "big"
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=500), st.binary(min_size=16, max_size=16))
def test_the_tag_is_the_polynomial_of_the_blocks(values, key):
    bits = np.array(values, np.uint8)
    assert block_tag(key, bits) == slow(key, bits)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999))
def test_one_different_bit_changes_the_tag(place):
    bits = np.zeros(1000, np.uint8)
    other = bits.copy()
    other[place] = 1
    assert not equal_tags(block_tag(KEY, bits), block_tag(KEY, other))
    assert not equal_tags(block_tag(KEY, bits), block_tag(KEY, bits[:999]))


def test_a_million_bits_collide_far_below_the_claim():
    assert collision_bound(10**6) < 1e-15
