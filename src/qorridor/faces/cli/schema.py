"""`qorridor schema`: JSON Schemas for editors and for programs that read our documents."""

from __future__ import annotations

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session


@click.command(help="Print the JSON Schema of the estate file or of a document.")
@click.argument(
    "document", type=click.Choice(["estate", "assessment", "plan", "diagnosis"]), default="estate"
)
@click.pass_obj
def command(session: Session, document: str) -> None:
    """Print one schema."""
    if document == "estate":
        from qorridor.estate.schema import json_schema  # noqa: PLC0415 - keeps help cheap

        output.emit(session, json_schema())
        return
    from qorridor.records.documents import schema_of  # noqa: PLC0415

    output.emit(session, schema_of(document))
