from pathlib import Path

import pytest

from qorridor.app.link_model import link_parameters, link_settings
from qorridor.base.errors import LinkError
from qorridor.estate.read import parse

TEXT = (Path(__file__).parents[2] / "examples" / "meridian" / "estate.toml").read_text()
DEMO = parse(TEXT, "estate.toml")
METRO = parse(TEXT.replace('preset = "demo-1ghz"', 'preset = "metro"'), "estate.toml")


def test_a_simulated_link_takes_the_estates_fibre_and_the_presets_module():
    link = link_parameters(DEMO, "london-hayes")
    assert link.loss == pytest.approx(6.9)
    assert link.name == "demo-1ghz"


def test_both_ends_derive_the_same_settings_and_the_first_site_transmits():
    left, right = link_settings(DEMO, "london-hayes"), link_settings(DEMO, "london-hayes")
    assert left.encode() == right.encode()
    assert left.names.transmitter == "london"
    assert left.n_key == 1_000_000
    assert left.security.proof == "lim2014-2decoy"
    assert left.security.leak_rule == "both-directions"
    assert 0.01 < left.start_qber < 0.02


def test_a_preset_that_no_proof_covers_is_refused_with_the_way_out():
    with pytest.raises(LinkError, match="demo-1ghz") as refused:
        link_settings(METRO, "london-hayes")
    assert refused.value.code == "Q-LINK-018"


def test_a_link_that_is_not_simulated_is_refused():
    with pytest.raises(LinkError) as refused:
        link_parameters(DEMO, "london-slough-cc")
    assert refused.value.code == "Q-LINK-021"
