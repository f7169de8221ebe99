"""`qorridor authority`: the issuing authority of the organisation."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import options, output
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


@command.command(
    "ticket", help="Lay an enrolment ticket for IDENTITY (node/SITE, link/LINK/SITE) into a directory."
)
@click.argument("identity")
@click.option(
    "--state", type=click.Path(path_type=Path), required=True, help="The authority's state directory."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new process's state directory."
)
@options.dry_run("Say where the ticket would lie; ask for none.")
@click.pass_obj
def ticket(session: Session, identity: str, state: Path, out: Path) -> None:
    """Whoever may read the authority's directory may hand out tickets; one serves once, for 15 minutes."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.estate_file import load  # noqa: PLC0415
    from qorridor.app.tickets import ticket_by_hand  # noqa: PLC0415

    estate = load(session.estate)
    asked = None if session.dry_run else asyncio.run(ticket_by_hand(state, estate, identity, out))
    place = asked or out / "ticket.json"
    document = {"identity": identity, "ticket": str(place)}
    output.emit(session, document, output.written(place, dry_run=session.dry_run))
