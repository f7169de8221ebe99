"""Follow a run: one line per change of what its nodes say, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qorridor.app import process
from qorridor.app.estate_file import read_text
from qorridor.app.run_folder import check_free
from qorridor.app.supervisor import Supervisor, Told, check_runnable, parts_of
from qorridor.estate.read import parse

FOLLOW_SECONDS = 1.0
Row = Callable[[dict[str, object], str], None]


def rehearse(text: str, source: str, corridor: str, folder: Path, *, compatibility: bool) -> dict[str, str]:
    """What a run would start: each process and its state folder. Starts and writes nothing.

    Raises what the run itself would raise at once: for the estate, the corridor or the folder.
    """
    estate = parse(text, source)
    check_runnable(estate, corridor)
    check_free(folder)
    parts = parts_of(estate, corridor, compatibility=compatibility)
    return {part.name: str(folder / part.state) for part in parts}


def run_corridor(
    estate_file: Path, corridor: str, folder: Path, told: Told, row: Row, *, compatibility: bool
) -> None:
    """Run until a signal; `told` takes words, `row` one status of a node.

    Raises Interrupted for a signal that comes before every part is ready.
    """
    text = read_text(estate_file)  # the copy that the run works on is what was checked here
    estate = parse(text, str(estate_file))
    check_runnable(estate, corridor)
    told(f"starting {corridor}: {' - '.join(estate.corridor(corridor).path)}, every part on 127.0.0.1")

    async def body(stop: asyncio.Event) -> None:
        async with contextlib.AsyncExitStack() as stack:
            supervisor = Supervisor(folder, text, corridor, told, compatibility=compatibility)
            run = await process.unless(
                stop, stack.enter_async_context(supervisor), lambda: told("stopping; every process is ended")
            )
            told(f"running in {run.folder}; Ctrl-C ends it")
            while not stop.is_set():
                for site in run.estate.corridor(corridor).path:
                    status = await run.status(site)
                    if status is not None:
                        row(status, status_line(status))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), FOLLOW_SECONDS)

    process.run_until_signalled(body)


def status_line(status: dict[str, Any]) -> str:
    """One node's status in one line."""
    links = [
        f"{link['link']} {link['available']} atoms, QBER {_ratio(link['qber'])}, {link['aborted']} aborted"
        for link in status["links"]
    ]
    corridors = [
        f"{end['corridor']} {end['state']} epoch {end['epoch']} left {end['left']}"
        for end in status["corridors"]
    ]
    return f"{status['site']:<10} " + "; ".join([*links, *corridors])


def _ratio(value: object) -> str:
    return "-" if value is None else f"{float(str(value)):.2%}"
