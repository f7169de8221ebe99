"""Ctrl-C, SIGTERM and a closed terminal at any moment: every process ends, and the call says so."""

import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.runs import ROOT, processes_of, qorridor, short_folder

SECONDS = 90  # five of grace, and a machine that is busy with other things
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def await_handlers(child):
    """Until the first lines of the product have run: before them the interpreter alone answers a signal."""
    while child.poll() is None:
        status = Path(f"/proc/{child.pid}/status").read_text()
        caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


def stopped_after(moment, number, *arguments):
    """Call `arguments`, send a signal after `moment` seconds; returns exit code, output and words."""
    with short_folder() as folder:
        child = subprocess.Popen(
            qorridor(*arguments), cwd=folder, env=ENVIRONMENT | {"PWD": str(folder)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        await_handlers(child)
        time.sleep(moment)
        child.send_signal(number)
        out, words = child.communicate(timeout=SECONDS)
        assert processes_of(folder) == []
    return child.returncode, out, words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
@pytest.mark.parametrize("moment", [0.0, 0.1, 0.3])
def test_a_signal_before_anything_runs_leaves_no_traceback(moment, number):
    code, out, words = stopped_after(moment, number, "--json", "demo")
    assert code == 130
    assert words.strip().endswith("stopped")
    assert "Traceback" not in words
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "STOPPED"


@pytest.mark.slow
@pytest.mark.xdist_group("run")
@pytest.mark.requirement("A-29")
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        (0.9, signal.SIGINT),
        (1.6, signal.SIGINT),
        (2.4, signal.SIGTERM),
        (3.2, signal.SIGINT),
        (6.0, signal.SIGTERM),
    ],
)
def test_a_signal_while_the_parts_start_ends_all_of_them(moment, number):
    code, out, words = stopped_after(moment, number, "--json", "demo")
    assert code == 130
    assert words.strip().endswith("stopped")
    assert "Traceback" not in words
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "STOPPED"


@pytest.mark.slow
@pytest.mark.xdist_group("run")
@pytest.mark.parametrize("moment", [2.0, 12.0])
def test_a_closed_terminal_ends_every_process(moment):
    with short_folder() as folder:
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            command = qorridor("demo")
            os.execve(command[0], command, ENVIRONMENT | {"PWD": str(folder)})
        limit = time.monotonic() + moment
        while time.monotonic() < limit:
            if select.select([terminal], [], [], 0.1)[0]:
                os.read(terminal, 65536)
        os.close(terminal)
        until = time.monotonic() + SECONDS
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < until, "the demo outlives its terminal"
            time.sleep(0.1)
        assert os.waitstatus_to_exitcode(ended[1]) == 130
        assert processes_of(folder) == []


@pytest.mark.slow
@pytest.mark.xdist_group("run")
@pytest.mark.parametrize("moment", [1.5, 8.0])
def test_a_killed_demo_takes_its_processes_with_it_postgresql_too(moment):
    with short_folder() as folder:
        child = subprocess.Popen(
            qorridor("demo"), cwd=folder, env=ENVIRONMENT | {"PWD": str(folder)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(moment)
        child.kill()
        child.wait()
        until = time.monotonic() + SECONDS
        while left := processes_of(folder):
            assert time.monotonic() < until, left
            time.sleep(0.2)


@pytest.mark.slow
def test_a_node_that_waits_for_its_ticket_ends_at_once():
    with short_folder() as folder:
        estate = folder / "estate.toml"
        estate.write_text((ROOT / "examples/meridian/estate.toml").read_text())
        child = subprocess.Popen(
            qorridor("--estate", str(estate), "node", "london", "--state", str(folder / "s"), "--bind", "127.0.0.1"),
            cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + SECONDS
        while not (folder / "s/pki/request.json").exists():
            assert child.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        child.terminate()
        _, words = child.communicate(timeout=20)  # it would wait half a minute for its ticket
        assert child.returncode == 130
        assert "Traceback" not in words
