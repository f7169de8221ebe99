"""`qorridor plugins`: the drivers that an estate may name."""

from __future__ import annotations

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session


@click.command(help="List drivers by group, and which of them this version brings.")
@click.argument("group", required=False)
@click.pass_obj
def command(session: Session, group: str | None) -> None:
    """Print the catalogue, or one group of it."""
    from qorridor.estate.drivers import catalogue  # noqa: PLC0415 - keeps help cheap

    facts = catalogue()
    groups = list(dict.fromkeys(fact.group for fact in facts))
    if group is not None and group not in groups:
        raise click.BadParameter(f"use one of: {', '.join(groups)}", param_hint="GROUP")
    shown = [fact for fact in facts if group in (None, fact.group)]
    rows = [[f.group, f.name, "ready" if f.available else "not in this version", f.summary] for f in shown]
    output.emit(
        session, [fact._asdict() for fact in shown], output.table(rows, ("group", "driver", "state", "what"))
    )
