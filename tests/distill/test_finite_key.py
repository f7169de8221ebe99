import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import Counts, Security, Source, entropy, key_length, phase_error
from qorridor.photonics.expectation import expect, observe
from qorridor.photonics.presets import load_preset

PAPER = Source((0.45, 0.15, 2e-4), (0.5, 0.35, 0.15))
LOOSE = Security(1e-10, 1e-15)
A = {"n_key": (8103585, 1894683, 1732), "n_test": (506474, 118418, 108), "m_test": (5131, 1231, 21)}
C = {
    "n_key": (809362238, 189884196, 753566),
    "n_test": (50585140, 11867762, 47098),
    "m_test": (571789, 164834, 20252),
}
N = {"n_key": (8093622, 1898842, 7536), "n_test": (7742, 1816, 7), "m_test": (196, 51, 3)}
KEY_ERRORS = {"A": (82097, 19690, 336), "C": (9148624, 2637339, 324033), "N": (204806, 52819, 3255)}


def leak(vector, errors, factor=1.16):
    total = sum(vector["n_key"])
    return factor * total * entropy(sum(errors) / total)


@pytest.mark.parametrize(
    ("vector", "name", "vacuum", "single", "test_single", "wrong", "phase", "length"),
    [
        (A, "A", 0.0, 6306497.46, 352328.43, 8599.350, 0.0269390689, 4225123),
        (C, "C", 2638984.70, 647399551.3, 40014095.05, 558620.918, 0.0141327586, 471116292),
    ],
)
def test_the_published_vectors_are_met_to_the_bit(
    vector, name, vacuum, single, test_single, wrong, phase, length
):
    bound = key_length(PAPER, Counts(**vector), LOOSE, leak(vector, KEY_ERRORS[name]))
    assert bound.vacuum == pytest.approx(vacuum, abs=0.01)
    assert bound.single == pytest.approx(single, abs=0.1)
    assert bound.test_single == pytest.approx(test_single, abs=0.01)
    assert bound.wrong == pytest.approx(wrong, abs=1e-3)
    assert bound.phase == pytest.approx(phase, abs=1e-10)
    assert bound.length == length


def test_a_starved_test_basis_gives_no_key_where_a_literal_reading_gives_four_million_bits():
    bound = key_length(PAPER, Counts(**N), LOOSE, leak(N, KEY_ERRORS["N"]))
    assert bound.length == 0
    assert bound.test_single == pytest.approx(-692.5, abs=0.1)
    assert "single-photon" in bound.cause


@pytest.mark.parametrize(("loss", "length", "qber"), [(6.9, 301_595, 1.53), (5.56, 304_604, 1.52)])
def test_the_demos_length_follows_from_its_preset(loss, length, qber):
    """Expected counts of the papers' first-order model (each gain times 1 + p_ap), 10^6 key bits."""
    link = load_preset("demo-1ghz", loss=loss)
    eta = link.transmittance
    gains = [2 * link.dark + 1 - math.exp(-eta * k) for k in link.intensities]
    wrong = [link.dark + link.misalignment * (1 - math.exp(-eta * k)) for k in link.intensities]
    wrong = [w + link.afterpulse * g / 2 for w, g in zip(wrong, gains, strict=True)]
    gains = [g * (1 + link.afterpulse) for g in gains]
    total = sum(p * g for p, g in zip(link.probabilities, gains, strict=True))
    scale = lambda share, rates: tuple(
        1e6 * share * p * r / total for p, r in zip(link.probabilities, rates, strict=True)
    )
    test = (1 - link.key_basis) ** 2 / link.key_basis**2
    counts = Counts(scale(1, gains), scale(test, gains), scale(test, wrong))
    error = sum(scale(1, wrong)) / 1e6
    charged = math.ceil(2 * 1.05 * 1e6 * entropy(error))
    bound = key_length(Source(link.intensities, link.probabilities), counts, Security(), charged)
    assert abs(bound.length - length) <= 1, "the reference rounds its leak at another place"
    assert 100 * error == pytest.approx(qber, abs=0.01)


def test_echoes_as_they_really_fall_leave_the_demo_more_key_than_the_first_order_model():
    link = load_preset("demo-1ghz", loss=6.9)
    gains, errors = observe(link)
    total = sum(p * g for p, g in zip(link.probabilities, gains, strict=True))
    n = tuple(1e6 * p * g / total for p, g in zip(link.probabilities, gains, strict=True))
    nz = tuple(x * 4 / 9 for x in n)
    mz = tuple(x * e for x, e in zip(nz, errors, strict=True))
    error = sum(x * e for x, e in zip(n, errors, strict=True)) / 1e6
    bound = key_length(
        Source(link.intensities, link.probabilities), Counts(n, nz, mz), Security(), 2.1e6 * entropy(error)
    )
    assert 305_000 < bound.length < 320_000
    assert error == pytest.approx(expect(link).qber, rel=0.01)


def test_the_leak_rule_that_no_proof_supports_is_refused():
    with pytest.raises(LinkError) as refused:
        Security(leak_rule="alice-only+public-W")
    assert refused.value.code == "Q-LINK-016"
    for wrong in ({"proof": "none"}, {"leak_rule": "none"}, {"eps_sec": 0.0}, {"eps_cor": 1.0}):
        with pytest.raises(LinkError):
            Security(**wrong)


@pytest.mark.parametrize("mus", [(0.4, 0.4, 0.0), (0.2, 0.1, 0.1), (0.3, 0.2, 0.15)])
def test_intensities_outside_the_proof_are_refused(mus):
    with pytest.raises(LinkError):
        Source(mus, (0.3, 0.4, 0.3))


def test_no_errors_at_all_is_a_legal_block():
    bound = key_length(PAPER, Counts(A["n_key"], A["n_test"], (0, 0, 0)), LOOSE, 0.0)
    assert bound.length > 0
    assert math.isfinite(bound.phase)
    assert 0 < phase_error(0.0, 1e4, 1e5, 1e-10) < 0.5


def test_entropy_is_nothing_outside_of_probabilities_and_at_their_ends():
    assert [entropy(p) for p in (-0.1, 0.0, 1.0, 1.5)] == [0.0] * 4
    assert entropy(0.5) == 1.0


def test_no_counts_at_all_give_no_key():
    assert key_length(PAPER, Counts((0, 0, 0), (0, 0, 0), (0, 0, 0)), LOOSE, 0.0).length == 0


whole = st.integers(0, 10**8)
triples = st.tuples(whole, whole, whole)


@settings(max_examples=200, deadline=None)
@given(triples, triples, st.floats(0, 1), st.floats(0, 1e8))
def test_a_length_is_never_negative_nor_above_the_detections(n, nz, share, leaked):
    m = tuple(int(x * share) for x in nz)
    bound = key_length(PAPER, Counts(n, nz, m), LOOSE, leaked)
    assert 0 <= bound.length <= bound.vacuum + sum(n)
    assert bound.phase <= 0.5
    assert bound.cause or bound.length


@settings(max_examples=100, deadline=None)
@given(st.floats(1.0, 50.0), st.floats(0.0, 1.0), st.integers(1, 12))
def test_more_detections_fewer_errors_and_a_looser_claim_never_shorten_the_key(factor, share, digits):
    counts = lambda f, e: Counts(
        tuple(f * x for x in A["n_key"]),
        tuple(f * x for x in A["n_test"]),
        tuple(f * e * x for x in A["m_test"]),
    )
    base = key_length(PAPER, counts(1, 1), LOOSE, 9e5).length
    assert key_length(PAPER, counts(factor, 1), LOOSE, 9e5).length >= base
    assert key_length(PAPER, counts(1, share), LOOSE, 9e5).length >= base
    tight = key_length(PAPER, counts(1, 1), replace(LOOSE, eps_sec=10.0 ** -(10 + digits)), 9e5).length
    assert tight <= base
