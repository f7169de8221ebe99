"""The benches measure what they say: small runs, every figure with its conditions."""

import json

import numpy as np
import pytest

from qorridor.app import bench, bench_distill, bench_photonics
from qorridor.distill.cascade import FRAME


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_distill, "QBERS", (0.02,))
    monkeypatch.setattr(bench_distill, "SIZES", (100_000,))
    monkeypatch.setattr(bench_distill, "BATCH", 2)
    monkeypatch.setattr(bench_photonics, "CLICKS", 20_000)


def test_every_figure_of_distillation_is_there_and_plausible(small):
    told = []
    results = {result.name: result for result in bench_distill.bench_distill(2, 1, told.append)}
    assert 1.0 < results["cascade.efficiency"].value < 1.1
    assert results["cascade.frame_error_rate"].value == 0
    assert results["cascade.speedup"].value > 1
    assert results["amplification.wrong_bits"].value == 0
    assert results["cascade.throughput"].conditions == {"qber": 0.02, "frame": FRAME, "lock_step": 2}
    assert told[0].startswith("cascade at QBER 2.0%")


def test_a_frame_with_an_error_left_is_failed_and_charged_whole():
    wrong, ends = bench_distill._exchange(2 * FRAME, 0.02, np.random.default_rng(3))
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
