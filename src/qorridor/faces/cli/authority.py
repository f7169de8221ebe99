"""`qorridor authority`: the issuing authority of the organisation."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli.session import Session


@click.group(help="The issuing authority: enrolment by one-time token and signing request.")
def command() -> None:
    """Sub-commands follow."""


@command.command("serve", help="Serve enrolment until a signal; the roots are made on first use.")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State directory.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_obj
def serve(session: Session, state: Path, bind: str) -> None:
    """Blocks until SIGTERM or SIGINT."""
    from qorridor.app.authority import main  # noqa: PLC0415 - keeps help cheap

    main(Path(session.estate), state, bind)
