"""Every model behind one name: its kind, its source, its station, and the bound."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.photonics.entangled import Placement
from qorridor.photonics.presets import load_preset
from qorridor.photonics.rates import secret_key_rate
from qorridor.plan.link_rates import MODELS, POINT_TO_POINT, Choice, curve_by, rate_by
from tests.photonics.links import links, of_a_proof

LONG = load_preset("snspd-long")


@pytest.mark.requirement("A-16")
@settings(max_examples=150, deadline=None)
@given(
    links(),
    st.sampled_from(sorted(set(MODELS) - {"finite-2decoy", "finite-1decoy"})),
    st.sampled_from(Placement),
)
def test_no_point_to_point_model_passes_the_bound_for_any_link(link, model, placement):
    line = rate_by(model, of_a_proof(link), Choice(placement=placement))
    assert line.bits_per_pulse >= 0
    assert line.model == model
    if model != "tf":
        assert not line.above_bound


@pytest.mark.requirement("A-16")
def test_the_twin_field_line_alone_may_pass_the_bound_and_names_its_measuring_station():
    link = replace(LONG, length=450.0)
    above = [
        name for name in MODELS if not name.startswith("finite") and rate_by(name, link, Choice()).above_bound
    ]
    assert above == ["tf"]
    assert rate_by("tf", link, Choice()).station == "untrusted measuring station halfway between the ends"
    assert [name for name, model in MODELS.items() if model.station] == ["mdi", "tf"]


def test_each_model_says_of_what_kind_it_is_and_where_its_formulas_are_from():
    assert POINT_TO_POINT == ("asymptotic", "finite", "finite-2decoy", "finite-1decoy", "bbm92")
    assert {MODELS[name].kind for name in ("mdi", "tf")} == {"scaling line"}
    assert all("scaling line" in MODELS[name].title for name in ("mdi", "tf"))
    assert MODELS["plob"].kind == "bound"
    assert all(model.source and model.per for model in MODELS.values())


def test_the_asymptotic_line_is_the_planning_figure():
    found, line = secret_key_rate(LONG), rate_by("asymptotic", LONG, Choice())
    assert (line.bits_per_pulse, line.secret_key_rate) == (found.bits_per_pulse, found.secret_key_rate)
    assert line.per == "signal pulse"


def test_a_finite_line_names_its_proof_and_what_limits_it():
    line = rate_by("finite", load_preset("metro"), Choice())
    assert line.secret_key_rate == 0
    assert line.details["proof"] == "wiesemann2024-1decoy"
    assert "leakage" in line.details["limit"]
    assert "2405.16578" in line.source
    better = rate_by("finite", load_preset("metro"), Choice(optimised=True))
    assert better.secret_key_rate > 1e4
    assert better.details["intensities"] != [0.45, 0.15]


def test_a_finite_model_takes_the_source_of_its_proof_or_refuses():
    two, three = load_preset("metro"), load_preset("demo-1ghz")
    assert rate_by("finite-2decoy", three, Choice()) == replace(
        rate_by("finite", three, Choice()), model="finite-2decoy"
    )
    for model, link in (("finite-2decoy", two), ("finite-1decoy", three)):
        with pytest.raises(LinkError, match="intensities"):
            rate_by(model, link, Choice())
        assert rate_by(model, link, Choice(optimised=True)).secret_key_rate > 0
    with pytest.raises(LinkError, match="is not for 3"):
        rate_by("finite-2decoy", three, Choice(proof="rusca2018-1decoy"))
    reference = rate_by("finite-1decoy", two, Choice(proof="rusca2018-1decoy", optimised=True))
    assert reference.secret_key_rate > rate_by("finite-1decoy", two, Choice(optimised=True)).secret_key_rate


def test_a_curve_falls_and_each_point_is_what_the_point_alone_gives():
    fibres = [replace(LONG, length=km) for km in (100.0, 200.0, 450.0, 500.0)]
    for model in set(MODELS) - {"finite"}:
        rates = [line.secret_key_rate for line in curve_by(model, fibres, Choice(optimised=True))]
        assert rates == sorted(rates, reverse=True)
        alone = rate_by(model, fibres[1], Choice(optimised=True)).secret_key_rate
        assert rates[1] == pytest.approx(alone, rel=1e-3)
        assert rates[1] > 0


def test_past_the_end_of_its_key_a_chosen_source_is_not_sought_again():
    fibres = [replace(LONG, length=km) for km in (300.0, 450.0, 500.0)]
    lines = curve_by("finite", fibres, Choice(optimised=True))
    assert [line.secret_key_rate > 0 for line in lines] == [True, False, False]
    assert lines[2].details["limit"] == lines[1].details["limit"] == "no choice of source yields key"
