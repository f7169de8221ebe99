"""watch and keys as a person calls them; the nodes' answers are given, the run folder is real."""

import json
import time
from pathlib import Path

import pytest

from qorridor.app import watching
from qorridor.app.operators import Operator
from qorridor.base.errors import OutsideError
from qorridor.faces.cli import main as cli
from qorridor.faces.cli.watch_tables import text
from qorridor.records import documents

from .statuses import status

EXAMPLE = Path(__file__).parents[3] / "examples/meridian/estate.toml"


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    run = tmp_path / "run/thames"
    run.mkdir(parents=True)
    (run / "addresses.json").write_text('{"operator/london": "127.0.0.1:1", "operator/hayes": "127.0.0.1:1"}')
    (run / "estate.toml").write_text(EXAMPLE.read_text())
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def nodes(run_folder, monkeypatch):
    """A run whose london aborts and whose hayes is silent."""
    answers = {"london": status(aborting=True), "hayes": None}

    async def rounds(run, *, once=False):
        assert run == run_folder
        yield answers

    monkeypatch.setattr(watching, "rounds", rounds)
    return answers


def call(capsys, *arguments):
    code = cli.run(arguments)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.requirement("A-35")
def test_the_tables_show_links_keys_and_flows_with_their_label():
    shown = text({"london": status()})
    assert "up" in shown
    assert "1.53%" in shown
    assert "simulated" in shown
    assert "surplus 461952" in shown
    assert "HYBRID" in shown
    assert "14/4" in shown


def test_every_alarm_that_stands_is_shown_with_its_remedy():
    alarm = {
        "alarm": "journal-fork",
        "code": "Q-PROOF-044",
        "cause": "it does not go on",
        "remedy": "restore it",
    }
    shown = text({"london": status() | {"alarms": [alarm]}})
    assert "london: ALARM journal-fork: it does not go on [Q-PROOF-044]; restore it" in shown


@pytest.mark.requirement("A-35", "B-27")
def test_an_abort_a_silent_node_and_the_diagnosis_are_shown(capsys, nodes):
    code, out, _ = call(capsys, "watch", "--once")
    assert code == 0
    assert "aborting" in out
    assert "7.00%" in out
    assert "hayes: the node does not answer" in out
    assert "suspect interception or calibration drift (P1) [simulated]" in out
    assert "key of aborted blocks is never used" in out


def test_json_is_one_line_per_node(capsys, nodes):
    code, out, _ = call(capsys, "watch", "--once", "--json")
    assert code == 0
    london, hayes = map(json.loads, out.splitlines())
    assert (london["site"], london["answers"], hayes["answers"]) == ("london", True, False)
    assert london["links"][0]["aborted"] == 2


@pytest.mark.requirement("B-27")
def test_the_diagnosis_document_is_written_and_reads_back(capsys, nodes, tmp_path):
    file = tmp_path / "diagnosis.json"
    assert call(capsys, "watch", "--once", "--diagnosis", str(file), "--dry-run")[0] == 0
    assert not file.exists()
    assert call(capsys, "watch", "--once", "--diagnosis", str(file))[0] == 0
    found = documents.read(documents.Diagnosis, file.read_text(), str(file))
    assert found.findings[0].causes == ["interception", "calibration drift"]
    assert found.findings[0].simulated
    assert found.silent == ["hayes"]
    assert set(found.inputs) == {"estate"}


def test_keys_shows_counts_ages_and_what_was_burnt(capsys, nodes):
    code, out, _ = call(capsys, "keys")
    assert code == 0
    assert "surplus 461952" in out
    assert "london-hayes: blocks of 12 to 4 s of age, simulated" in out
    assert "hayes: the node does not answer" in out
    document = json.loads(call(capsys, "keys", "--json")[1])
    assert document["nodes"][0]["keys"]["delivered"] == 4608
    assert document["nodes"][1] == {"site": "hayes", "answers": False}


@pytest.mark.parametrize("verb", ["watch", "keys"])
def test_without_a_run_or_its_certificate_the_error_says_what_to_do(
    capsys, tmp_path, monkeypatch, verb, run_folder
):
    code, out, err = call(capsys, verb)
    assert (code, out) == (4, "")
    assert "Q-KME-054" in err
    monkeypatch.chdir(run_folder)
    code, _, err = call(capsys, verb)
    assert code == 4
    assert "Q-KME-053" in err


def test_a_run_without_nodes_is_told(capsys, run_folder, monkeypatch):
    monkeypatch.setattr(Operator, "__init__", lambda self, run: setattr(self, "_clients", {}))
    monkeypatch.setattr(Operator, "sites", [])
    code, _, err = call(capsys, "watch", "--once")
    assert code == 4
    assert "Q-KME-055" in err


def test_the_document_carries_its_time(run_folder):
    made = watching.diagnosis(run_folder, {"london": status()}, time.time())
    assert made.findings == []
    assert made.at.endswith("+00:00")
    with pytest.raises(OutsideError):
        Operator(run_folder)
