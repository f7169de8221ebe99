"""Processes start clean and end when they are told to."""

import asyncio
import os
import signal

import pytest

from qorridor.app import process
from tests.support.loop import run


def test_a_child_inherits_no_secret_of_the_shell(monkeypatch):
    monkeypatch.setenv("QORRIDOR_TOKEN", "secret")
    monkeypatch.setenv("LD_PRELOAD", "/tmp/x.so")
    told = process.environment()
    assert "secret" not in told.values()
    assert "LD_PRELOAD" not in told
    assert told["PATH"] == os.environ["PATH"]


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)

    async def main():
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done",
            stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        await child.stdout.readline()
        await process.stop(child)
        assert child.returncode == -signal.SIGKILL
        await process.stop(child)

    run(main())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_process_to_stop(number):
    seen = []

    async def main(stop):
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await stop.wait()
        seen.append("stopped")

    process.run_until_signalled(main)
    assert seen == ["stopped"]


def test_the_first_error_of_a_group_of_groups_is_what_a_person_hears():
    async def main(_stop):
        raise BaseExceptionGroup(
            "all", [BaseExceptionGroup("one", [ValueError("the cause"), OSError("later")])]
        )

    with pytest.raises(ValueError, match="the cause"):
        process.run_until_signalled(main)
