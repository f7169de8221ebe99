"""The command line: cheap help, pure JSON, one meaning per exit code, no traceback."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qorridor.faces.cli import main as cli

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "examples/meridian/estate.toml")


def run(capsys, *arguments):
    code = cli.run(arguments)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_help_imports_neither_numpy_nor_pydantic_nor_rich():
    script = (
        "import sys; from qorridor.faces.cli.main import run; run(['--help']); "
        "bad = {'numpy', 'pydantic', 'rich', 'cryptography', 'OpenSSL'} & set(sys.modules); sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in cli.VERBS)


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "qorridor", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert re.fullmatch(r"qorridor \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_each_verb_has_help_with_the_global_options(capsys, verb):
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert "--json" in out
    assert "--estate" in out


@pytest.mark.parametrize("arguments", [["--json", "check"], ["check", "--json"]])
def test_global_options_stand_before_or_after_the_verb(capsys, arguments):
    code, out, _ = run(capsys, *arguments, "--estate", EXAMPLE)
    assert code == 0
    document = json.loads(out)
    assert document["organisation"] == "Meridian Bank"
    assert document["findings"]


@pytest.mark.parametrize("arguments", [["nope"], ["check", "--nope"], ["plugins", "nope"], ["explain"], ["schema", "x"],
                                       ["explain", "Q-NOPE-001"], ["explain", "no such thing"], ["completion", "tcsh"]])  # fmt: skip  # noqa: E501
def test_wrong_usage_exits_2(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("arguments", [["nope"], ["check", "--nope"], ["plugins", "nope"], ["explain"], ["--nope"],
                                       ["prove"], ["explain", "Q-NOPE-001"], ["link", "rate", "--length", "50"], ["completion", "tcsh"]])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize("first", [True, False])
def test_wrong_usage_is_one_json_line_too(capsys, arguments, first):
    words = ["--json", *arguments] if first else [*arguments, "--json"]
    code, out, err = run(capsys, *words)
    assert code == 2
    (line,) = out.splitlines()
    error = json.loads(line)["error"]
    assert error["code"] == "USAGE"
    assert error["cause"]
    assert error["remedy"].endswith("--help")
    assert err


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_estate_with_mistakes_exits_3_with_and_without_json(capsys, tmp_path, flags):
    path = tmp_path / "estate.toml"
    path.write_text(Path(EXAMPLE).read_text().replace('["genomes", "telemetry"]', '["genome"]'))
    code, out, err = run(capsys, "check", "--estate", str(path), *flags)
    assert code == 3
    if flags:
        (complaint,) = json.loads(out)["error"]["complaints"]
        assert complaint["remedy"] == 'did you mean "genomes"?'
    else:
        assert out == ""
        assert 'no data class "genome"; did you mean "genomes"?' in err
        assert "1 mistake. Nothing was changed." in err


def test_an_error_shows_cause_remedy_code_and_how_to_report_it(capsys, tmp_path):
    code, out, err = run(capsys, "check", "--estate", str(tmp_path / "none.toml"))
    assert (code, out) == (3, "")
    assert "[Q-ESTATE-002]" in err
    assert "remedy: run `qorridor init`" in err
    assert "report it" in err


def test_a_fault_of_our_own_exits_70_without_a_traceback(capsys, monkeypatch):
    monkeypatch.setattr("qorridor.app.estate_file.load", lambda _: 1 / 0)
    code, out, err = run(capsys, "check")
    assert (code, out) == (70, "")
    assert "ZeroDivisionError" in err
    assert "Traceback" not in err
    code, out, _ = run(capsys, "check", "--json")
    assert (code, out.count("\n"), json.loads(out)["error"]["code"]) == (70, 1, "BUG")


def test_quiet_leaves_only_the_answer(capsys):
    _, out, err = run(capsys, "check", "--quiet", "--estate", EXAMPLE)
    assert err == ""
    assert "No mistakes" in out


def test_init_writes_an_estate_that_check_accepts_and_replaces_nothing(capsys, tmp_path):
    path = str(tmp_path / "new" / "estate.toml")
    assert run(capsys, "init", "--estate", path, "--dry-run")[0] == 0
    assert not Path(path).exists()
    assert run(capsys, "init", "--estate", path)[0] == 0
    assert run(capsys, "check", "--estate", path)[0] == 0
    before = Path(path).read_text()
    code, _, err = run(capsys, "init", "--estate", path)
    assert code == 3
    assert "Q-ESTATE-004" in err
    assert Path(path).read_text() == before
    assert json.loads((tmp_path / "new" / "estate-1.json").read_text())["$schema"]
    assert run(capsys, "init", "--estate", path + "2", "--example", "none")[0] == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(capsys, shell):
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    assert "_QORRIDOR_COMPLETE" in out


def test_completion_answers_json_when_asked(capsys):
    code, out, _ = run(capsys, "--json", "completion", "bash")
    answer = json.loads(out)
    assert code == 0
    assert answer["shell"] == "bash"
    assert "_QORRIDOR_COMPLETE" in answer["script"]


def test_completion_offers_the_verbs():
    environment = {
        "_QORRIDOR_COMPLETE": "bash_complete",
        "COMP_WORDS": "qorridor ch",
        "COMP_CWORD": "1",
        "PATH": "",
    }
    done = subprocess.run([sys.executable, "-m", "qorridor"], capture_output=True, text=True, check=False,
                          env=environment | {"PYTHONPATH": str(ROOT / "src")})  # fmt: skip
    assert "plain,check" in done.stdout


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "plan"], ["schema", "assessment"], ["plugins"],
                                       ["doctor", "--estate", EXAMPLE], ["explain", "trusted node"],
                                       ["explain", "q-estate-001"], ["link", "rate"], ["link", "curve", "--points", "3"]])  # fmt: skip  # noqa: E501
def test_json_is_pure_on_standard_output(capsys, arguments):
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    assert json.loads(out)


def test_every_code_raised_in_the_source_has_a_page_with_cause_and_remedy():
    code = re.compile(r"Q-(?:ESTATE|SCAN|LINK|KME|KEY|RELAY|ENC|SINK|POLICY|PROOF)-\d{3}")
    raised = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and code.fullmatch(node.value):
                raised.add(node.value)
    assert raised
    wrong = [name for name in sorted(raised) if not page_is_whole(name)]
    assert not wrong, wrong


@pytest.mark.parametrize("path", sorted((ROOT / "docs/errors").glob("*.md")), ids=lambda path: path.stem)
def test_every_page_of_a_code_has_its_name_cause_and_remedy(path):
    assert page_is_whole(path.stem)


def page_is_whole(name):
    path = ROOT / f"docs/errors/{name}.md"
    if not path.is_file():
        return False
    parts = re.fullmatch(
        rf"# {name}: \S.*?\n## Cause\n(.+?)\n## Remedy\n(.+)", path.read_text().strip(), re.DOTALL
    )
    return bool(parts) and all(len(part.split()) >= 5 for part in parts.groups())


def test_doctor_names_what_is_missing_and_changes_no_exit_code_for_a_warning(capsys, tmp_path):
    code, out, _ = run(capsys, "doctor", "--estate", str(tmp_path / "estate.toml"))
    assert code == 0
    assert "qorridor init" in out
    bad = tmp_path / "bad.toml"
    bad.write_text("x")
    code, out, _ = run(capsys, "doctor", "--estate", str(bad))
    assert code == 4
    assert "fail" in out
