"""Who is crowded out when there are too many handshakes at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.adapters.wire.handshakes import Handshakes


def test_the_oldest_of_the_same_address_goes_first():
    dropped, under_way = [], Handshakes(most=10, most_per_address=2)
    for name in ("a1", "a2", "b1", "a3"):
        under_way.begin(name[0], lambda _, name=name: dropped.append(name))
    assert dropped == ["a1"]


def test_a_newcomer_takes_the_place_of_whoever_has_most():
    dropped, under_way = [], Handshakes(most=4, most_per_address=3)
    for name in ("b1", "a1", "a2", "a3", "c1", "d1"):
        under_way.begin(name[0], lambda _, name=name: dropped.append(name))
    assert dropped == ["a1", "a2"]


def test_what_is_over_makes_room():
    under_way = Handshakes(most=1, most_per_address=1)
    for _ in range(5):
        number = under_way.begin("a", lambda _: pytest.fail("dropped"))
        under_way.end(number)
        under_way.end(number)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=80))
def test_the_bounds_hold_and_the_newest_is_never_dropped(steps):
    dropped, under_way, open_now = set(), Handshakes(most=6, most_per_address=3), []
    for index, (address, ends) in enumerate(steps):
        number = under_way.begin(address, lambda _, index=index: dropped.add(index))
        assert index not in dropped
        open_now.append(number)
        if ends:
            under_way.end(open_now.pop(0))
        assert len(under_way._open) <= 6
        assert max(under_way._counts.values(), default=0) <= 3
        assert sum(under_way._counts.values()) == len(under_way._open)
