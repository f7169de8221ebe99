"""`qorridor doctor`: what is missing on this machine, and the command that mends it."""

from __future__ import annotations

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session


@click.command(help="Look at this machine and the estate; change nothing. Exit 4 if something fails.")
@click.pass_context
def command(context: click.Context) -> None:
    """Print one line per check: ok, warn or fail, with a remedy."""
    from qorridor.app.doctor import examine  # noqa: PLC0415 - keeps help cheap

    session: Session = context.obj
    checks = examine(session.estate)
    rows = [[check.state, check.what, check.remedy] for check in checks]
    output.emit(session, [check._asdict() for check in checks], output.table(rows))
    if any(check.state == "fail" for check in checks):
        context.exit(4)
