"""`qorridor run CORRIDOR`: the product on loopback until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session


@click.command(
    help="Run a corridor on this machine until Ctrl-C: authority, optics, nodes and tunnels as processes."
)
@click.argument("corridor")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="Folder of the run (default run/CORRIDOR)."
)
@click.option(
    "--compatibility", is_flag=True, help="Also serve kme-etsi-compat: traditional TLS, not quantum-safe."
)
@options.dry_run("Check the estate and the folder; say which processes would start, and start none.")
@click.pass_obj
def command(session: Session, corridor: str, folder: Path | None, compatibility: bool) -> None:  # noqa: FBT001 - click's callback
    """A run begins with a fresh folder and a fresh root; nothing of an earlier run is used."""
    from qorridor.app.estate_file import read_text  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.running import rehearse, run_corridor  # noqa: PLC0415

    place = folder or Path("run") / corridor
    if session.dry_run:
        parts = rehearse(
            read_text(session.estate), session.estate, corridor, place, compatibility=compatibility
        )
        output.rehearsed(session, place, parts)
        return

    def told(line: str) -> None:
        output.say(session, line)

    def row(document: dict[str, object], line: str) -> None:
        output.emit_line(session, document, line)

    run_corridor(Path(session.estate), corridor, place, told, row,
                 compatibility=compatibility)  # fmt: skip
