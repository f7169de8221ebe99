from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qorridor.app import link_model
from qorridor.app.link_model import expected, link_parameters, link_settings, patience, promised
from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import Counts, Source, entropy, key_length
from qorridor.distill.reconciliation import LDPC
from qorridor.estate.read import parse
from qorridor.photonics.presets import load_preset

TEXT = (Path(__file__).parents[2] / "examples" / "meridian" / "estate.toml").read_text()
DEMO = parse(TEXT, "estate.toml")
METRO_TEXT = TEXT.replace('preset = "demo-1ghz"', 'preset = "metro"')
METRO = parse(METRO_TEXT, "estate.toml")


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


def test_a_preset_with_two_intensities_is_distilled_by_a_proof_for_one_decoy():
    settings = link_settings(METRO, "london-hayes")
    assert len(settings.source.intensities) == 2
    assert settings.security.proof == "wiesemann2024-1decoy"
    assert (settings.n_key, settings.engine) == (1_000_000, LDPC)
    assert settings.l_fixed > 300_000


@pytest.mark.parametrize("count", [1, 4])
def test_a_preset_that_no_proof_covers_is_refused_with_the_way_out(monkeypatch, count):
    odd = replace(
        link_parameters(DEMO, "london-hayes"), intensities=(0.5, 0.2, 0.1, 0.0)[:count],
        probabilities=(0.25,) * 4 if count == 4 else (1.0,),
    )  # fmt: skip
    monkeypatch.setattr(link_model, "parameters", lambda *_: odd)
    with pytest.raises(LinkError, match="demo-1ghz") as refused:
        link_settings(DEMO, "london-hayes")
    assert refused.value.code == "Q-LINK-018"


def test_an_estate_may_keep_the_presets_own_source():
    kept = parse(
        TEXT.replace('preset = "demo-1ghz" }', 'preset = "demo-1ghz", source = "preset" }'), "estate.toml"
    )
    preset = load_preset("demo-1ghz")
    for link in ("london-hayes", "hayes-slough"):
        settings = link_settings(kept, link)
        assert settings.source == Source(preset.intensities, preset.probabilities)
        assert settings.key_basis == preset.key_basis
        assert link_parameters(kept, link).intensities == preset.intensities
        assert settings.encode() != link_settings(DEMO, link).encode()


def test_a_source_that_yields_key_in_larger_blocks_only_takes_these_and_waits_longer_for_them():
    text = METRO_TEXT.replace('preset = "metro" }', 'preset = "metro", source = "preset" }')
    kept = parse(text, "estate.toml")
    assert link_settings(kept, "london-hayes").n_key == 10_000_000
    assert patience(kept, "london-hayes") > 2 * patience(METRO, "london-hayes") > 100


@pytest.mark.parametrize("estate", [DEMO, METRO], ids=["two decoys", "one decoy"])
def test_modules_and_ends_of_a_link_have_the_same_source(estate):
    for link in ("london-hayes", "hayes-slough"):
        settings, model = link_settings(estate, link), link_parameters(estate, link)
        assert settings.source == Source(model.intensities, model.probabilities)
        assert settings.key_basis == model.key_basis


def test_a_link_that_is_not_simulated_is_refused():
    with pytest.raises(LinkError) as refused:
        link_parameters(DEMO, "london-slough-cc")
    assert refused.value.code == "Q-LINK-021"


@pytest.mark.parametrize("link", ["london-hayes", "hayes-slough"])
def test_the_length_is_fixed_beforehand_and_an_ordinary_block_keeps_the_promise(link):
    settings = link_settings(DEMO, link)
    seen = expected(link_parameters(DEMO, link), settings.n_key)
    mean = key_length(settings.source, seen.counts, settings.security, settings.leak_cap).length
    assert 0.5 * mean < settings.l_fixed < mean
    rng = np.random.default_rng(1)
    for _ in range(500):
        counts = Counts(*(tuple(rng.poisson(part).tolist()) for part in
                          (seen.counts.n_key, seen.counts.n_test, seen.counts.m_test)))  # fmt: skip
        bound = key_length(settings.source, counts, settings.security, settings.leak_cap)
        assert bound.length >= settings.l_fixed
        wrong = rng.binomial(settings.n_key, seen.qber)
        spent = 2 * 1.06 * settings.n_key * entropy(wrong / settings.n_key) + 128
        assert spent <= settings.leak_cap


def test_a_link_that_reconciles_one_way_promises_more_because_one_end_discloses_nothing():
    settings = link_settings(DEMO, "london-hayes")
    seen = expected(link_parameters(DEMO, "london-hayes"), settings.n_key)
    length, cap = promised(settings.source, settings.security, seen, settings.n_key, LDPC)
    assert length > 1.1 * settings.l_fixed
    assert 1.1 * settings.n_key * entropy(seen.qber) < cap < 0.8 * settings.leak_cap


@pytest.mark.parametrize(("fraction", "kept"), [(0.0, True), (0.02, False), (0.25, False)])
def test_a_block_that_somebody_listened_to_does_not_keep_it(fraction, kept):
    settings = link_settings(DEMO, "london-hayes")
    counts = expected(link_parameters(DEMO, "london-hayes"), settings.n_key).counts
    wrong = tuple(m + fraction * n / 4 for m, n in zip(counts.m_test, counts.n_test, strict=True))
    heard = Counts(counts.n_key, counts.n_test, wrong)
    bound = key_length(settings.source, heard, settings.security, settings.leak_cap)
    assert (bound.length >= settings.l_fixed) is kept


def test_blocks_too_small_for_any_key_are_refused_before_a_link_starts():
    with pytest.raises(LinkError, match="no key") as refused:
        link_settings(DEMO, "hayes-slough", 10_000)
    assert refused.value.code == "Q-LINK-051"
