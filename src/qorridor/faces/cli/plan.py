"""`qorridor plan`: what each fibre and corridor can carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.records.documents import BlockPlan, CorridorPlan, Plan


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
    blocks = [_blocks(s.name, s.blocks) for s in plan.spans if s.blocks is not None]
    finite = [_FINITE, output.table(blocks, _FINITE_HEADS)] if blocks else []
    finite += [line for s in plan.spans if s.blocks is not None for line in _in_run(s.name, s.blocks)]
    corridors = [line for corridor in plan.corridors.values() for line in _corridor(corridor)]
    return "\n".join([output.table(rows, heads), *finite, *corridors, output.written(out, dry_run=dry_run)])


_FINITE = "in blocks of finite size, their length fixed beforehand; a simulated link takes the best:"
_FINITE_HEADS = ("fibre", "block", "as preset", "best", "with intensities", "shares", "key basis")


def _blocks(fibre: str, made: BlockPlan) -> list[str]:
    source, best = made.optimised_source, made.optimised_secret_key_rate
    return [
        fibre,
        f"{made.n_key:.0e}".replace("+0", ""),
        "no key" if made.secret_key_rate is None else str(made.secret_key_rate),
        "no key" if best is None else str(best),
        "" if source is None else "/".join(f"{k:.2g}" for k in source.intensities),
        "" if source is None else "/".join(f"{p:.2f}" for p in source.probabilities),
        "" if source is None else f"{source.key_basis:.2f}",
    ]


def _in_run(fibre: str, made: BlockPlan) -> list[str]:
    """What a link does that does not take the best in blocks of the usual size."""
    if made.run is None or (made.source == "optimised" and made.run.n_key == made.n_key):
        return []
    whose = "its preset's source" if made.source == "preset" else "the best source"
    return [f"  {fibre} takes {whose}, {made.run.secret_key_rate} in blocks of {made.run.n_key:,}"]


def _corridor(corridor: CorridorPlan) -> list[str]:
    path = " ─ ".join(site + "*" * (site in corridor.trusted_nodes) for site in corridor.path)
    state = f"{corridor.secret_key_rate} of key, simulated" if corridor.feasible else "infeasible"
    mark = "   (* trusted node)" if corridor.trusted_nodes else ""
    return [
        f"{corridor.name}: {path}{mark}: {state}",
        f"  binding: {corridor.binding}",
        *(f"  {n}" for n in corridor.notes),
    ]
