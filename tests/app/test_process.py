"""Processes start clean and end when they are told to."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from qorridor.app import process
from qorridor.base import interruption
from qorridor.base.errors import Interrupted
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


@pytest.mark.parametrize("again", [False, True], ids=["cancelled once", "cancelled twice"])
def test_a_child_is_killed_also_by_the_clean_up_of_a_cancelled_task(monkeypatch, again):
    monkeypatch.setattr(process, "GRACE_SECONDS", 30.0 if again else 0.3)

    async def main():
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done",
            stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        await child.stdout.readline()

        async def keep():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await process.stop(child)
                raise

        task = asyncio.create_task(keep())
        await asyncio.sleep(0)
        task.cancel()
        if again:
            await asyncio.sleep(0.1)
            task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.cancelled()
        assert await asyncio.wait_for(child.wait(), 5) == -signal.SIGKILL

    run(main())


def test_a_signal_that_came_before_the_loop_listened_is_not_lost(monkeypatch):
    monkeypatch.setattr(interruption, "came", True)

    async def main(_stop):
        raise AssertionError("it begins all the same")

    with pytest.raises(Interrupted):
        process.run_until_signalled(main)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
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


def test_a_signal_cancels_the_work_waits_for_its_clean_up_and_says_so():
    told = []

    async def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            told.append("cleaned up")

    async def main(stop):
        await process.unless(stop, work(), lambda: told.append("stopping"))

    with pytest.raises(Interrupted):
        process.run_until_signalled(main)
    assert told == ["stopping", "cleaned up"]


def test_work_that_ends_before_any_signal_gives_its_result_or_its_error():
    async def work(number):
        await asyncio.sleep(0)
        return 1 / number

    async def main(stop):
        assert await process.unless(stop, work(2), pytest.fail) == 0.5
        await process.unless(stop, work(0), pytest.fail)

    with pytest.raises(ZeroDivisionError):
        process.run_until_signalled(main)


def test_an_ignored_hang_up_stays_ignored_as_under_nohup(monkeypatch):
    async def main(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        assert not stop.is_set()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process.run_until_signalled(main)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_child_whose_parent_died_before_it_could_watch_ends_at_once(monkeypatch):
    monkeypatch.setenv("QORRIDOR_CHILD", "1")
    program = "from qorridor.app import process; process.harden(); print('lives')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
