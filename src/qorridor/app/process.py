"""Processes: started clean, ended by signal, gone with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from qorridor.base import interruption
from qorridor.base.errors import Interrupted

_T = TypeVar("_T")
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
GRACE_SECONDS = 5.0


_CHILD = "QORRIDOR_CHILD"  # pid of the process that started this one
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def harden() -> None:
    """No core dumps, and no other process may read this one's memory; a child ends with its parent.

    What the process logs carries its time.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    parent = os.environ.get(_CHILD)
    if parent:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before it could be watched
            sys.exit(0)


def environment() -> dict[str, str]:
    """What a child inherits: where programs and this package are, nothing else."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


async def start(arguments: Sequence[str], folder: Path, log: Path) -> asyncio.subprocess.Process:
    """Start `python -m qorridor ARGUMENTS` in `folder` with its words appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as words:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "qorridor", *arguments,
            cwd=folder, env=environment() | {_CHILD: str(os.getpid())}, stdin=asyncio.subprocess.DEVNULL,
            stdout=words, stderr=words, start_new_session=True, close_fds=True,
        )  # fmt: skip


class Backoff:
    """How long to wait before a process that ended is started again: half a second, doubling to ten
    while it keeps ending within ten seconds."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._quick = 0

    def next(self) -> float:
        """Seconds to wait now; call once for each end."""
        self._quick = self._quick + 1 if time.monotonic() - self._started < 10 else 0
        delay = min(0.5 * 2.0 ** max(self._quick - 1, 0), 10.0)
        self._started = time.monotonic() + delay
        return delay


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, five seconds of grace, then SIGKILL to its whole session.

    Works in the clean-up of a cancelled task too, where a timeout of asyncio passes the old cancellation on
    (Python 3.11), and kills at once when it is cancelled itself.
    """
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    ended = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({ended}, timeout=GRACE_SECONDS)
    finally:
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    await ended


def run_until_signalled(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main(stop)`; SIGTERM, SIGINT and SIGHUP (a closed terminal, unless it is ignored as under
    nohup) set `stop`."""

    async def body() -> None:
        stop_event = asyncio.Event()
        if interruption.came:  # before this loop listened, and what it raised was lost on the way
            raise Interrupted
        loop = asyncio.get_running_loop()
        for number in ENDING:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop_event.set)
        await main(stop_event)

    try:
        asyncio.run(body())
    except BaseExceptionGroup as group:
        raise first_of(group) from group


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, _T], told: Callable[[], None]) -> _T:
    """What `work` gives. When `stop` comes first: `work` is cancelled once, `told()`
    called, the clean-up of `work` awaited to its end, and Interrupted raised."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        try:
            told()
        finally:  # also when nobody can be told any more
            await asyncio.wait({working})
        if not working.cancelled() and (error := working.exception()) is not None:
            raise error  # its clean-up went wrong: that is news
        raise Interrupted
    finally:
        stopping.cancel()
        working.cancel()


def first_of(error: BaseException) -> BaseException:
    """The first single error of a group of groups: the one that ended the others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
