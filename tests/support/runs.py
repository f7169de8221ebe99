"""Runs of the whole product for tests: a short folder, the recorder, and what is left behind."""

import base64
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDER = Path(__file__).parent / "recorder" / "sitecustomize.py"


@contextmanager
def short_folder():
    """A folder that other users may enter (PostgreSQL) and whose socket paths stay short."""
    folder = Path(tempfile.mkdtemp(prefix="q"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recorder_in(folder):
    """Lay the recorder beside the run; returns the environment that loads it into every child."""
    home = folder / "recorder"
    home.mkdir(mode=0o755)
    shutil.copy(RECORDER, home)
    path = os.pathsep.join([str(home), str(ROOT / "src")])
    return home / "keys.jsonl", {**os.environ, "PYTHONPATH": path, "PWD": str(folder)}


def recorded(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def check_releases(notes):
    """I1 and I2: no key_ID twice at one end, and equal bytes at both."""
    seen, keys = set(), {}
    for note in notes:
        if note["what"] != "delivered":
            continue
        end = (note["key_id"], note["role"])
        assert end not in seen, f"key {note['key_id']} was released twice to the {note['role']}"
        seen.add(end)
        assert keys.setdefault(note["key_id"], note["key"]) == note["key"], "the two ends differ"
    outputs = {}
    for note in notes:
        if note["what"] == "output":
            assert outputs.setdefault(note["commitment"], note["key"]) == note["key"]
    return len(seen)


def secrets_in(folder, notes):
    """Files below `folder` that hold a recorded key as bytes, hexadecimal or base64."""
    needles = {}
    for note in notes:
        raw = bytes.fromhex(note["key"])
        for form in (raw, raw.hex().encode(), base64.b64encode(raw)):
            needles[form] = note["what"]
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and "recorder" not in file.parts:
            data = file.read_bytes()
            found += [(str(file), what) for needle, what in needles.items() if needle in data]
    return found


def logs_of(run):
    """The last lines that each process of a run has logged: what a reader would look at next."""
    return "\n".join(
        f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in sorted(run.glob("logs/*"))
    )


def processes_of(folder):
    """Processes whose current folder or command line lies in `folder`."""
    left = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            here = os.readlink(entry / "cwd")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if here.startswith(str(folder)) or str(folder) in command:
            left.append(command)
    return left


def qorridor(*arguments):
    return [sys.executable, "-m", "qorridor", *arguments]
