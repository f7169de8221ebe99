"""`qorridor optics LINK`: the simulated fibre, source and detectors of one link."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli.session import Session


@click.command(help="Stand in for the optics of one simulated link until a signal.")
@click.argument("link")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State directory.")
@click.pass_obj
def command(session: Session, link: str, state: Path) -> None:
    """Blocks until SIGTERM or SIGINT."""
    from qorridor.app.optics import main  # noqa: PLC0415 - keeps help cheap

    main(Path(session.estate), link, state, session.random_state)
