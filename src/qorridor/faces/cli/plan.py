"""`qorridor plan`: what each fibre and corridor can carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.records.documents import CorridorPlan, Plan


@click.command(
    help="Secret key rate and margin of each fibre, and each corridor; exit 1 if one is infeasible."
)
@click.option(
    "--assessment", type=click.Path(path_type=Path), help="Default: ./assessment.json where it exists."
)
@click.option("--out", default="plan.json", show_default=True, type=click.Path(path_type=Path))
@options.dry_run("Show the plan; write no file.")
@click.pass_context
def command(context: click.Context, assessment: Path | None, out: Path) -> None:
    """Plan and write."""
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.plan import plan_file  # noqa: PLC0415
    from qorridor.records import documents  # noqa: PLC0415

    session: Session = context.obj
    usual = Path("assessment.json")
    plan = plan_file(session.estate, assessment or (usual if usual.exists() else None))
    text = documents.write(plan)
    if not session.dry_run:
        write_atomically(out, text, mode=0o644)
    click.echo(
        text if session.as_json else _summary(plan, out, dry_run=session.dry_run), nl=not session.as_json
    )
    if not all(corridor.feasible for corridor in plan.corridors.values()):
        context.exit(1)


def _summary(plan: Plan, out: Path, *, dry_run: bool) -> str:
    rows = [
        [
            s.name,
            str(s.length),
            str(s.loss),
            str(s.secret_key_rate),
            f"{s.margin_db:+.1f} dB",
            s.verdict,
            s.binding,
        ]
        for s in plan.spans
    ]
    heads = ("fibre", "length", "loss", "secret key", "margin", "verdict", "binding")
    corridors = [line for corridor in plan.corridors.values() for line in _corridor(corridor)]
    return "\n".join([output.table(rows, heads), *corridors, output.written(out, dry_run=dry_run)])


def _corridor(corridor: CorridorPlan) -> list[str]:
    path = " ─ ".join(site + "*" * (site in corridor.trusted_nodes) for site in corridor.path)
    state = f"{corridor.secret_key_rate} of key, simulated" if corridor.feasible else "infeasible"
    mark = "   (* trusted node)" if corridor.trusted_nodes else ""
    return [
        f"{corridor.name}: {path}{mark}: {state}",
        f"  binding: {corridor.binding}",
        *(f"  {n}" for n in corridor.notes),
    ]
