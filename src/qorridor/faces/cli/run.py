"""`qorridor run CORRIDOR`: the product on loopback until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import output
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
@click.pass_obj
def command(session: Session, corridor: str, folder: Path | None, compatibility: bool) -> None:  # noqa: FBT001 - click's callback
    """A run begins with a fresh folder and a fresh root; nothing of an earlier run is used."""
    from qorridor.app.running import run_corridor  # noqa: PLC0415 - keeps help cheap

    def told(line: str) -> None:
        output.say(session, line)

    def row(document: dict[str, object], line: str) -> None:
        output.emit_line(session, document, line)

    run_corridor(Path(session.estate), corridor, folder or Path("run") / corridor, told, row,
                 compatibility=compatibility)  # fmt: skip
