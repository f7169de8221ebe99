from pathlib import Path

import numpy as np
import pytest

from qorridor.app.link_model import expected, link_parameters, link_settings, promised
from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import Counts, entropy, key_length
from qorridor.distill.reconciliation import LDPC
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
        link_settings(DEMO, "hayes-slough", 100_000)
    assert refused.value.code == "Q-LINK-051"
