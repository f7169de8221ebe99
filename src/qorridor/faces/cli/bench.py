"""`qorridor bench`: measured speed, against a reference in the same run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.bench import Result


@click.group(help="Measure the speed of this machine's Qorridor; ratios hold, times depend on the machine.")
def command() -> None:
    """Group of the benches."""


@command.command(help="Reconciliation and privacy amplification, per party and processor second.")
@click.option("--frames", default=3008, show_default=True, type=click.IntRange(32, 10_000_000),
              help="Frames of 65,536 bits at each error rate.")  # fmt: skip
@click.pass_obj
def distill(session: Session, frames: int) -> None:
    """Print every figure with its conditions."""
    from qorridor.app.bench_distill import bench_distill  # noqa: PLC0415 - keeps help cheap

    _show(session, "distill", bench_distill(frames, session.random_state or 1, _teller(session)))


@command.command(help="Sifted to secret key, both parties as processes of their own.")
@click.pass_obj
def chain(session: Session) -> None:
    """Print every figure with its conditions."""
    from qorridor.app.bench_chain import bench_chain  # noqa: PLC0415 - keeps help cheap

    _show(session, "chain", bench_chain(session.random_state or 1, _teller(session)))


@command.command(help="Detections that the link simulator draws per processor second.")
@click.pass_obj
def photonics(session: Session) -> None:
    """Print every figure with its conditions."""
    from qorridor.app.bench_photonics import bench_photonics  # noqa: PLC0415 - keeps help cheap

    _show(session, "photonics", bench_photonics(session.random_state or 1, _teller(session)))


def _teller(session: Session) -> Callable[[str], None]:
    return lambda text: output.say(session, f"{text} …")


def _show(session: Session, bench: str, results: list[Result]) -> None:
    from qorridor.app.bench import document  # noqa: PLC0415 - keeps help cheap

    rows = [[result.name, _value(result.value), result.unit, _conditions(result)] for result in results]
    output.emit(
        session, document(bench, results), output.table(rows, ("figure", "value", "unit", "conditions"))
    )


def _value(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _conditions(result: Result) -> str:
    return ", ".join(f"{name} {value}" for name, value in result.conditions.items())
