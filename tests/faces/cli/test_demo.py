"""The demo's own failures have a code, an exit code and one JSON line like any other."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from qorridor.app import process
from qorridor.app.demo_service import Traffic
from qorridor.app.prove import SiteVerdict
from qorridor.base.errors import EvidenceError
from qorridor.faces.cli import main as cli
from qorridor.faces.cli.demo import Story
from qorridor.faces.cli.session import Session


def test_a_connection_that_broke_is_a_claim_that_does_not_hold(tmp_path):
    demo = SimpleNamespace(folder=tmp_path, traffic=Traffic("PostgreSQL", broken="psql ended"))
    with pytest.raises(EvidenceError) as told:
        Story(Session())._unbroken(demo)
    assert (told.value.code, told.value.exit_code) == ("Q-ENC-020", 1)
    assert "psql ended" in told.value.cause


def test_a_journal_that_does_not_hold_is_not_told_as_verified(capsys):
    finding = EvidenceError("Q-PROOF-021", "the journal of hayes is not there", "restore it")
    demo = SimpleNamespace(verify=lambda: [SiteVerdict("hayes", None, [finding])])
    with pytest.raises(EvidenceError, match="hayes"):
        Story(Session())._proved(demo, "run/demo").send(None)
    assert "verified" not in capsys.readouterr().out


def test_with_json_a_failed_demo_ends_in_one_line_with_its_code(capsys, monkeypatch, tmp_path):
    def fails(_):
        raise EvidenceError("Q-ENC-020", "it broke", "report it")

    monkeypatch.setattr(process, "run_until_signalled", fails)
    assert cli.run(["demo", "--json", "--run", str(tmp_path / "run")]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"]["code"] for line in lines if "error" in line] == ["Q-ENC-020"]
    assert not Path(tmp_path / "run").exists()
