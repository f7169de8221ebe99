"""Findings name what is not there yet; they are no mistakes."""

from pathlib import Path

from qorridor.estate.check import findings, missing_drivers
from qorridor.estate.drivers import catalogue
from qorridor.estate.read import parse
from qorridor.estate.schema import json_schema

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()


def test_a_known_driver_that_this_version_lacks_is_a_finding_with_its_line():
    found = findings(parse(TEXT), lambda _: True)
    (wireguard,) = [finding for finding in found if "wireguard" in finding.cause]
    assert wireguard.path == "flow.research-share.protected_by"
    assert "wireguard" in TEXT.splitlines()[wireguard.line - 1]
    assert wireguard.code == "Q-ESTATE-010"


def test_a_file_that_is_not_there_yet_is_a_finding():
    files = [finding for finding in findings(parse(TEXT), lambda _: False) if finding.code == "Q-ESTATE-011"]
    assert len(files) == 2
    assert not [f for f in findings(parse(TEXT), lambda _: True) if f.code == "Q-ESTATE-011"]


def test_a_site_of_a_corridor_without_a_node_is_a_finding():
    text = TEXT.replace('node = "node.hayes.meridian.example"', "")
    assert "Q-ESTATE-012" in {finding.code for finding in findings(parse(text), lambda _: True)}


def test_a_pair_of_which_one_end_is_silent_is_a_finding():
    text = TEXT.replace('may_pair_with = ["router-london"]', "may_pair_with = []")
    assert "Q-ESTATE-013" in {finding.code for finding in findings(parse(text), lambda _: True)}


def test_every_driver_of_the_example_is_in_the_catalogue():
    known = {fact.name for fact in catalogue()}
    assert {name for _, name in missing_drivers(parse(TEXT))} <= known
    assert {"simulator", "tls-tunnel", "sqlite", "tls", "stdout", "file"} <= {
        f.name for f in catalogue() if f.available
    }


def test_the_json_schema_refuses_unknown_keys_and_shows_an_example_of_each_quantity():
    schema = json_schema()
    assert schema["$schema"].endswith("draft-07/schema#")
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Fibre"]["properties"]["length"]["examples"] == ["27.4 km"]
