"""Which way a key goes."""

import pytest

from qorridor.base.errors import KeySupplyError
from qorridor.run.topology import Topology

CHAIN = Topology(
    {"lh": ("london", "hayes"), "hs": ("hayes", "slough"), "ls": ("london", "slough"), "xy": ("x", "y")}
)


def test_the_path_with_the_fewest_links_is_taken():
    assert CHAIN.path("london", "slough") == ("london", "slough")
    assert Topology({k: v for k, v in CHAIN.links.items() if k != "ls"}).path("london", "slough") == (
        "london", "hayes", "slough",
    )  # fmt: skip


def test_a_site_reaches_itself_without_a_link():
    assert CHAIN.path("london", "london") == ("london",)


def test_sites_that_no_links_join_are_refused():
    with pytest.raises(KeySupplyError) as error:
        CHAIN.path("london", "y")
    assert error.value.code == "Q-RELAY-002"
    with pytest.raises(KeySupplyError) as error:
        CHAIN.link_between("hayes", "y")
    assert error.value.code == "Q-RELAY-001"


def test_neighbours_and_far_ends_are_seen_from_both_sides():
    assert CHAIN.neighbours("hayes") == ["london", "slough"]
    assert CHAIN.far_end("lh", "hayes") == "london"
    assert CHAIN.far_end("lh", "london") == "hayes"
    assert CHAIN.link_between("hayes", "london") == "lh"
