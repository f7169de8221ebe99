"""`make demo` as a reader meets it: the whole story, a key by hand, Ctrl-C, and no secret left anywhere."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from qorridor.adapters.stores.journal import BUNDLE, Journal, JournalFiles
from tests.support.runs import (
    check_releases,
    logs_of,
    processes_of,
    qorridor,
    recorded,
    recorder_in,
    secrets_in,
    short_folder,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run"), pytest.mark.timeout(1500)]

PATIENCE = 400


class Story:
    """A running demo and the JSON lines that it has told so far."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.words = (folder / "words.txt").open("wb")
        self.process = subprocess.Popen(
            qorridor("--json", "demo", "--stay"), cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.words,
        )  # fmt: skip
        self.lines, self.queue = [], queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.queue.put(json.loads(line))
        self.queue.put(None)

    def until(self, text):
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            line = self.queue.get(timeout=PATIENCE)
            assert line is not None, f"the demo ended before it said {text!r}: {self.lines[-3:]}"
            if "text" not in line:
                pytest.fail(
                    f"the demo ended with {line} after {self.lines[-3:]}\n{logs_of(self.folder / 'run/demo')}"
                )
            self.lines.append(line)
            if text in line["text"]:
                return line
        pytest.fail(f"the demo never said {text!r}")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.words.close()


@pytest.fixture(scope="module")
def told():
    with short_folder() as folder:
        keys, environment = recorder_in(folder)
        story = Story(folder, environment)
        try:
            story.until("Ctrl-C ends every process")
            yield folder, environment, story, keys
        finally:
            if story.process.poll() is None:
                story.end()
            story.process.stdout.close()


def texts(story):
    return "\n".join(line["text"] for line in story.lines)


@pytest.mark.requirement("A-23", "A-27", "A-29", "B-31")
def test_the_story_goes_from_inventory_to_proof_and_survives_an_eavesdropper(told):
    _, _, story, _ = told
    steps = {line["step"]: line for line in story.lines if "step" in line}
    assert list(steps) == ["discover", "assess", "plan", "run", "exchange", "watch", "prove"]
    assert steps["exchange"]["rolls"] >= 10
    states = [line["state"] for line in story.lines if "state" in line]
    assert "PQC_ONLY" in states
    assert states[-1] == "HYBRID"
    assert states.index("CACHED") < states.index("PQC_ONLY")
    assert "never broke" in texts(story)
    assert "intact" in texts(story)
    assert "BROKEN" not in texts(story)


def test_every_artefact_that_the_story_names_is_there(told):
    folder, _, story, _ = told
    for line in story.lines:
        if line.get("artefact"):
            place = line["artefact"].split(" ")[0]
            assert list(folder.glob(place)), place


def programs(folder, environment):
    """A PATH on which `qorridor` is this very tree, as after an installation."""
    tool = folder / "bin" / "qorridor"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qorridor "$@"\n')
    tool.chmod(0o755)
    return environment | {"PATH": f"{tool.parent}:{environment['PATH']}"}


def lasts(command, folder, environment):
    """A command that shows until it is told to end: a first picture, then Ctrl-C."""
    child = subprocess.Popen(command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    assert child.stdout.readline()
    os.killpg(child.pid, signal.SIGINT)
    return child.communicate(timeout=30), child.returncode


def test_every_command_that_the_story_prints_works_as_it_is_printed(told):
    folder, environment, story, _ = told
    here = programs(folder, environment)
    commands = [line["try_next"] for line in story.lines if line.get("try_next")]
    assert len(commands) == 7
    for command in commands:
        if " watch " in command:
            assert lasts(f"exec {command}", folder, here)[1] == 0
            continue
        done = subprocess.run(command, shell=True, cwd=folder, env=here, capture_output=True, text=True,
                              check=False, timeout=120)  # fmt: skip
        assert done.returncode == 0, (command, done.stdout[-500:], done.stderr[-500:])
        if "explain flow" in command:
            assert "G1" not in done.stdout, "the inventory of the run was not found"
    cleared = qorridor("inject", "hayes-slough", "clear", "--run", "run/demo")
    assert (
        subprocess.run(cleared, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0
    )


def test_simulated_key_is_called_simulated_wherever_it_is_handed_out(told):
    folder, environment, _, _ = told
    curl = shutil.which("curl")
    pki = folder / "run/demo/sae-router-london/pki"
    book = json.loads((folder / "run/demo/addresses.json").read_text())
    url = f"https://{book['kme-etsi-compat/london']}/api/v1/keys/router-slough"
    base = [curl, "-sS", "--cacert", f"{pki}/trust-node.pem", "--cert", f"{pki}/ecdsa-p256.pem",
            "--key", f"{pki}/ecdsa-p256.key"]  # fmt: skip
    status = json.loads(subprocess.check_output([*base, f"{url}/status"], env=environment))
    assert status["status_extension"] == {"qorridor_simulated": True, "qorridor_quantum_safe": False}
    container = json.loads(
        subprocess.check_output([*base, "-d", '{"number": 1}', f"{url}/enc_keys"], env=environment)
    )
    assert container["key_container_extension"] == {"qorridor_simulated": True}
    assert len(container["keys"]) == 1


def test_journals_verify_while_the_run_goes_on(told):
    folder, environment, _, _ = told
    out = subprocess.run(qorridor("--json", "prove", "verify", "--run", "run/demo"), cwd=folder, env=environment,
                         capture_output=True, check=False)  # fmt: skip
    assert out.returncode == 0, out.stderr.decode()
    assert all(journal["neighbour"] for journal in json.loads(out.stdout)["journals"])


def prove(folder, environment, run, *what):
    out = subprocess.run(qorridor("--json", "prove", *what, "--run", run), cwd=folder, env=environment,
                         capture_output=True, check=False)  # fmt: skip
    return out.returncode, json.loads(out.stdout)


def test_every_block_in_the_journals_allows_the_key_that_was_taken_from_it(told):
    folder, environment, _, _ = told
    code, answer = prove(folder, environment, "run/demo", "blocks")
    assert code == 0
    assert len(answer["blocks"]) >= 4
    assert all(block["simulated"] and block["length"] > 0 for block in answer["blocks"])


def copy_living(source, target):
    """Copy a folder in which files are replaced meanwhile."""
    while True:
        try:
            shutil.copytree(source, target)
        except shutil.Error:
            shutil.rmtree(target)
        else:
            return


@pytest.fixture
def copied(told):
    """A copy of the journals and checkpoints as they are now."""
    folder, environment, _, _ = told
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    nodes = list((folder / "run/demo").glob("node-*"))
    for part in ("checkpoints", "journal"):  # the run goes on: first what is signed, then what it covers
        for node in nodes:
            copy_living(node / part, copy / node.name / part)
    (copy / "addresses.json").write_text("{}")
    return folder, environment, copy / "node-london" / "journal"


def rewrite(journal, entries):
    """Write a journal anew from other entries, as somebody with its folder could."""
    shutil.rmtree(journal / "tile")
    files = JournalFiles(journal)
    for number in range(-(-len(entries) // BUNDLE)):
        files.write(number, entries[number * BUNDLE : (number + 1) * BUNDLE])


def test_an_altered_record_is_found_and_named(copied):
    folder, environment, journal = copied
    bundle = next((journal / "tile" / "entries").rglob("*[0-9]"))
    bundle = bundle if bundle.is_file() else next(path for path in bundle.rglob("*") if path.is_file())
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"type":"self.start"', b'"type":"self.stort"', 1))
    code, answer = prove(folder, environment, "copy", "verify", "--site", "london")
    assert code == 1
    assert answer["journals"][0]["code"] == "Q-PROOF-004"
    assert "record " in answer["journals"][0]["cause"]


def test_reordered_records_are_found_in_the_log_alone(copied):
    folder, environment, journal = copied
    entries, _ = JournalFiles(journal).read()
    rewrite(journal, [entries[1], entries[0], *entries[2:]])
    shutil.rmtree(folder / "copy" / "node-hayes")
    shutil.rmtree(folder / "copy" / "node-slough")
    code, answer = prove(folder, environment, "copy", "verify", "--site", "london")
    assert (code, answer["journals"][0]["code"]) == (1, "Q-PROOF-004")


@pytest.mark.requirement("A-53")
def test_removed_records_are_found_against_a_neighbour_even_when_the_log_signs_again(copied):
    folder, environment, journal = copied
    entries, _ = JournalFiles(journal).read()
    rewrite(journal, entries[:-40])
    (journal / "checkpoint").unlink()
    leaf = json.loads(entries[0])
    Journal(journal, f"meridian-bank/qorridor/{leaf['source']}").checkpoint()
    code, answer = prove(folder, environment, "copy", "verify", "--site", "london")
    assert (code, answer["journals"][0]["code"]) == (1, "Q-PROOF-005")
    assert "holds a checkpoint" in answer["journals"][0]["cause"]


@pytest.mark.last
@pytest.mark.requirement("A-29")
def test_ctrl_c_leaves_no_process_and_no_key_in_any_file(told):
    folder, _, story, keys = told
    story.end()
    assert story.process.returncode == 0
    assert processes_of(folder) == []
    notes = recorded(keys)
    assert check_releases(notes) > 20
    assert secrets_in(folder, notes) == []
    assert "Traceback" not in (folder / "words.txt").read_text()
