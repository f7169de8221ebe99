"""Evidence that is gone or damaged is a finding that names its place; the other journals are judged all the same."""

import json
import shutil
from pathlib import Path

import pytest

from qorridor.adapters.stores.journal import Journal
from qorridor.app.prove import sites_of, verify_run
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.faces.cli import main as cli

SITES = ("hayes", "london", "slough")
ESTATE = Path(__file__).parents[2] / "examples/meridian/estate.toml"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three journals whose checkpoints every other node holds."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "addresses.json").write_text("{}")
    for site in SITES:
        journal = Journal(folder / f"node-{site}/journal", f"test/qorridor/{site}")
        journal.append([f'{{"type":"x","number":{number}}}'.encode() for number in range(300)])
        note = journal.checkpoint()
        for holder in SITES:
            if holder != site:
                held = folder / f"node-{holder}/checkpoints"
                held.mkdir(parents=True, exist_ok=True)
                (held / f"{site}.checkpoint").write_text(note)
                (held / f"{site}.vkeys").write_text("\n".join(journal.verification_keys) + "\n")
    return folder


@pytest.fixture
def run_folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "run"))


def verdicts(folder):
    return {verdict.site: verdict for verdict in verify_run(folder)}


JOURNAL = "node-hayes/journal"
HELD = "node-london/checkpoints"


def gone(place):
    def change(folder):
        target = folder / place
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return change


def holds(place, content):
    return lambda folder: (folder / place).write_bytes(content)


def folder_instead(folder):
    (folder / JOURNAL / "checkpoint").unlink()
    (folder / JOURNAL / "checkpoint").mkdir()


def of_another_log(folder):
    for kind in ("checkpoint", "vkeys"):
        shutil.copy(folder / f"node-hayes/checkpoints/slough.{kind}", folder / HELD / f"hayes.{kind}")


BINARY = b"\xff\xfe\x00" * 50
DAMAGE = {
    "its folder": (gone("node-hayes"), "Q-PROOF-021", JOURNAL),
    "its journal": (gone(JOURNAL), "Q-PROOF-021", JOURNAL),
    "its tiles": (gone(f"{JOURNAL}/tile"), "Q-PROOF-005", ""),
    "its hashes": (gone(f"{JOURNAL}/tile/0"), "Q-PROOF-022", f"{JOURNAL}/tile"),
    "its checkpoint": (gone(f"{JOURNAL}/checkpoint"), "Q-PROOF-005", f"{JOURNAL}/checkpoint"),
    "a binary checkpoint": (holds(f"{JOURNAL}/checkpoint", BINARY), "Q-PROOF-023", f"{JOURNAL}/checkpoint"),
    "an empty checkpoint": (holds(f"{JOURNAL}/checkpoint", b""), "Q-PROOF-003", f"{JOURNAL}/checkpoint"),
    "a folder for a checkpoint": (folder_instead, "Q-PROOF-023", f"{JOURNAL}/checkpoint"),
    "binary keys": (holds(f"{JOURNAL}/vkeys", BINARY), "Q-PROOF-023", f"{JOURNAL}/vkeys"),
    "binary pinned keys": (holds(f"{HELD}/hayes.vkeys", BINARY), "Q-PROOF-023", f"{HELD}/hayes.vkeys"),
    "no pinned key in the file": (holds(f"{HELD}/hayes.vkeys", b""), "Q-PROOF-002", f"{HELD}/hayes.vkeys"),
    "keys that are none": (holds(f"{HELD}/hayes.vkeys", b"a+b+c\n"), "Q-PROOF-002", f"{HELD}/hayes.vkeys"),
    "a held checkpoint without keys": (gone(f"{HELD}/hayes.vkeys"), "Q-PROOF-005", f"{HELD}/hayes.vkeys"),
    "a binary held checkpoint": (holds(f"{HELD}/hayes.checkpoint", BINARY), "Q-PROOF-023", f"{HELD}/hayes.checkpoint"),
    "a held checkpoint of another log": (of_another_log, "Q-PROOF-003", f"{JOURNAL}/checkpoint"),
    "a stray file": (holds(f"{JOURNAL}/tile/entries/README", b"x"), "Q-PROOF-022", f"{JOURNAL}/tile/entries/README"),
    "a bundle of one byte": (holds(f"{JOURNAL}/tile/entries/000", b"\x01"), "Q-PROOF-007", f"{JOURNAL}/tile/entries/000"),
    "an empty bundle": (holds(f"{JOURNAL}/tile/entries/000", b""), "Q-PROOF-022", f"{JOURNAL}/tile"),
}  # fmt: skip


@pytest.mark.requirement("A-53")
@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_gone_or_damaged_is_a_finding_that_names_its_place(run_folder, name):
    change, code, place = DAMAGE[name]
    change(run_folder)
    found = verdicts(run_folder)
    assert not found["hayes"].is_intact
    assert code in {error.code for error in found["hayes"].findings}
    if place:
        assert str(run_folder / place) in {error.where for error in found["hayes"].findings}
    assert found["slough"].is_intact
    assert found["london"].is_intact


@pytest.mark.parametrize("name", DAMAGE)
def test_the_verb_exits_1_with_one_document_and_reports_every_journal(run_folder, name, capsys):
    DAMAGE[name][0](run_folder)
    assert cli.run(["--json", "prove", "verify", "--run", str(run_folder)]) == 1
    rows = {row["site"]: row for row in json.loads(capsys.readouterr().out)["journals"]}
    assert [rows[site]["intact"] for site in SITES] == [False, True, True]
    assert rows["hayes"]["findings"][0]["where"]
    assert cli.run(["prove", "verify", "--run", str(run_folder)]) == 1
    assert "hayes: BROKEN" in capsys.readouterr().out


def test_an_intact_run_has_no_finding(run_folder):
    (run_folder / JOURNAL / "tile/entries/.000.tmp").write_bytes(b"half")  # a living log's own
    found = verdicts(run_folder)
    assert sorted(found) == [*SITES]
    assert all(verdict.is_intact for verdict in found.values())
    assert found["hayes"].verified.neighbour_size == 300


def test_without_any_trace_of_a_site_the_facts_of_the_run_still_name_it(run_folder):
    (run_folder / "run.json").write_text(json.dumps({"corridor": "thames", "sites": SITES}))
    shutil.rmtree(run_folder / "node-hayes")
    for file in run_folder.glob("node-*/checkpoints/hayes.*"):
        file.unlink()
    assert verdicts(run_folder)["hayes"].findings[0].code == "Q-PROOF-021"
    (run_folder / "run.json").unlink()
    assert "hayes" not in sites_of(run_folder)
    shutil.copy(ESTATE, run_folder / "estate.toml")
    assert "hayes" in sites_of(run_folder)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"sites": 1}', b"{}"])
def test_facts_of_the_run_that_cannot_be_read_are_told(run_folder, content):
    (run_folder / "run.json").write_bytes(content)
    with pytest.raises(EvidenceError, match=r"run\.json"):
        verify_run(run_folder)


def test_a_folder_without_any_journal_is_an_error_and_so_is_a_site_that_nothing_names(run_folder, tmp_path):
    for folder, only in ((run_folder, ["paris"]), (tmp_path / "empty", [])):
        folder.mkdir(exist_ok=True)
        with pytest.raises(OutsideError) as refused:
            verify_run(folder, only)
        assert refused.value.code == "Q-PROOF-009"
