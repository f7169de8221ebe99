"""`qorridor assess`: exposure of each flow and the mechanism that it deserves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.records.documents import Assessment, FlowAssessment


@click.command(help="Say per flow how exposed it is, which mechanism it deserves, and by which rules.")
@click.option("--inventory", type=click.Path(path_type=Path), help="A CycloneDX CBOM, ours or another tool's. "
              "Default: ./inventory.cdx.json where it exists.")  # fmt: skip
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day to judge by (default today).")
@click.option("--out", default="assessment.json", show_default=True, type=click.Path(path_type=Path))
@options.dry_run("Show the assessment; write no file.")
@click.pass_obj
def command(session: Session, inventory: Path | None, as_of: datetime | None, out: Path) -> None:
    """Assess and write."""
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.assess import assess_file  # noqa: PLC0415
    from qorridor.records import documents  # noqa: PLC0415

    usual = Path("inventory.cdx.json")
    source = inventory or (usual if usual.exists() else None)
    assessment = assess_file(session.estate, source, as_of.date() if as_of else None)
    text = documents.write(assessment)
    if not session.dry_run:
        write_atomically(out, text, mode=0o644)
    if session.as_json:
        click.echo(text, nl=False)
        return
    if source is None:
        output.say(session, "No inventory: run `qorridor discover` first; without it no mechanism is chosen.")
    click.echo(_summary(assessment, out, dry_run=session.dry_run))


def _summary(assessment: Assessment, out: Path, *, dry_run: bool) -> str:
    exposed = sum(flow.exposed for flow in assessment.flows)
    lines = [f"{exposed} of {len(assessment.flows)} flows exposed on {assessment.as_of}"]
    lines += [line for flow in assessment.flows for line in _flow(flow)]
    return "\n".join([*lines, output.written(out, dry_run=dry_run)])


def _flow(flow: FlowAssessment) -> list[str]:
    held = f"must hold to {flow.must_hold_until}" if flow.must_hold_until else "secrecy lifetime unknown"
    chance = "" if flow.hndl_probability is None else f", read in time with {flow.hndl_probability:.0%}"
    threat = f"quantum computer 10 % likely in {flow.threat_years:.1f} years"
    head = f"{flow.name}: what is sent today {held}; {threat}{chance}"
    return [head, f"  → {flow.mechanism}", *(f"    {reason.rule}  {reason.text}" for reason in flow.because)]
