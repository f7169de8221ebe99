"""`qorridor watch`: links, keys and flows of a run as they change."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from qorridor.app.watching import Statuses

    Show = Callable[[Statuses], None]


@click.command(help="Show links, keys and flows of all nodes of a run, every second; Ctrl-C ends it.")
@options.run_folder
@click.option("--once", is_flag=True, help="One round, then end.")
@click.option(
    "--diagnosis",
    type=click.Path(path_type=Path),
    help="Also write the Diagnosis document of each round here.",
)
@options.dry_run("Show everything; write no Diagnosis.")
@click.pass_obj
def command(session: Session, folder: Path | None, *, once: bool, diagnosis: Path | None) -> None:
    """With --json one line per node and second."""
    import contextlib  # noqa: PLC0415 - keeps help cheap

    from qorridor.app import process  # noqa: PLC0415
    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.base.errors import Interrupted  # noqa: PLC0415

    run = find_run(folder)
    with contextlib.suppress(Interrupted), contextlib.ExitStack() as stack:  # a signal is how it ends
        show = _live(stack) if sys.stdout.isatty() and not (once or session.as_json) else _lines(session)
        file = None if session.dry_run else diagnosis
        process.run_until_signalled(
            lambda stop: process.unless(stop, _watch(run, show, file, once=once), lambda: None)
        )


async def _watch(run: Path, show: Show, file: Path | None, *, once: bool) -> None:
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415
    from qorridor.app import watching  # noqa: PLC0415
    from qorridor.records import documents  # noqa: PLC0415

    async for statuses in watching.rounds(run, once=once):
        show(statuses)
        if file is not None:
            text = documents.write(watching.diagnosis(run, statuses, time.time()))
            write_atomically(file, text, mode=0o644)


def _lines(session: Session) -> Show:
    """A JSON line per node, or the tables as plain text."""
    from qorridor.faces.cli.watch_tables import text  # noqa: PLC0415

    def show(statuses: Statuses) -> None:
        if not session.as_json:
            click.echo(text(statuses))
            return
        for site, status in statuses.items():
            document = {"at": round(time.time(), 3), "site": site, "answers": status is not None}
            output.emit_line(session, document | (status or {}), "")
        sys.stdout.flush()

    return show


def _live(stack: ExitStack) -> Show:
    """A table that is drawn over and over."""
    from rich.live import Live  # noqa: PLC0415 - rich is for terminals only
    from rich.text import Text  # noqa: PLC0415

    from qorridor.faces.cli.watch_tables import text  # noqa: PLC0415

    live = stack.enter_context(Live(Text("asking the nodes …"), auto_refresh=False, screen=False))

    def show(statuses: Statuses) -> None:
        live.update(Text(text(statuses)), refresh=True)

    return show
