"""Equal facts are equal bytes; what parsers disagree on is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base.canonical import canonical_json, digest, strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=126)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_canonical_bytes_are_read_back_and_written_the_same(value):
    try:
        data = canonical_json(value)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    assert strict_json(data, max_depth=200) == value
    assert canonical_json(json.loads(data)) == data


def test_the_order_of_keys_does_not_change_the_digest():
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})


@pytest.mark.parametrize("value", [1.5, [0.0], {"a": 1e9}, 2**53, -(2**53), {"é": 1}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b"NaN",
        b"[Infinity]",
        b"[" * 40 + b"]" * 40,
        b"\xff",
        b"1" * 30,
        b"",
        b"{",
        b'{"a":{"b":1,"b":2}}',
    ],
)
def test_json_that_parsers_disagree_on_is_refused(data):
    with pytest.raises(ValueError):
        strict_json(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_value_error(data):
    try:
        strict_json(data)
    except ValueError:
        return


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'{"\udfff": 1}', rb'["a", "\ud83dx"]'])
def test_half_a_surrogate_pair_is_refused(text):
    with pytest.raises(ValueError):
        strict_json(text)


def test_a_whole_surrogate_pair_is_one_character():
    assert strict_json(rb'"\ud83d\ude00 \u00e4"') == "\N{GRINNING FACE} ä"
