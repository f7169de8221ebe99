import copy
import re
from pathlib import Path

import pytest

from qorridor.base.errors import EvidenceError
from qorridor.distill.finite_key import Security
from qorridor.distill.record import recompute_length
from tests.distill.bench import bench


@pytest.fixture(scope="module")
def record():
    left, _ = bench(n_key=120_000, security=Security(1e-6, 1e-10)).block()
    return left.record


def test_an_auditor_recomputes_the_length_from_the_record_alone(record):
    assert recompute_length(record) == record["l"] > 0


ALTERED = {
    "a longer key": lambda r: r.update(l=r["l"] + 1),
    "less leakage": lambda r: r.update(leak_charged=r["leak_charged"] - 1000),
    "less leakage of one end": lambda r: r.update(leak_bob=r["leak_bob"] - 1000),
    "fewer errors": lambda r: r["m"].update(test=[1, 1, 0]),
    "more detections": lambda r: r["n"].update(key=[n * 2 for n in r["n"]["key"]]),
    "a looser claim": lambda r: r.update(eps_sec="0.01"),
    "another source": lambda r: r.update(mu=["0.41", "0.1", "0.0002"]),
    "missing counts": lambda r: r.update(n=None),
    "short lists": lambda r: r["n"].update(test=[1, 2]),
    "a text for a number": lambda r: r.update(leak_alice="many"),
}


@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_record_is_refused(record, change):
    altered = copy.deepcopy(record)
    ALTERED[change](altered)
    with pytest.raises(EvidenceError) as refused:
        recompute_length(altered)
    assert refused.value.code == "Q-LINK-017"


def test_an_aborted_block_has_no_length(record):
    assert recompute_length({**record, "state": "ABORTED"}) == 0


def test_the_documentation_explains_every_field_of_a_record():
    """And names no field that no record has."""
    made = bench(n_key=120_000, security=Security(1e-6, 1e-10))
    good, bad = made.block()[0].record, made.block(lambda _, message: message[:-1])[1].record
    of_session = {"authentication", "secret_key_rate"}
    page = (Path(__file__).parents[2] / "docs/inside/distillation.md").read_text()
    table = page.split("## The record of a block")[1]
    fields = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert fields == good.keys() | bad.keys() | of_session
