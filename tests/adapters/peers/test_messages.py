"""Calls between nodes: what one writes the other reads, and nothing else gets through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.adapters.peers import messages
from qorridor.base.canonical import canonical_json
from qorridor.ports.key_store import Allotment, Association
from qorridor.ports.peer_node import Hop, HopKey, PathSupply

KEY_ID = "11111111-2222-4333-8444-555555555555"
PAIR = Association("sae-a", ("sae-b",), 256, ("london", "hayes"), ("0" * 32, "1" * 32))
PLACE = Allotment(KEY_ID, bytes(16), 3, 1, 256, bytes(32))
HOP = Hop(
    KEY_ID, PAIR, "lh", bytes(16), 1, 2, (HopKey(KEY_ID, bytes(32), bytes(32)),), bytes(16), True, bytes(16)
)
BIND = messages.bind_json("lh", PAIR, [PLACE], KEY_ID)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def test_a_bind_is_read_as_it_was_written():
    assert messages.read_bind(canonical_json(BIND)) == ("lh", PAIR, [PLACE], KEY_ID)


def test_a_hop_is_read_as_it_was_written():
    assert messages.read_hop(canonical_json(messages.hop_json(HOP))) == HOP


@pytest.mark.parametrize("silence", [0.0, 3.5, float("inf")])
def test_a_supply_is_read_as_it_was_written(silence):
    supply = PathSupply(12, 0.5, silence)
    assert messages.read_supply(canonical_json(messages.supply_json(supply))) == supply


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error_and_nothing_else(data):
    for read in (messages.read_bind, messages.read_hop, messages.read_supply):
        with pytest.raises(ValueError):
            read(data)


@given(st.sampled_from(sorted(BIND)), json_values)
def test_any_field_of_another_kind_is_refused_or_read_as_the_same_kind(name, value):
    body = json.dumps(BIND | {name: value}).encode()
    try:
        link, association, allotments, txid = messages.read_bind(body)
    except ValueError:
        return
    assert isinstance(link, str)
    assert isinstance(association, Association)
    assert all(isinstance(item, Allotment) for item in allotments)
    assert len(txid) == 36


@given(st.sampled_from(sorted(PAIR.as_json())), json_values)
def test_an_association_is_read_strictly(name, value):
    body = json.dumps(BIND | {"association": PAIR.as_json() | {name: value}}).encode()
    try:
        _, association, _, _ = messages.read_bind(body)
    except ValueError:
        return
    assert 64 <= association.size_bits <= 8192
    assert association.size_bits % 8 == 0


def test_too_many_keys_in_one_call_are_refused():
    body = BIND | {"keys": BIND["keys"] * (messages.MOST_KEYS + 1)}
    with pytest.raises(ValueError, match="keys"):
        messages.read_bind(json.dumps(body).encode())
