"""An altered block record is one faulty row; the rest is judged all the same."""

import json

import pytest

from qorridor.adapters.stores.journal import JournalFiles
from qorridor.app.prove_blocks import recompute_blocks
from qorridor.distill.finite_key import Security
from tests.distill.bench import bench


@pytest.fixture(scope="module")
def record():
    left, _ = bench(n_key=120_000, security=Security(1e-6, 1e-10)).block()
    return json.dumps(left.record)


def leaf(record, **changes):
    fields = json.loads(record) | changes
    fields = {name: value for name, value in fields.items() if value != "LEFT OUT"}
    body = {"link": "a-b", "record": json.dumps(fields)}
    subject = json.loads(record)["block_id"]
    return json.dumps(
        {"type": "link.block", "subject": subject, "simulated": True, "body": body}, separators=(",", ":")
    ).encode()


def judged(tmp_path, *entries):
    JournalFiles(tmp_path / "node-a/journal").write(0, entries)
    return recompute_blocks(tmp_path, "a")


BLOCK = b'"type":"link.block"'
ALTERED = {
    "no JSON": lambda _: BLOCK,
    "a list": lambda _: b"[1]",
    "a text": lambda _: b'"link.block"',
    "without a body": lambda _: b"{" + BLOCK + b"}",
    "a list for a record": lambda _: b'{"subject":"x","simulated":true,"body":{"link":"x","record":"[]"},' + BLOCK + b"}",
    "no text for a record": lambda _: b'{"subject":"x","simulated":true,"body":{"link":"x","record":7},' + BLOCK + b"}",
    "nested without end": lambda _: b'{"a":' * 12_000,
    "aborted": lambda r: leaf(r, state="ABORTED"),
    "another block": lambda r: leaf(r, block_id="00"),
    "mu is nan": lambda r: leaf(r, mu=["nan", "0.1", "0"]),
    "mu is short": lambda r: leaf(r, mu=[1]),
    "mu is equal": lambda r: leaf(r, mu=["0.1", "0.1", "0.1"]),
    "mu is huge": lambda r: leaf(r, mu=["1e308", "0.1", "0"]),
    "p is zero": lambda r: leaf(r, p=["0", "0", "1"]),
    "eps is zero": lambda r: leaf(r, eps_sec="0"),
    "eps is negative": lambda r: leaf(r, eps_sec="-1"),
    "another proof": lambda r: leaf(r, proof_id="x"),
    "no leak rule": lambda r: leaf(r, leak_rule="none"),
    "no counts": lambda r: leaf(r, n=None),
    "half the counts": lambda r: leaf(r, n={"key": [1, 2, 3]}),
    "infinite counts": lambda r: leaf(r, n={"key": ["inf", "inf", "inf"], "test": [1, 2, 3]}),
    "no mode": lambda r: leaf(r, mode="LEFT OUT"),
    "an unknown mode": lambda r: leaf(r, mode="x"),
    "a gain of leakage": lambda r: leaf(r, leak_alice=-(10**6)),
    "a length in words": lambda r: leaf(r, l="abc"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_record_is_one_faulty_row_and_the_rest_is_judged(tmp_path, record, name):
    found = judged(tmp_path, leaf(record), ALTERED[name](record), b'{"type":"self.start"}', leaf(record))
    assert [bool(verdict.fault) for verdict in found] == [False, True, False]
    assert found[0].length == json.loads(record)["l"]


def test_a_journal_that_is_gone_or_cut_is_a_faulty_row(tmp_path, record):
    (missing,) = recompute_blocks(tmp_path, "b")
    assert "not there" in missing.fault
    judged(tmp_path, leaf(record))
    bundle = tmp_path / "node-a/journal/tile/entries/000.p/1"
    bundle.write_bytes(bundle.read_bytes()[:-5])
    (cut,) = recompute_blocks(tmp_path, "a")
    assert "cut short" in cut.fault
