"""`qorridor prove`: what the journals of a run prove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.prove import SiteVerdict


@click.group(help="What the journals of a run prove.")
def command() -> None:
    """Sub-commands follow."""


@command.command(
    "verify", help="Find altered, moved and removed records; exit 1 when a journal does not hold."
)
@options.run_folder
@click.option("--site", "sites", multiple=True, help="Only this site; may be repeated.")
@click.pass_obj
def verify(session: Session, folder: Path | None, sites: tuple[str, ...]) -> int:
    """Every journal is looked at, also after the first that fails."""
    from qorridor.app.prove import verify_run  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.run_folder import find_run  # noqa: PLC0415

    run = find_run(folder)
    verdicts = verify_run(run, sites)
    document = {"run": str(run), "journals": [_row(verdict) for verdict in verdicts]}
    output.emit(session, document, "\n".join(line for verdict in verdicts for line in _lines(verdict)))
    return 0 if all(verdict.is_intact for verdict in verdicts) else 1


def _row(verdict: SiteVerdict) -> dict[str, object]:
    """One journal as --json shows it; code and cause are those of its first finding."""
    row: dict[str, object] = {"site": verdict.site, "intact": verdict.is_intact}
    if (found := verdict.verified) is not None:
        row |= {"records": found.size, "root": found.root.hex(), "neighbour": found.neighbour,
                "neighbour_size": found.neighbour_size}  # fmt: skip
    if verdict.findings:
        first = verdict.findings[0]
        findings = [
            {"code": e.code, "cause": e.cause, "remedy": e.remedy, "where": e.where} for e in verdict.findings
        ]
        row |= {"code": first.code, "cause": first.cause, "findings": findings}
    return row


def _lines(verdict: SiteVerdict) -> list[str]:
    broken = [
        f"{verdict.site}: BROKEN  {error.where}: {error.cause} [{error.code}]" for error in verdict.findings
    ]
    found = verdict.verified
    if found is None:
        return broken
    against = f"{found.neighbour}, which holds the checkpoint of size {found.neighbour_size}"
    held = against if found.neighbour else "nobody: no neighbour holds a checkpoint, removal cannot be seen"
    state = "records " if broken else "intact  "
    root = found.root.hex()[:16]
    return [f"{verdict.site}: {state}{found.size} records, root {root}…, checked against {held}", *broken]


@command.command(
    "blocks", help="Recompute every block's key length from its record alone; exit 1 when one differs."
)
@options.run_folder
@click.pass_obj
def blocks(session: Session, folder: Path | None) -> int:
    """An auditor's question: does the proof allow the key that was used?"""
    from qorridor.app.prove import sites_of  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.prove_blocks import recompute_blocks  # noqa: PLC0415
    from qorridor.app.run_folder import find_run  # noqa: PLC0415

    run = find_run(folder)
    verdicts = [verdict for site in sites_of(run) for verdict in recompute_blocks(run, site)]
    rows = [
        [verdict.site, verdict.link, verdict.block_id[:12], f"{verdict.length} bits", verdict.proof,
         "simulated" if verdict.simulated else "", verdict.fault or "as stated"]
        for verdict in verdicts
    ]  # fmt: skip
    heads = ("node", "link", "block", "key", "proof", "", "verdict")
    document = [
        {
            name: getattr(verdict, name)
            for name in ("site", "link", "block_id", "length", "proof", "simulated", "fault")
        }
        for verdict in verdicts
    ]
    output.emit(
        session, {"run": str(run), "blocks": document}, output.table(rows, heads) or "no block in any journal"
    )
    return 1 if any(verdict.fault for verdict in verdicts) else 0
