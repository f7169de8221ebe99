import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base import cbor

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=80)
    | st.text(max_size=40)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 200), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_encoding_equals_an_independent_library_and_decodes_to_itself(value):
    encoded = cbor.encode(value)
    assert cbor2.dumps(value, canonical=True) == encoded
    assert cbor.decode(encoded) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_decode_accepts_exactly_what_encode_produces(data):
    try:
        value = cbor.decode(data)
    except (ValueError, UnicodeDecodeError):
        return
    assert cbor.encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        "1801",
        "190001",
        "9fff",
        "5f41aaff",
        "a20201 0101",
        "a201010101",
        "f93c00",
        "c001",
        "1a0000",
        "41",
        "8201",
        "",
    ],
)
def test_other_forms_of_cbor_are_refused(data):
    with pytest.raises(ValueError):
        cbor.decode(bytes.fromhex(data))
