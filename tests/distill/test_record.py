import copy
import re
from pathlib import Path

import pytest

from qorridor.base.errors import EvidenceError
from qorridor.distill.record import efficiency, recompute_length
from tests.distill.lab import Line, with_settings


@pytest.fixture(scope="module")
def record():
    return Line().block()[0].record


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
    "counts of three intensities that are no list": lambda r: r["n"].update(key="many"),
    "lists of a source with one intensity less": lambda r: r["n"].update(key=r["n"]["key"][:2]),
    "another mode": lambda r: r.update(mode="longest"),
    "a fixed length that it does not state": lambda r: r.update(mode="fixed-length"),
    "a fixed length above what is proven": lambda r: r.update(
        mode="fixed-length", l_fixed=r["l"] + 1, l=r["l"] + 1
    ),
    "a proof that nobody wrote": lambda r: r.update(proof_id="nobody-2decoy"),
    "a text for a number": lambda r: r.update(leak_alice="many"),
}


@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_record_is_refused(record, change):
    altered = copy.deepcopy(record)
    ALTERED[change](altered)
    with pytest.raises(EvidenceError) as refused:
        recompute_length(altered)
    assert refused.value.code == "Q-LINK-017"


FIXED = {
    "a tag that is not charged": lambda r: r.update(
        leak_other=0, leak_charged=r["leak_charged"] - r["leak_other"]
    ),
    "less than the cap": lambda r: r.update(
        leak_other=r["leak_other"] - 8, leak_charged=r["leak_charged"] - 8
    ),
    "another cap": lambda r: r.update(leak_cap=r["leak_cap"] - 8),
    "a negative disclosure": lambda r: r.update(
        leak_alice=-8, leak_charged=r["leak_charged"] - r["leak_alice"] - 8
    ),
}


@pytest.mark.parametrize("change", FIXED)
def test_a_record_of_fixed_length_charges_its_cap_and_its_tag(change):
    made = Line(settings=with_settings(l_fixed=400, leak_cap=1600)).block()[0].record
    assert recompute_length(made) == 400
    FIXED[change](made)
    with pytest.raises(EvidenceError) as refused:
        recompute_length(made)
    assert refused.value.code == "Q-LINK-017"


def test_errors_of_the_key_basis_do_not_change_a_length_that_does_not_need_them(record):
    assert recompute_length({**record, "m": {**record["m"], "key": None}}) == record["l"]


def test_efficiency_is_told_of_blocks_with_errors_only():
    assert efficiency(100, 0, 1000) == efficiency(100, 1000, 1000) == 0.0
    assert efficiency(500, 110, 1000) == pytest.approx(1.0002, abs=1e-3)


def test_an_aborted_block_has_no_length(record):
    assert recompute_length({**record, "state": "ABORTED"}) == 0


def test_the_documentation_explains_every_field_of_a_record():
    """And names no field that no record has."""
    line = Line()
    good, bad = (
        line.block()[0].record,
        line.block(lambda _number, to, message: [(to, message[:-1])])[1].record,
    )
    of_session = {"authentication", "secret_key_rate"}
    page = (Path(__file__).parents[2] / "docs/inside/distillation.md").read_text()
    table = page.split("## The record of a block")[1]
    fields = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert fields == good.keys() | bad.keys() | of_session
