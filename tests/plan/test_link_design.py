"""What `plan` promises, `link optimise` and `link rate` print and the links of `run` are set to is one answer."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from qorridor.app.link_model import link_parameters, link_settings
from qorridor.distill import ldpc
from qorridor.distill.reconciliation import CASCADE, LDPC, LDPC_SIFTED
from qorridor.estate.read import parse
from qorridor.faces.cli.main import run as call
from qorridor.photonics.expectation import expect
from qorridor.photonics.presets import PRESETS, load_preset
from qorridor.plan import link_design, link_optimum
from qorridor.plan.corridors import plan
from qorridor.plan.finite_blocks import engines_for, finite_rate, sifted_per_second
from qorridor.plan.link_design import design

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()
PLAIN = '{ driver = "simulator", preset = "demo-1ghz" }'
ESTATES = {
    "two decoys": TEXT,
    "one decoy": TEXT.replace("demo-1ghz", "metro"),
    "the preset's source": TEXT.replace(PLAIN, PLAIN.replace(" }", ', source = "preset" }')),
    "larger blocks": TEXT.replace(PLAIN, '{ driver = "simulator", preset = "metro", source = "preset" }'),
}
LINKS = ("london-hayes", "hayes-slough")


@pytest.mark.parametrize("which", ESTATES)
def test_the_plan_promises_what_the_links_of_a_run_are_set_to(which):
    estate = parse(ESTATES[which], "estate.toml")
    spans = {span.name: span.blocks for span in plan(estate, tool_version="0", inputs={}).spans}
    for link in LINKS:
        settings, promised = link_settings(estate, link), spans[link].run
        assert settings.n_key == (10_000_000 if which == "larger blocks" else 1_000_000)
        assert (promised.n_key, promised.length, promised.engine) == (
            settings.n_key, settings.l_fixed, settings.engine,
        )  # fmt: skip
        assert tuple(promised.source.intensities) == settings.source.intensities
        assert tuple(promised.source.probabilities) == settings.source.probabilities
        assert promised.source.key_basis == settings.key_basis
        assert float(promised.secret_key_rate) == pytest.approx(promised.length / float(promised.block_time))
        assert spans[link].source == ("optimised" if "decoy" in which else "preset")


@pytest.mark.parametrize("preset", ["demo-1ghz", "metro"])
@pytest.mark.requirement("B-11")
def test_link_optimise_and_link_rate_print_what_the_link_of_a_run_is_set_to(capsys, preset):
    estate = parse(TEXT.replace("demo-1ghz", preset), "estate.toml")
    settings, promised = (
        link_settings(estate, "london-hayes"),
        plan(estate, tool_version="0", inputs={}).spans[0],
    )
    where = ("--preset", preset, "--distance", "27.4 km", "--loss", "6.9 dB", "--margins", "--json")

    def printed(*words):
        assert call(("link", *words, *where)) == 0
        return json.loads(capsys.readouterr()[0])

    for found in (printed("optimise")["optimised"], printed("rate", "--model", "finite", "--optimised")):
        assert tuple(found["intensities"]) == settings.source.intensities
        assert tuple(found["probabilities"]) == settings.source.probabilities
        assert (found["key_basis"], found["n_key"]) == (settings.key_basis, settings.n_key)
        assert (found["length"], found["leak"]) == (settings.l_fixed, settings.leak_cap)
        assert found["engine"] == settings.engine
        assert found["secret_key_rate"] == pytest.approx(float(promised.blocks.run.secret_key_rate))


@pytest.mark.parametrize("name", PRESETS)
def test_figures_of_a_design_can_be_set_on_a_module(name):
    found = design(load_preset(name)).link
    assert sum(found.probabilities) == pytest.approx(1, abs=1e-12)
    assert all(round(share, 3) == share for share in (*found.probabilities, found.key_basis))
    assert all(float(f"{mean:.3g}") == mean for mean in found.intensities)


@pytest.mark.parametrize("name", ["demo-1ghz", "metro", "snspd-long"])
def test_last_bits_of_floats_change_no_figure_of_a_design(monkeypatch, name):
    """Two machines whose exp() or log() differ in the last bit come to identical settings."""
    link, plainly = load_preset(name), design(load_preset(name))
    score = link_optimum._score
    for seed in range(3):
        rng = random.Random(seed)
        shaken = lambda *given, **named: score(*given, **named) * (1 + rng.choice((-2e-16, 0.0, 2e-16)))  # noqa: B023
        monkeypatch.setattr(link_optimum, "_score", shaken)
        assert design.__wrapped__(link) == plainly


def test_the_engine_follows_from_what_the_link_sifts_and_no_clock():
    link = link_parameters(parse(TEXT, "estate.toml"), "london-hayes")
    assert sifted_per_second(link, vetoed=True) > LDPC_SIFTED
    assert engines_for(link) == (CASCADE,)
    slower = replace(link, clock=link.clock / 10, dead_time=0.0)
    at_most = replace(slower, clock=slower.clock * LDPC_SIFTED / sifted_per_second(slower, vetoed=True))
    assert engines_for(replace(at_most, clock=0.999 * at_most.clock)) == (CASCADE, LDPC)
    assert engines_for(replace(at_most, clock=1.001 * at_most.clock)) == (CASCADE,)


@pytest.mark.parametrize(("error", "engines"), [(0.001, 1), (0.02, 2), (0.13, 1)])
def test_errors_that_no_code_is_made_for_are_left_to_cascade(error, engines):
    link = replace(load_preset("metro"), misalignment=error, afterpulse=0.0)
    assert (ldpc.QBER_LEAST <= expect(link).qber <= ldpc.QBER_MOST) is (engines == 2)
    assert len(engines_for(link)) == engines


@pytest.mark.parametrize("name", ["metro", "snspd-long", "gys"])
def test_a_slow_link_takes_the_engine_that_leaves_more_key(name):
    found = design(load_preset(name))
    assert found.rate.engine == LDPC
    others = [
        finite_rate(found.link, found.n_key, found.security, margins=True, engine=engine).length
        for engine in (CASCADE, LDPC)
    ]
    assert others[1] == found.rate.length > 1.1 * others[0]


def test_a_link_without_key_in_blocks_of_the_usual_size_takes_larger_ones():
    far = load_preset("demo-1ghz", loss=30.5)
    small, large = (design(far, n_key=size) for size in link_design.SIZES)
    assert small.rate is None
    assert design(far) == large
    assert large.rate.length > 0
    nothing = design(load_preset("demo-1ghz", loss=60.0))
    assert (nothing.rate, nothing.link) == (None, load_preset("demo-1ghz", loss=60.0))
