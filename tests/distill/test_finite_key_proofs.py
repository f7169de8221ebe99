"""Every proof of the registry: its published vectors, its guards, and what holds for all of them."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import DEFAULTS, PROOFS, Counts, Security, Source, entropy, key_length
from qorridor.distill.record import recompute_length
from tests.distill.finite_key_vectors import CASES, LOOSE, MUST_BE_ZERO, ONE, TWO, A, D, leak_of, n_errors

ONE_DECOY = [name for name, proof in PROOFS.items() if proof.intensities == 2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} under {case.proof}")
def test_the_published_vectors_are_met_to_the_bit(case):
    bound = key_length(case.source, case.counts, replace(LOOSE, proof=case.proof), leak_of(case.counts))
    assert bound.length == case.length
    for name, digits in case.printed.items():
        shown = f"{getattr(bound, name):.{len(digits.partition('.')[2])}f}"
        assert shown == digits or float(shown) == pytest.approx(float(digits), rel=1e-7), name


@pytest.mark.parametrize("case", MUST_BE_ZERO, ids=lambda case: f"{case.name} under {case.proof}")
def test_where_a_bound_is_not_positive_there_is_no_key_and_the_cause_is_named(case):
    bound = key_length(case.source, case.counts, replace(LOOSE, proof=case.proof), leak_of(case.counts))
    assert bound.length == 0
    assert case.cause in bound.cause


def test_a_source_has_the_intensities_of_its_proof():
    with pytest.raises(LinkError, match="is for 3 intensities"):
        key_length(ONE, D, LOOSE, 0.0)
    for proof in ONE_DECOY:
        with pytest.raises(LinkError, match="is for 2 intensities"):
            key_length(TWO, A, replace(LOOSE, proof=proof), 0.0)


@pytest.mark.parametrize(
    ("mus", "shares"),
    [((0.4,), (1.0,)), ((0.4, 0.4), (0.5, 0.5)), ((0.4, 0.0), (0.5, 0.5)), ((0.1, 0.4), (0.5, 0.5)),
     ((0.4, 0.1), (1.0, 0.0)), ((0.4, 0.1), (0.3, 0.4, 0.3)), ((0.4, 0.1, 0.05, 0.0), (0.25,) * 4)],
)  # fmt: skip
def test_no_proof_takes_a_source_of_another_form(mus, shares):
    with pytest.raises(LinkError) as refused:
        Source(mus, shares)
    assert refused.value.code == "Q-LINK-016"


@pytest.mark.parametrize("proof", ONE_DECOY)
def test_a_one_decoy_length_needs_the_errors_of_the_key_basis(proof):
    with pytest.raises(LinkError, match="after correction"):
        key_length(ONE, replace(D, m_key=None), replace(LOOSE, proof=proof), 0.0)
    with pytest.raises(LinkError, match="one count per intensity"):
        key_length(ONE, replace(D, m_test=(1, 2, 3)), replace(LOOSE, proof=proof), 0.0)


def test_each_number_of_intensities_has_a_default_that_is_for_it():
    assert {count: PROOFS[name].intensities for count, name in DEFAULTS.items()} == {2: 2, 3: 3}
    assert DEFAULTS[2] == "wiesemann2024-1decoy"


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_states_its_source_its_parts_and_its_assumptions(name):
    proof = PROOFS[name]
    assert proof.name == name
    assert proof.source
    assert proof.assumptions
    assert proof.modes == ("fixed-length",)
    assert not proof.public_error_pattern, "no proof of this version has a written argument for it"


def example(proof):
    """Counts of an ordinary block, errors of its key basis included."""
    return (ONE, D) if PROOFS[proof].intensities == 2 else (TWO, replace(A, m_key=n_errors("A")))


def scaled(counts, data=1.0, errors=1.0):
    times = lambda values, by: tuple(by * value for value in values)
    return Counts(
        times(counts.n_key, data), times(counts.n_test, data), times(counts.m_test, data * errors),
        times(counts.m_key, data * errors),
    )  # fmt: skip


@pytest.mark.parametrize("proof", PROOFS)
@settings(max_examples=60, deadline=None)
@given(factor=st.floats(1.0, 50.0), share=st.floats(0.0, 1.0), digits=st.integers(1, 12))
def test_more_data_fewer_errors_and_a_looser_claim_never_shorten_the_key(proof, factor, share, digits):
    source, counts = example(proof)
    claim = replace(LOOSE, proof=proof)
    length = lambda seen, security=claim: key_length(source, seen, security, 9e5).length
    base = length(counts)
    assert length(scaled(counts, data=factor)) >= base > 0
    assert length(scaled(counts, errors=share)) >= base
    assert length(counts, replace(claim, eps_sec=10.0 ** -(10 + digits))) <= base
    assert length(counts, replace(claim, eps_cor=10.0 ** -(15 + digits))) <= base


@pytest.mark.parametrize("proof", PROOFS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_length_is_never_negative_nor_above_the_detections_nor_without_a_cause(proof, data):
    source, _ = example(proof)
    count = len(source.intensities)
    whole = st.tuples(*[st.one_of(st.integers(0, 3), st.integers(0, 10**8))] * count)
    n, nz, share = data.draw(whole), data.draw(whole), data.draw(st.floats(0, 1))
    counts = Counts(n, nz, tuple(int(x * share) for x in nz), tuple(int(x * share) for x in n))
    bound = key_length(source, counts, replace(LOOSE, proof=proof), data.draw(st.floats(0, 1e8)))
    assert 0 <= bound.length <= bound.vacuum + sum(n)
    assert bound.single <= sum(n)
    assert bound.test_single <= sum(nz)
    assert 0 <= bound.phase <= 0.5
    assert all(math.isfinite(value) for value in (bound.vacuum, bound.single, bound.wrong))
    assert bool(bound.cause) is (bound.length == 0)
    if min(bound.single, bound.test_single) <= 0:
        assert bound.length == 0


@pytest.mark.parametrize("proof", PROOFS)
def test_a_block_without_any_error_is_legal_and_yields_most(proof):
    source, counts = example(proof)
    clean = key_length(source, scaled(counts, errors=0.0), replace(LOOSE, proof=proof), 0.0)
    assert clean.length > key_length(source, counts, replace(LOOSE, proof=proof), 0.0).length
    assert 0 < clean.phase < 0.5


@pytest.mark.parametrize("proof", PROOFS)
def test_an_auditor_recomputes_the_length_under_every_proof(proof):
    source, counts = example(proof)
    security = replace(LOOSE, proof=proof)
    length = key_length(source, counts, security, 900_000).length
    text = lambda values: [repr(value) for value in values]
    record = {
        "state": "RELEASED", "mode": "fixed-length", "proof_id": proof, "leak_rule": "both-directions",
        "eps_sec": "1e-10", "eps_cor": "1e-15", "mu": text(source.intensities), "p": text(source.probabilities),
        "n": {"key": text(counts.n_key), "test": text(counts.n_test)},
        "m": {"key": text(counts.m_key), "test": text(counts.m_test)},
        "leak_alice": 450_000, "leak_bob": 449_872, "leak_other": 128, "leak_charged": 900_000, "l": length,
        "l_fixed": length, "leak_cap": 900_000, "n_key": round(sum(counts.n_key)),
        "qber_key": repr(sum(counts.m_key) / sum(counts.n_key)),
    }  # fmt: skip
    assert recompute_length(record) == length > 0


def test_the_two_one_decoy_proofs_agree_within_a_few_per_cent_where_blocks_are_large():
    lengths = [
        key_length(ONE, scaled(D, data=1000.0), replace(LOOSE, proof=proof), 9e8).length
        for proof in ONE_DECOY
    ]
    assert max(lengths) < 1.02 * min(lengths)


def test_the_leak_of_the_vectors_is_what_they_print():
    assert leak_of(D) == pytest.approx(950900.349, abs=1e-3)
    assert entropy(0.11) == pytest.approx(0.5, abs=1e-3)
    assert Security().eps_sec == 1e-12
