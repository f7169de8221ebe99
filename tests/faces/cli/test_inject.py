"""`inject` names what is missing: an option, a link, a process."""

import asyncio
import json

import pytest

from qorridor.adapters.wire import frames
from qorridor.app import supervisor
from qorridor.base.errors import OutsideError
from qorridor.faces.cli import main as cli
from qorridor.photonics.causes import CAUSES


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "addresses.json").write_text("{}")
    for link in ("hayes-slough", "london-hayes"):
        (tmp_path / f"optics-{link}").mkdir()
    return tmp_path


def call(capsys, folder, *arguments):
    code = cli.run(["inject", *arguments, "--run", str(folder)])
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["intercept"], "--fraction"), (["bend"], "--loss"), (["drift"], "--error"), (["cut", "--loss", "3"], "--loss"),
     (["intercept", "--fraction", "nan"], "nan"), (["intercept", "--fraction", "2"], "0<=x<=1"),
     (["bend", "--loss", "inf"], "inf"), (["intercept", "--fraction", "0.1", "--error", "0.1"], "--error"),
     (["cooler"], "--severity"), (["cooler", "--severity", "61"], "0 to 60"), (["bend", "--severity", "nan"], "nan"),
     (["bend", "--loss", "3", "--severity", "3"], "either"), (["bend", "--loss", "3", "--over", "soon"], "2 min"),
     (["bend", "--loss", "3", "--basis", "key"], "--basis"), (["clear", "--severity", "1"], "--severity"),
     (["tampering"], "classical channel"), (["software"], "link ends"), (["melt"], "polarisation")],
)  # fmt: skip
def test_a_fault_without_its_number_names_the_option(capsys, folder, arguments, word):
    code, out, err = call(capsys, folder, "hayes-slough", *arguments)
    assert (code, out) == (2, "")
    assert word in err


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_link_that_the_run_does_not_simulate_is_refused_with_those_that_it_does(capsys, folder, flags):
    code, _, err = call(capsys, folder, "nolink", "cut", *flags)
    assert code == 3
    assert "choose one of: hayes-slough, london-hayes" in err
    assert 'did you mean "hayes-slough"' in call(capsys, folder, "hayes-slouh", "cut", *flags)[2]


def test_a_dry_run_sends_nothing(capsys, folder):
    code, out, _ = call(capsys, folder, "hayes-slough", "intercept", "--fraction", "0.25", "--dry-run")
    assert (code, out) == (0, "would inject hayes-slough: intercept fraction 0.25\n")


def test_a_severity_and_its_onset_are_told(capsys, folder):
    given = ["cooler", "--severity", "12", "--over", "10 min", "--dry-run"]
    assert call(capsys, folder, "hayes-slough", *given)[:2] == (
        0, "would inject hayes-slough: cooler severity 12 over 600\n",
    )  # fmt: skip


def test_the_help_lists_every_fault_with_its_unit(capsys, folder):
    _, out, _ = call(capsys, folder, "--help")
    assert all(cause.name in out and cause.unit in out for cause in CAUSES.values())


def test_optics_that_do_not_listen_exit_4_as_an_error_of_ours(capsys, folder):
    code, out, _ = call(capsys, folder, "hayes-slough", "cut", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "Q-KME-042")


def test_optics_that_end_before_they_answer_are_no_bug(folder, monkeypatch):
    class Ending:
        async def send(self, _frame):
            raise ConnectionResetError

        async def close(self):
            pass

    async def dial(_path):
        return Ending()

    monkeypatch.setattr(frames, "dial_unix", dial)
    with pytest.raises(OutsideError) as told:
        asyncio.run(supervisor.inject(folder, "hayes-slough", "cut", {}))
    assert told.value.code == "Q-LINK-060"
