"""The estate answers what the stages ask."""

from pathlib import Path

import pytest

from qorridor.base.errors import EstateError
from qorridor.base.units import Duration
from qorridor.estate.model import Policy, Timing, trust_domain
from qorridor.estate.read import parse

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()
ESTATE = parse(TEXT)


def test_links_are_named_in_path_order():
    assert ESTATE.link_names("thames") == ["london-hayes", "hayes-slough"]
    assert ESTATE.corridors["thames"].hops == [("london", "hayes"), ("hayes", "slough")]


def test_a_fibre_is_found_from_either_end():
    assert (
        ESTATE.fibre_between("hayes", "london") == ESTATE.fibre_between("london", "hayes") == "london-hayes"
    )
    assert ESTATE.fibre_between("london", "slough") is None


def test_of_two_parallel_fibres_the_one_that_the_corridor_names_is_its_link():
    text = TEXT.replace(
        "[fibre.london-hayes]",
        '[fibre.spare]\nbetween = ["hayes", "london"]\nlength = "30 km"\n[fibre.london-hayes]',
    )
    assert parse(text).link_names("thames") == ["london-hayes", "hayes-slough"]


def test_a_corridor_that_the_estate_does_not_name_is_refused():
    with pytest.raises(EstateError, match="thames") as caught:
        ESTATE.corridor("severn")
    assert caught.value.code == "Q-ESTATE-020"


def test_times_of_the_state_machine_follow_from_the_rekey_interval_unless_stated():
    assert Timing().window_for(Duration(120)) == 600
    assert Timing().window_for(Duration(300)) == 1500
    assert Timing().no_fresh_key_for(Duration(2)) == 60
    assert Timing(window=Duration(5)).window_for(Duration(120)) == 5


def test_a_silent_policy_stops_rather_than_falls_back():
    assert Policy().fallback == "stop"
    assert ESTATE.fallback_of("core-replication") == "pqc"
    assert ESTATE.fallback_limit_of("core-replication") == 86400


def test_the_baseline_selects_the_suite_of_the_combiner():
    assert Policy().suite == "MLKEM768-X25519-HKDF-SHA384"
    assert Policy(baseline="ML-KEM-1024").suite == "MLKEM1024-P384-HKDF-SHA384"


def test_the_trust_domain_comes_from_the_organisation():
    assert trust_domain(ESTATE) == "meridian-bank"


def test_an_estate_does_not_change_after_reading():
    with pytest.raises(ValueError, match="frozen"):
        ESTATE.organisation = "other"
