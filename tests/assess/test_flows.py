"""Flows of an estate are assessed with their reasons."""

from datetime import date
from pathlib import Path

import pytest

from qorridor.assess.flows import assess
from qorridor.estate.read import parse
from qorridor.records.documents import Assessment, read, write
from qorridor.records.inventory import Asset, Inventory
from qorridor.records.observations import Coverage

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()
SEEN = Inventory((), (Coverage("tls", "tls://a:1", "parsed"),), "2026-12-01T00:00:00Z", "0")
DAY = date(2026, 12, 1)


def assessed(text=TEXT, inventory=SEEN, rates=None):
    made = assess(
        parse(text), inventory, as_of=DAY, rates=rates or {"thames": 5e4}, tool_version="0", inputs={}
    )
    return made, {flow.name: flow for flow in made.flows}


@pytest.mark.requirement("A-07")
def test_the_example_earns_one_hybrid_corridor_and_one_post_quantum_baseline():
    _, flows = assessed()
    core, research = flows["core-replication"], flows["research-share"]
    assert (core.mechanism, core.base, core.overlay) == ("hybrid corridor", "P-now", "C/B")
    assert [reason.rule for reason in core.because] == ["B1", "O2", "X1"]
    assert (research.mechanism, research.overlay) == ("PQC baseline", "")
    assert core.must_hold_until == 2041
    assert core.exposed
    assert core.exposed_from == DAY


def test_a_flow_takes_the_longest_lifetime_and_the_highest_sensitivity():
    _, flows = assessed()
    assert flows["research-share"].keep_secret_years == pytest.approx(60)
    assert flows["research-share"].sensitivity == "restricted"


def test_an_unknown_lifetime_is_never_defaulted():
    _, flows = assessed(TEXT.replace('settlement = { keep_secret = "15 years", ', "settlement = { "))
    core = flows["core-replication"]
    assert core.mechanism == "inventory first"
    assert core.hndl_probability is None
    assert "keep_secret" in core.because[0].text


def test_a_quantum_safe_end_point_of_the_flow_is_kept():
    asset = Asset("r", "protocol", "TLS", {}, {"flow": "research-share", "quantum_class": "hybrid"})
    seen = Inventory((asset,), SEEN.coverage, SEEN.at, "0")
    _, flows = assessed(inventory=seen)
    assert flows["research-share"].mechanism == "keep"
    assert not [gap for gap in flows["research-share"].unknown if "key exchange" in gap]


def test_what_is_unknown_and_what_is_not_judged_is_said():
    made, flows = assessed(TEXT.replace("maturity = 3", "# maturity = 3"))
    assert "maturity" in flows["core-replication"].unknown
    assert "G2" in made.not_evaluated
    assert any("opinion" in limit for limit in made.limits)


def test_the_worst_flow_comes_first():
    made, _ = assessed()
    assert [flow.name for flow in made.worst(1)] == ["research-share"]


def test_a_document_is_read_back_unchanged():
    made, _ = assessed()
    assert write(read(Assessment, write(made), "x")) == write(made)
