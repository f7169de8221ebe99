"""What a person sees, word for word. `UPDATE_SESSIONS=1 pytest tests/sessions` writes the transcripts anew.

Each transcript is a list of `$ qorridor …` calls with their output and exit code, made in a fresh folder
that holds the example estate; only that folder, digests and the version are made neutral.
"""

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from qorridor.faces.cli import main as cli

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples/meridian/estate.toml"
SESSIONS = sorted(HERE.glob("*.txt"))
NEUTRAL = ((r"\b[0-9a-f]{64}\b", "SHA256"), (r'"tool_version": "[^"]*"', '"tool_version": "VERSION"'))
MISTAKES = (
    ('carries = ["genomes", "telemetry"]', 'carries = ["genome", "telemetry"]'),
    ('length = "22.8 km"', 'length = "-22.8 km"'),
    ("reserve = ", "reserv = "),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    text = EXAMPLE.read_text()
    (tmp_path / "estate.toml").write_text(text)
    for good, bad in MISTAKES:
        assert text.count(good) == 1, good
        text = text.replace(good, bad)
    (tmp_path / "mistakes.toml").write_text(text)
    return tmp_path


def play(capsys, line):
    code = cli.run(shlex.split(line)[1:])
    seen = capsys.readouterr()
    shown = seen.out + "".join(f"! {words}\n" for words in seen.err.splitlines())
    shown = shown.replace(str(Path.cwd()), "HERE")
    for pattern, word in NEUTRAL:
        shown = re.sub(pattern, word, shown)
    return f"$ {line}\n{shown}(exit {code})\n", seen.out


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.stem)
def test_a_session_is_as_it_was(capsys, folder, path):
    calls = [line.removeprefix("$ ") for line in path.read_text().splitlines() if line.startswith("$ ")]
    played = [play(capsys, line) for line in calls]
    transcript = "\n".join(shown for shown, _ in played)
    if os.environ.get("UPDATE_SESSIONS"):
        path.write_text(transcript)
    assert transcript == path.read_text()
    assert all(json.loads(out) for line, (_, out) in zip(calls, played, strict=True) if "--json" in line)


def test_there_are_sessions_and_none_names_a_folder_of_this_machine():
    assert len(SESSIONS) >= 5
    assert not [path.name for path in SESSIONS if re.search(r"/(tmp|home|root|usr)/", path.read_text())]
