"""Fibres and corridors by the link model; no rate passes the bound of a link without repeater."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.units import DecibelMilliwatt, Kilometre
from qorridor.estate.model import Coexistence, Fibre
from qorridor.estate.read import parse
from qorridor.plan.corridors import plan
from qorridor.plan.spans import margin, parameters, rate_of
from qorridor.records.documents import Plan, read, write

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()


def planned(text=TEXT):
    return plan(parse(text), tool_version="0", inputs={})


def spans(text=TEXT):
    return {span.name: span for span in planned(text).spans}


@pytest.mark.requirement("A-16", "A-17", "B-11")
def test_the_example_is_feasible_with_a_rate_and_a_margin():
    made = planned()
    corridor = made.corridors["thames"]
    assert corridor.feasible
    assert corridor.links == ["london-hayes", "hayes-slough"]
    assert corridor.trusted_nodes == ["hayes"]
    assert corridor.secret_key_rate == min(span.secret_key_rate for span in made.spans)
    assert corridor.reserve_keys == 720
    assert corridor.simulated
    assert any("off their one-time pads" in note for note in corridor.notes)


def test_a_measured_loss_replaces_the_model():
    found = spans()
    assert (found["london-hayes"].loss, found["london-hayes"].loss_source) == (6.9, "measured")
    assert (found["hayes-slough"].loss, found["hayes-slough"].loss_source) == (5.56, "model")


@pytest.mark.requirement("A-16", "A-17", "B-11")
def test_too_much_loss_is_refused_with_the_loss_as_binding_constraint():
    text = TEXT.replace('length = "27.4 km"', 'length = "270 km"').replace(
        'loss = "6.9 dB"', 'loss = "68 dB"'
    )
    corridor = planned(text).corridors["thames"]
    assert not corridor.feasible
    assert corridor.binding.startswith("london-hayes: loss 68.0 dB > limit 3")
    assert corridor.reserve_filled_in is None
    assert spans(text)["london-hayes"].remedies


def test_bright_light_beside_the_signal_is_refused_with_raman_noise_as_binding_constraint():
    span = spans(TEXT.replace('launch = "-28 dBm"', 'launch = "0 dBm"'))["hayes-slough"]
    assert span.verdict == "infeasible"
    assert span.binding == "Raman noise of 8 channels at 0 dBm each"
    assert "dark instead of lit fibre" in span.remedies


def test_two_corridors_share_the_rate_of_their_fibre():
    extra = TEXT.replace("[corridor.thames]", '[corridor.other]\nflow = "research-share"\npath = ["slough", "hayes"]\n'
                         'link.hayes-slough = { driver = "simulator", preset = "metro" }\n[corridor.thames]')  # fmt: skip
    assert set(planned(extra).corridors) == {"other", "thames"}


@settings(deadline=None, max_examples=60)
@given(st.floats(0.1, 300), st.sampled_from(["metro", "demo-1ghz", "gys", "decoy-1ghz", "snspd-long"]))
def test_no_planned_rate_passes_the_bound_and_the_margin_is_where_the_rate_ends(length, preset):
    fibre = Fibre(between=("a", "b"), length=Kilometre(length))
    link = parameters(fibre, preset)
    bound = -__import__("math").log2(1 - link.channel_transmittance) * link.clock
    assert rate_of(link) <= bound
    spare = margin(link, 10.0)
    assert (spare >= 0) == (rate_of(link) >= 10.0)


def test_light_in_the_strand_never_raises_the_rate():
    dark = Fibre(between=("a", "b"), length=Kilometre(20))
    lit = Fibre(
        between=("a", "b"),
        length=Kilometre(20),
        coexists=Coexistence(channels=4, launch=DecibelMilliwatt(-20)),
    )
    assert rate_of(parameters(lit, "metro")) < rate_of(parameters(dark, "metro"))


def test_a_plan_is_read_back_unchanged():
    made = planned()
    assert write(read(Plan, write(made), "x")) == write(made)
