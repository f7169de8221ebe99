"""Links with one decoy: two intensities, errors of the key basis counted after correction, either engine."""

import copy

import numpy as np
import pytest

from qorridor.base.errors import EvidenceError
from qorridor.distill.aborts import BlockAbort
from qorridor.distill.finite_key import Security, Source
from qorridor.distill.reconciliation import CASCADE, LDPC
from qorridor.distill.record import recompute_length
from qorridor.distill.sifting import SiftReply
from qorridor.photonics.events import Conditions
from qorridor.photonics.presets import load_preset
from qorridor.plan.finite_blocks import finite_rate
from qorridor.plan.link_design import design
from tests.distill.bench import NAMES, Bench, Optics, Settings
from tests.distill.lab import FAR, Line, with_settings

FOUND = design(load_preset("metro", loss=6.9))
SLOTS = 2_000_000_000  # most of them fall into the dead time of the detectors


def settings(charged, **more):
    rate = finite_rate(FOUND.link, FOUND.n_key, FOUND.security, margins=True, engine=charged)
    return Settings(
        NAMES, Source(FOUND.link.intensities, FOUND.link.probabilities), FOUND.security, n_key=FOUND.n_key,
        key_basis=FOUND.link.key_basis, start_qber=rate.qber,
        **{"l_fixed": rate.length, "leak_cap": rate.leak, "engine": charged, **more},
    )  # fmt: skip


def bench(engine=LDPC, **more):
    return Bench(settings(engine, **more), Optics(FOUND.link, 3, SLOTS))


@pytest.fixture(scope="module", params=[LDPC, CASCADE])
def made(request):
    return request.param, bench(request.param).block()


@pytest.mark.compiled
def test_two_ends_of_a_preset_with_one_decoy_have_the_key_that_was_promised(made):
    engine, (left, right) = made
    assert left.key == right.key is not None
    assert left.record["l"] == settings(engine).l_fixed > 0
    assert (left.record["engine"], left.record["proof_id"]) == (engine, "wiesemann2024-1decoy")


@pytest.mark.compiled
def test_records_have_two_counts_a_basis_and_those_of_the_key_basis_after_correction(made):
    _, (left, right) = made
    for name in ("n", "m"):
        assert left.record[name] == right.record[name]
        assert [len(left.record[name][basis]) for basis in ("key", "test")] == [2, 2]
    assert sum(left.record["n"]["key"]) == FOUND.n_key
    assert sum(left.record["m"]["key"]) == round(float(left.record["qber_key"]) * FOUND.n_key) > 10_000
    assert len(left.record["mu"]) == 2
    assert recompute_length(left.record) == recompute_length(right.record) == left.record["l"]


ALTERED = {
    "no errors of the key basis": lambda r: r["m"].update(key=None),
    "fewer errors of the key basis": lambda r: r["m"].update(key=[n - 1000 for n in r["m"]["key"]]),
    "another error rate": lambda r: r.update(qber_key="0.001"),
    "a third intensity": lambda r: r.update(mu=["0.4", "0.1", "0.0002"]),
    "a proof for three": lambda r: r.update(proof_id="lim2014-2decoy"),
    "a proof that nobody wrote": lambda r: r.update(proof_id="none-1decoy"),
    "more test errors": lambda r: r["m"].update(test=[5 * n for n in r["m"]["test"]]),
    "more detections": lambda r: r["n"].update(key=[2 * n for n in r["n"]["key"]]),
    "less leakage": lambda r: r.update(leak_charged=r["leak_charged"] - 1000),
    "a longer key": lambda r: r.update(l=r["l"] + 8),
}


@pytest.mark.compiled
@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_record_of_a_block_with_one_decoy_is_refused(made, change):
    altered = copy.deepcopy(made[1][0].record)
    ALTERED[change](altered)
    with pytest.raises(EvidenceError) as refused:
        recompute_length(altered)
    assert refused.value.code == "Q-LINK-017"


@pytest.mark.compiled
def test_without_a_fixed_length_the_observed_counts_decide_and_the_record_says_so():
    left, right = bench(l_fixed=None, leak_cap=None).block()
    assert left.key == right.key is not None
    assert left.record["l"] > settings(LDPC).l_fixed
    assert recompute_length(left.record) == left.record["l"]
    longer = copy.deepcopy(left.record)
    longer["m"]["key"] = [n + 300 for n in longer["m"]["key"]]
    longer["qber_key"] = repr(sum(longer["m"]["key"]) / FOUND.n_key)
    with pytest.raises(EvidenceError):  # the errors of the key basis are part of this proof
        recompute_length(longer)


@pytest.mark.compiled
def test_somebody_who_listens_gets_no_block_released():
    made = bench()
    made.optics.conditions = Conditions(intercept=0.1)
    left, right = made.block()
    assert (left.key, right.key, left.cause) == (None, None, "no-key")
    assert left.record["m"]["key"] is None  # given up before correction: what is not known is not claimed


def test_a_third_intensity_is_no_message_of_a_source_with_two():
    bases = np.zeros(8, np.uint8)
    said = SiftReply(np.ones(8, np.uint8), np.array([0, 1] * 4, np.uint8), np.empty(0, np.uint8)).encode()
    assert SiftReply.decode(said, bases, 2).intensities.tolist() == [0, 1] * 4
    third = SiftReply(np.ones(8, np.uint8), np.array([0, 2] * 4, np.uint8), np.empty(0, np.uint8)).encode()
    assert SiftReply.decode(third, bases, 3).intensities.max() == 2
    with pytest.raises(BlockAbort, match="2 intensities"):
        SiftReply.decode(third, bases, 2)


@pytest.mark.compiled
def test_ends_that_expect_another_engine_make_no_key():
    made = bench()
    made.ends[1].settings = settings(CASCADE)
    left, right = made.block()
    assert left.key is right.key is None
    assert right.cause == "protocol"


def test_an_engine_that_nobody_wrote_is_no_setting():
    with pytest.raises(ValueError, match="turbo"):
        settings(LDPC, engine="turbo")


@pytest.mark.parametrize("delay", [0.0, FAR])
def test_a_short_block_with_one_decoy_counts_two_intensities_to_the_end(delay):
    source, security = Source((0.3, 0.1), (0.5, 0.5)), Security(0.5, 1e-10, "wiesemann2024-1decoy")
    left, right = Line(
        settings=with_settings(source=source, security=security, n_key=8_000), delay=delay
    ).block()
    assert left.key == right.key is not None
    assert [len(left.record["m"][basis]) for basis in ("key", "test")] == [2, 2]
    assert recompute_length(left.record) == left.record["l"]
