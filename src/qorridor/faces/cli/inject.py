"""`qorridor inject LINK FAULT`: a fault or an eavesdropper in a simulated link."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

FAULTS = ("intercept", "cut", "bend", "drift", "clear")
NEEDS = {"intercept": "fraction", "bend": "loss", "drift": "error"}


class _Finite(click.FloatRange):
    """A number in a range; `nan` is in none, although no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number between {self.min} and {self.max}", param, ctx)
        return number


@click.command(help="Put a fault or an eavesdropper into a simulated link; `clear` takes all of them away.")
@click.argument("link")
@click.argument("fault", type=click.Choice(FAULTS))
@click.option("--fraction", type=_Finite(0, 1), help="intercept: share of the pulses, 0 to 1.")
@click.option("--loss", type=_Finite(0, 100), help="bend: extra loss in dB.")
@click.option("--error", type=_Finite(0, 0.5), help="drift: misalignment, 0 to 0.5.")
@options.run_folder
@options.dry_run("Check the link and the fault; inject nothing.")
@click.pass_obj
def command(
    session: Session, link: str, fault: str, fraction: float | None, loss: float | None, error: float | None,
    folder: Path | None,
) -> None:  # fmt: skip
    """Only simulated links have an optics process to speak to."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.app.supervisor import inject, simulated  # noqa: PLC0415

    given = {"fraction": fraction, "loss": loss, "error": error}
    parameters = {name: value for name, value in given.items() if value is not None}
    _check(fault, parameters)
    run = find_run(folder)
    told = " ".join([f"{link}: {fault}", *(f"{name} {value:g}" for name, value in parameters.items())])
    if session.dry_run:
        simulated(run, link)
        output.emit(session, {"link": link, "fault": fault, **parameters}, f"would inject {told}")
        return
    answer = asyncio.run(inject(run, link, fault, parameters))
    output.emit(session, {"link": link, "fault": fault, **parameters, **answer}, told)


def _check(fault: str, parameters: dict[str, float]) -> None:
    """A fault takes its own option and no other; raises a usage error that names it."""
    needed = NEEDS.get(fault)
    if needed is not None and needed not in parameters:
        raise click.UsageError(f"{fault} needs --{needed} NUMBER")
    strange = [name for name in parameters if name != needed]
    if strange:
        raise click.UsageError(f"{fault} takes no --{strange[0]}")
