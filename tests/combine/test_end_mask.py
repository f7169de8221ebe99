"""The mask and digest of the two ends of a relay, against RFC 5869 written out."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base.secret import Secret
from qorridor.combine.end_mask import DIGEST_BYTES, SECRET_BYTES, agrees, digest, masked

SHARED = bytes(range(SECRET_BYTES))
KEY = bytes(range(32, 64))


def expand(secret, info, size):
    """HKDF-Expand with SHA-384 (RFC 5869, section 2.3)."""
    out, block, number = b"", b"", 0
    while len(out) < size:
        number += 1
        block = hmac.digest(secret, block + info + bytes([number]), hashlib.sha384)
        out += block
    return out[:size]


def hidden(place=b"k\0a", key=KEY, secret=SHARED):
    return bytes(masked(Secret(secret), place, key).reveal())


@pytest.mark.parametrize("size", [8, 32, 33, 128, 1024])
def test_the_mask_is_hkdf_expand_of_the_exporter_over_name_and_association(size):
    key = bytes(size)
    assert hidden(key=key) == expand(SHARED, b"qorridor/mask/1k\0a", size)


def test_the_digest_is_an_hmac_under_a_key_of_its_own():
    own = expand(SHARED, b"qorridor/mask-digest/1", SECRET_BYTES)
    assert digest(Secret(SHARED), b"k", KEY) == hmac.digest(own, b"k" + KEY, hashlib.sha384)[:DIGEST_BYTES]


@given(st.binary(min_size=8, max_size=64), st.binary(max_size=20))
def test_masking_twice_gives_the_key_back(key, place):
    assert hidden(place, hidden(place, key)) == key


def test_every_key_has_a_mask_of_its_own_and_another_secret_gives_another():
    masks = {
        hidden(b"k1\0a"),
        hidden(b"k2\0a"),
        hidden(b"k1\0b"),
        hidden(b"k1\0a", secret=bytes(SECRET_BYTES)),
    }
    assert len(masks) == 4


@given(st.integers(0, 255))
def test_one_changed_bit_shows(bit):
    changed = bytearray(KEY)
    changed[bit // 8] ^= 1 << bit % 8
    shown = digest(Secret(SHARED), b"k", KEY)
    assert agrees(Secret(SHARED), b"k", KEY, shown)
    assert not agrees(Secret(SHARED), b"k", bytes(changed), shown)
    assert not agrees(Secret(SHARED), b"j", KEY, shown)
