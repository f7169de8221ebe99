"""The benches measure what they say: small runs, every figure with its conditions."""

import json

import numpy as np
import pytest

from qorridor.app import bench, bench_chain, bench_distill, bench_ldpc, bench_photonics
from qorridor.base.errors import LinkError
from qorridor.distill.cascade import FRAME
from qorridor.distill.ldpc import make_plan


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_distill, "QBERS", (0.02,))
    monkeypatch.setattr(bench_ldpc, "QBERS", (0.02, 0.05))
    monkeypatch.setattr(bench_distill, "SIZES", (100_000,))
    monkeypatch.setattr(bench_distill, "BATCH", 2)
    monkeypatch.setattr(bench_distill, "WHOLE_BLOCK", 3)
    monkeypatch.setattr(bench_photonics, "CLICKS", 20_000)


def test_every_figure_of_distillation_is_there_and_plausible(small):
    told = []
    found = bench_distill.bench_distill(2, 1, told.append)
    results = {result.name: result for result in reversed(found)}  # the first of each name
    assert 1.0 < results["cascade.efficiency"].value < 1.1
    assert results["cascade.frame_error_rate"].value == 0
    assert results["cascade.speedup"].value > 1
    assert results["amplification.wrong_bits"].value == 0
    told_of = [result.conditions for result in found if result.name == "cascade.messages"]
    assert told_of == [
        {"qber": 0.02, "frame": FRAME, "lock_step": size, "profile": profile}
        for size, profile in ((2, "efficient"), (3, "efficient"), (3, "quick"))
    ]
    assert told[0].startswith("cascade at QBER 2.0%")


def test_every_figure_of_the_second_engine_is_there_with_its_conditions(small):
    told = []
    results = bench_ldpc.bench_ldpc(4, 1, told.append)
    named = {(result.name, result.conditions["qber"]): result for result in results}
    for qber, most in ((0.02, 1.25), (0.05, 1.2)):
        assert 1.0 < named["ldpc.efficiency", qber].value < most
        assert named["ldpc.efficiency", qber].conditions == {"qber": qber, "frame": FRAME}
        assert named["ldpc.frame_error_rate", qber].value == 0
        assert named["ldpc.frame_error_rate", qber].conditions["frames"] == 4
        assert named["ldpc.throughput", qber].value > 0
    assert named["ldpc.speedup", 0.02].value > 1
    assert told == ["ldpc at QBER 2.0%", "ldpc at QBER 5.0%", "ldpc against the plain reference"]


def test_a_frame_that_resists_is_charged_with_more_and_one_that_fails_with_all_of_it():
    plan = make_plan(FRAME, 0.05)
    disclosed = []
    for errors in (3000, 3400, 5000):
        wrong = np.zeros(FRAME, np.uint8)
        wrong[np.random.default_rng(4).choice(FRAME, errors, replace=False)] = 1
        tally = bench_ldpc.Tally()
        tally.add(wrong, plan)
        disclosed.append((tally.told_more, tally.failed, tally.disclosed))
    first = plan.checks + 33
    assert disclosed == [(0, 0, first), (1, 0, first + plan.more + 1), (1, 1, first + plan.more + 1 + FRAME)]


def test_a_frame_with_an_error_left_is_failed_and_charged_whole():
    wrong, ends = bench_distill.exchange(2 * FRAME, 0.02, np.random.default_rng(3))
    honest, cheated = bench_distill._Tally(), bench_distill._Tally()
    honest.add(2 * FRAME, wrong, ends)
    wrong[FRAME + 5] ^= True
    cheated.add(2 * FRAME, wrong, ends)
    assert (honest.failed, cheated.failed) == (0, 1)
    assert cheated.disclosed == honest.disclosed + FRAME


def test_the_document_names_the_machine_and_is_json(small):
    document = bench.document("photonics", bench_photonics.bench_photonics(1, lambda _: None))
    assert json.loads(json.dumps(document))["bench"] == "photonics"
    assert document["machine"]["cores"] >= 1
    assert {result["name"] for result in document["results"]} == {"photonics.detections", "photonics.slots"}
    assert all(result["value"] > 0 for result in document["results"])
    shown = [
        result["conditions"] for result in document["results"] if result["name"] == "photonics.detections"
    ]
    assert {(told["loss_db"], told["intercept"]) for told in shown} == {
        (a, b) for a in (6.9, 20.0, 30.0) for b in (0.0, 0.25)
    }
    assert all(told["dead_time_s"] > 0 and told["afterpulse"] > 0 and told["drift"] for told in shown)


@pytest.mark.slow
def test_the_chain_is_measured_with_a_process_for_each_party():
    told = []
    results = bench_chain.bench_chain(1, told.append, ((1_000_000, 0.0),))
    named = {result.name: result for result in results}
    assert set(named) == {"chain.throughput", "chain.processor", "chain.memory"}
    assert all(result.value > 0 for result in results)
    assert named["chain.throughput"].conditions["n"] == 1_000_000
    assert named["chain.throughput"].conditions["messages"] > 100
    assert named["chain.memory"].value < 1e9
    assert told == ["1,000,000 bits, 0 ms a message"]


def test_a_chain_whose_block_yields_no_key_says_so(monkeypatch):
    monkeypatch.setattr(bench_chain, "_heard", lambda *_: None)
    with pytest.raises(LinkError, match="no answer"):
        bench_chain._pair(1_000_000, 0.0, 1)
