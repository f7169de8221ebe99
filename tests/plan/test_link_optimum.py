"""One function chooses source, basis share and block for a loss; blocks of finite size yield what proofs allow."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.app.link_model import link_settings
from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import PROOFS, Security
from qorridor.estate.read import parse
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.presets import PRESETS, document, load_preset
from qorridor.photonics.rates import plob
from qorridor.plan.corridors import plan
from qorridor.plan.finite_blocks import finite_rate, security_for
from qorridor.plan.link_optimum import Block, at_loss, chosen, face_value, optimise
from qorridor.plan.search import maximise
from tests.photonics.links import links, of_a_proof
from tests.plan.test_plan import TEXT

MILLION = Block(size=10**6)


@pytest.mark.parametrize(("loss", "length", "qber"), [(6.9, 301_595, 1.53), (5.56, 304_604, 1.52)])
def test_the_demos_preset_at_face_value_yields_the_length_that_it_is_made_for(loss, length, qber):
    """Within 2e-4: the exact gain in place of the papers' first-order one moves it by 17 bits."""
    link = load_preset("demo-1ghz", loss=loss)
    found = face_value(link, MILLION, security_for(link))
    assert found.length == pytest.approx(length, rel=2e-4)
    assert 100 * found.qber == pytest.approx(qber, abs=0.01)
    assert found.block_time == pytest.approx({6.9: 0.65, 5.56: 0.48}[loss], abs=0.005)


@pytest.mark.parametrize(
    ("name", "size", "length"),
    [
        ("metro", 10**6, 0),
        ("metro", 3 * 10**6, 0),
        ("metro", 10**7, 4.3e5),
        ("decoy-1ghz", 10**6, 0),
        ("decoy-1ghz", 10**8, 0),
    ],
)
def test_a_preset_taken_at_face_value_can_yield_no_key_at_all(name, size, length):
    link = load_preset(name, loss=6.9)
    found = face_value(link, Block(size=size), security_for(link))
    assert found.length == pytest.approx(length, rel=0.01)
    assert found.limit
    if size == 10**7:
        assert found.block_time == pytest.approx(64, rel=0.01)


@pytest.mark.parametrize("name", ["metro", "decoy-1ghz", "gys", "snspd-long", "demo-1ghz"])
def test_where_the_preset_yields_nothing_or_little_the_chosen_source_yields_more(name):
    link = load_preset(name)
    security = security_for(link)
    face, best = face_value(link, MILLION, security), optimise(link, MILLION, security)
    assert best.rate.secret_key_rate > 1.2 * face.secret_key_rate
    assert best.rate.length > 0
    assert best.link.basis_factor == pytest.approx(best.link.key_basis**2)
    assert sum(best.link.probabilities) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_for_which_loss_and_block_it_was_made(name):
    """`made_for` in words; `face_value` in figures that hold."""
    words, stated = document(name)["made_for"], document(name)["face_value"]
    assert any(unit in words for unit in (" km", " dB"))
    link = load_preset(name, loss=stated["loss"])
    found = face_value(link, Block(size=stated["block"]), security_for(link))
    assert found.length == pytest.approx(stated["key"], rel=1e-4)
    assert stated["key"] or "no key" in words
    assert load_preset(name).loss == pytest.approx(stated["loss"])


@pytest.mark.parametrize("margins", [False, True])
@pytest.mark.parametrize("proof", PROOFS)
def test_no_neighbour_of_the_optimum_is_better(proof, margins):
    link, security = load_preset("demo-1ghz"), Security(proof=proof)
    best = optimise(link, MILLION, security, margins=margins)
    assert len(best.link.intensities) == PROOFS[proof].intensities
    for axis in range(len(best.point)):
        for step in (-0.2, 0.2):
            point = tuple(x + step * (i == axis) for i, x in enumerate(best.point))
            other = finite_rate(chosen(link, point, security), 10**6, security, margins=margins)
            assert other.secret_key_rate <= best.rate.secret_key_rate * (1 + 1e-4)


def test_equal_questions_have_equal_answers():
    link, security = load_preset("metro"), Security(proof="lim2014-2decoy")
    assert optimise(link, MILLION, security) == optimise(link, MILLION, security)


def test_a_neighbouring_optimum_leads_to_the_same_one():
    link, security = load_preset("snspd-long"), Security(proof="wiesemann2024-1decoy")
    before = optimise(at_loss(link, link.loss - 2), MILLION, security)
    short, whole = optimise(link, MILLION, security, near=before.point), optimise(link, MILLION, security)
    assert short.rate.secret_key_rate == pytest.approx(whole.rate.secret_key_rate, rel=1e-3)


@pytest.mark.parametrize(("name", "size"), [("demo-1ghz", 10**5), ("sat-downlink", 10**6)])
def test_beyond_the_reach_no_source_yields_key_and_below_it_one_does(name, size):
    far = optimise(load_preset(name, loss=60.0), Block(size=size), Security())
    assert far.rate is None
    assert 20 < far.reached < 40
    near = optimise(load_preset(name, loss=far.reached - 0.1), Block(size=size), Security())
    assert near.rate.length > 0
    beyond, security = load_preset(name, loss=far.reached + 1.0), Security()
    score = lambda point: finite_rate(chosen(beyond, point, security), size, security).surplus
    assert maximise(score, near.point, evaluations=1500).value <= 0


def test_more_time_for_a_block_never_lowers_the_rate_and_is_kept():
    link = load_preset("decoy-1ghz", loss=10.0)
    rates = [
        optimise(link, Block(longest=time), Security(), margins=True).rate for time in (2.0, 20.0, 200.0)
    ]
    assert [rate.secret_key_rate for rate in rates] == sorted(rate.secret_key_rate for rate in rates)
    assert all(rate.block_time <= time * 1.001 for rate, time in zip(rates, (2.0, 20.0, 200.0), strict=True))
    assert optimise(link, Block(longest=1e-4), Security()).rate is None
    assert face_value(link, Block(longest=1e-4), Security()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"size": 10**6, "longest": 1.0},
        {"size": 999},
        {"size": 10**9},
        {"longest": 0.0},
        {"longest": math.inf},
    ],
)
def test_a_block_without_a_sensible_size_is_refused(wrong):
    with pytest.raises(LinkError) as refused:
        Block(**wrong)
    assert refused.value.code == "Q-LINK-022"


def test_no_proof_is_for_one_or_four_intensities():
    link = replace(load_preset("gys"), intensities=(0.5,), probabilities=(1.0,))
    with pytest.raises(LinkError, match="no proof is for 1"):
        security_for(link)


@settings(max_examples=200, deadline=None)
@given(links(), st.sampled_from([10**4, 10**6, 10**8]), st.booleans())
def test_no_block_of_finite_size_passes_the_repeaterless_bound(link, size, margins):
    fitting: LinkParameters = of_a_proof(link)
    found = finite_rate(fitting, size, security_for(fitting), margins=margins)
    assert 0 <= found.bits_per_pulse <= plob(fitting.channel_transmittance) * (1 + 1e-9)
    assert found.secret_key_rate == pytest.approx(found.bits_per_pulse * fitting.clock)


@settings(max_examples=6, deadline=None)
@given(
    st.floats(0.0, 40.0),
    st.sampled_from(["demo-1ghz", "metro", "snspd-long"]),
    st.sampled_from([10**5, 10**7]),
)
def test_no_chosen_source_passes_the_repeaterless_bound(loss, name, size):
    link = load_preset(name, loss=loss)
    best = optimise(link, Block(size=size), security_for(link))
    assert best.rate is None or best.rate.bits_per_pulse <= plob(link.channel_transmittance)


@settings(max_examples=60, deadline=None)
@given(st.floats(3.0, 20.0), st.floats(0.1, 5.0))
def test_a_block_yields_less_over_more_loss_and_with_margins(loss, more):
    near, far = (load_preset("demo-1ghz", loss=x) for x in (loss, loss + more))
    security = Security()
    rate = lambda link, margins=False: finite_rate(link, 10**6, security, margins=margins).secret_key_rate
    assert rate(far) <= rate(near)
    assert rate(near, margins=True) <= rate(near)


def test_the_plan_shows_what_the_links_of_a_run_will_fix_beforehand():
    estate = parse(TEXT)
    for span in plan(estate, tool_version="0", inputs={}).spans:
        settings_of_run = link_settings(estate, span.name)
        assert span.blocks.n_key == settings_of_run.n_key
        assert span.blocks.proof == settings_of_run.security.proof
        assert span.blocks.secret_key_rate < span.secret_key_rate
        assert span.blocks.optimised_secret_key_rate > span.blocks.secret_key_rate
        assert len(span.blocks.optimised_source.intensities) == 3
        assert span.blocks.run.length == settings_of_run.l_fixed


def test_a_fibre_that_yields_no_key_in_blocks_says_so_beside_an_asymptotic_rate_that_does():
    text = TEXT.replace('preset = "demo-1ghz"', 'preset = "metro"')
    for span in plan(parse(text), tool_version="0", inputs={}).spans:
        assert span.secret_key_rate > 0
        assert span.blocks.secret_key_rate is None
        assert span.blocks.limit
    bare = plan(parse(text), tool_version="0", inputs={}, blocks=False)
    assert all(span.blocks is None for span in bare.spans)
