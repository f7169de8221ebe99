"""The committed figures of bench/ are what `make bench` writes: complete, with conditions and the machine."""

import json
from pathlib import Path

import pytest

from qorridor.app.bench import machine

FOLDER = Path(__file__).parents[2] / "bench"
NAMES = {
    "distill": {
        "cascade.throughput", "cascade.efficiency", "cascade.frame_error_rate", "cascade.messages", "cascade.bytes",
        "cascade.speedup", "ldpc.throughput", "ldpc.efficiency", "ldpc.frame_error_rate", "ldpc.told_more_rate",
        "ldpc.speedup", "amplification.throughput", "amplification.wrong_bits",
    },
    "chain": {"chain.throughput", "chain.processor", "chain.memory"},
    "photonics": {"photonics.detections", "photonics.slots"},
}  # fmt: skip
QBERS = {0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.11}


@pytest.mark.parametrize("bench", NAMES)
def test_the_figures_are_complete(bench):
    told = json.loads((FOLDER / f"{bench}.json").read_text())
    assert set(told) == {"bench", "machine", "results"}
    assert told["bench"] == bench
    assert set(told["machine"]) == set(machine())
    assert {result["name"] for result in told["results"]} == NAMES[bench]
    assert all(set(result) == {"name", "value", "unit", "conditions"} for result in told["results"])


@pytest.mark.parametrize("name", ["cascade.throughput", "cascade.frame_error_rate", "cascade.messages"])
def test_each_error_rate_is_measured_over_enough_frames(name):
    told = json.loads((FOLDER / "distill.json").read_text())
    of_name = [result["conditions"] for result in told["results"] if result["name"] == name]
    assert {conditions["qber"] for conditions in of_name} == QBERS
    assert name != "cascade.frame_error_rate" or all(c["frames"] >= 3000 for c in of_name)


def test_no_bit_was_wrong():
    told = json.loads((FOLDER / "distill.json").read_text())
    assert [r["value"] for r in told["results"] if r["name"] == "amplification.wrong_bits"] == [0]
