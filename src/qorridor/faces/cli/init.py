"""`qorridor init`: an example estate to start from."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session


@click.command(
    help="Write an example estate and its JSON Schema beside it; an existing file is never replaced."
)
@click.option("--example", default="meridian", show_default=True, help="Which example.")
@options.dry_run("Say which files would be written; write none.")
@click.pass_obj
def command(session: Session, example: str) -> None:
    """Write the estate file named by --estate."""
    from qorridor.app.start import start  # noqa: PLC0415 - keeps help cheap

    written = start(Path(session.estate), example, dry_run=session.dry_run)
    verb = "would write" if session.dry_run else "wrote"
    output.emit(
        session, {"written": [] if session.dry_run else [str(path) for path in written]},
        "\n".join(f"{verb} {path}" for path in written),
    )  # fmt: skip
    output.say(session, "Next: edit it, then `qorridor check`.")
