"""`qorridor check`: every mistake of the estate, or that there is none."""

from __future__ import annotations

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session


@click.command(help="Read the estate; every mistake at once with its line, then findings.")
@click.pass_obj
def command(session: Session) -> None:
    """Mistakes raise (exit 3); findings are told and change no exit code."""
    from qorridor.app.estate_file import findings_of, load  # noqa: PLC0415 - keeps help cheap

    estate = load(session.estate)
    findings = findings_of(estate)
    counts = {
        "sites": len(estate.sites), "fibres": len(estate.fibres), "flows": len(estate.flows),
        "corridors": len(estate.corridors),
    }  # fmt: skip
    document = {
        "estate": estate.source,
        "organisation": estate.organisation,
        "sha256": estate.digest,
        **counts,
    }
    lines = [f"{estate.source}:{f.line}: finding: {f.path}: {f.cause}; {f.remedy}" for f in findings]
    summary = ", ".join(f"{count} {_noun(name, count)}" for name, count in counts.items())
    output.emit(
        session, {**document, "mistakes": [], "findings": [vars(f) for f in findings]},
        "\n".join([*lines, f"{estate.organisation}: {summary}. No mistakes, {_count(len(findings))}."]),
    )  # fmt: skip


def _noun(plural: str, count: int) -> str:
    return plural if count != 1 else plural.removesuffix("s")


def _count(findings: int) -> str:
    return "1 finding" if findings == 1 else f"{findings} findings"
