"""One hop of a relay: the pad hides, the tag binds, nothing opens twice differently."""

import pytest
from cryptography.hazmat.primitives.poly1305 import Poly1305
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base.errors import KeySupplyError
from qorridor.combine.one_time_pad import open_hop, seal_hop

keys = st.binary(min_size=8, max_size=96)


def pad_for(key):
    return memoryview(bytes((7 * n + 3) % 256 for n in range(len(key) + 32)))


@given(keys, st.binary(max_size=40))
def test_what_is_sealed_opens_and_the_cipher_is_key_xor_pad(key, header):
    cipher, tag = seal_hop(key, pad_for(key), header)
    assert open_hop(cipher, tag, pad_for(key), header) == key
    assert bytes(a ^ b for a, b in zip(cipher, pad_for(key), strict=False)) == key


def test_the_tag_is_poly1305_of_header_and_cipher_under_the_last_32_bytes():
    key, header = bytes(32), b"header"
    cipher, tag = seal_hop(key, pad_for(key), header)
    assert tag == Poly1305.generate_tag(bytes(pad_for(key)[32:]), header + cipher)


@given(keys, st.binary(min_size=1, max_size=20), st.integers(0, 10_000))
def test_any_changed_bit_of_cipher_tag_or_header_is_refused(key, header, place):
    cipher, tag = seal_hop(key, pad_for(key), header)
    parts = [bytearray(cipher), bytearray(tag), bytearray(header)]
    part = parts[place % 3]
    part[place // 3 % len(part)] ^= 1 << place % 8
    with pytest.raises(KeySupplyError) as error:
        open_hop(bytes(parts[0]), bytes(parts[1]), pad_for(key), bytes(parts[2]))
    assert error.value.code == "Q-KEY-030"


@pytest.mark.parametrize("size", [0, 31, 63, 65])
def test_a_pad_of_another_size_seals_and_opens_nothing(size):
    with pytest.raises(ValueError, match="one byte of pad"):
        seal_hop(bytes(32), memoryview(bytes(size)), b"")
    with pytest.raises(KeySupplyError):
        open_hop(bytes(32), bytes(16), memoryview(bytes(size)), b"")
