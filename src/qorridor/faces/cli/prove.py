"""`qorridor prove`: what the journals of a run prove."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session


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
    from qorridor.app.prove import sites_of, verify_site  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.base.errors import EvidenceError  # noqa: PLC0415

    run = find_run(folder)
    rows: list[dict[str, object]] = []
    lines: list[str] = []
    for site in sites or sites_of(run):
        try:
            found = verify_site(run, site)
        except EvidenceError as error:
            rows.append({"site": site, "intact": False, "code": error.code, "cause": error.cause})
            lines.append(f"{site}: BROKEN  {error.cause} [{error.code}]")
            continue
        against = f"{found.neighbour}, which holds the checkpoint of size {found.neighbour_size}"
        rows.append({
            "site": site, "intact": True, "records": found.size, "root": found.root.hex(),
            "neighbour": found.neighbour, "neighbour_size": found.neighbour_size,
        })  # fmt: skip
        held = (
            against if found.neighbour else "nobody: no neighbour holds a checkpoint, removal cannot be seen"
        )
        lines.append(
            f"{site}: intact  {found.size} records, root {found.root.hex()[:16]}…, checked against {held}"
        )
    output.emit(session, {"run": str(run), "journals": rows}, "\n".join(lines))
    return 0 if all(row["intact"] for row in rows) else 1


@command.command(
    "blocks", help="Recompute every block's key length from its record alone; exit 1 when one differs."
)
@options.run_folder
@click.pass_obj
def blocks(session: Session, folder: Path | None) -> int:
    """An auditor's question: does the proof allow the key that was used?"""
    from qorridor.app.prove import recompute_blocks, sites_of  # noqa: PLC0415 - keeps help cheap
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
