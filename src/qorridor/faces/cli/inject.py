"""`qorridor inject LINK FAULT`: a fault or an eavesdropper in a simulated link."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from qorridor.base.units import Duration
from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session
from qorridor.photonics.causes import CAUSES, ELSEWHERE, FAULTS

NEEDS = {"intercept": "fraction", "bend": "loss", "drift": "error"}
WHOLE = ("cut", "trojan", "clear")
"""What needs no number."""


class _Finite(click.FloatRange):
    """A number in a range; `nan` is in none, although no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number between {self.min} and {self.max}", param, ctx)
        return number


class _Fault(click.Choice[str]):
    """A fault of the optics; those of other parts are refused with the part that they belong to."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ELSEWHERE:
            self.fail(f"{value} is no matter of optics: {ELSEWHERE[value]}", param, ctx)
        return super().convert(value, param, ctx)


class _Span(click.ParamType[float]):
    """A span of time with its unit, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(Duration.parse(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _catalogue() -> str:
    """The faults with the range of their severity, for the end of the help."""
    rows = [
        f"{cause.name:<13}{cause.least:g} to {cause.most:g} {cause.unit}; {cause.told}"
        for cause in CAUSES.values()
    ]
    return "\b\nFaults and their severities:\n" + "\n".join(rows)


@click.command(
    help="Put a fault or an eavesdropper into a simulated link; `clear` takes all of them away.",
    epilog=_catalogue(),
)
@click.argument("link")
@click.argument("fault", type=_Fault(FAULTS), metavar="FAULT")
@click.option("--severity", type=float, help="How much of it, in the fault's own unit, listed below.")
@click.option("--fraction", type=_Finite(0, 1), help="intercept: share of the pulses, 0 to 1.")
@click.option("--loss", type=_Finite(0, 100), help="bend: extra loss in dB.")
@click.option("--error", type=_Finite(0, 0.5), help="drift: misalignment, 0 to 0.5.")
@click.option("--over", type=_Span(), help='Reach it slowly over a time such as "10 min", not at once.')
@click.option(
    "--basis", type=click.Choice(["random", "key", "test"]), help="intercept: in which basis she measures."
)
@click.option(
    "--light",
    type=click.Choice(["kept", "broken"]),
    help="intercept: she resends the intensities that left, or one and the same light.",
)
@options.run_folder
@options.dry_run("Check the link and the fault; inject nothing.")
@click.pass_obj
def command(
    session: Session, link: str, fault: str, severity: float | None, fraction: float | None, loss: float | None,
    error: float | None, over: float | None, basis: str | None, light: str | None, folder: Path | None,
) -> None:  # fmt: skip
    """Only simulated links have an optics process to speak to."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.app.supervisor import inject, simulated  # noqa: PLC0415

    given: dict[str, float | str | None] = {
        "severity": severity, "fraction": fraction, "loss": loss, "error": error, "over": over, "basis": basis,
        "light": light,
    }  # fmt: skip
    parameters = {name: value for name, value in given.items() if value is not None}
    _check(fault, parameters)
    run = find_run(folder)
    told = " ".join([f"{link}: {fault}", *(f"{name} {_shown(value)}" for name, value in parameters.items())])
    if session.dry_run:
        simulated(run, link)
        output.emit(session, {"link": link, "fault": fault, **parameters}, f"would inject {told}")
        return
    answer = asyncio.run(inject(run, link, fault, parameters))
    output.emit(session, {"link": link, "fault": fault, **parameters, **answer}, told)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _check(fault: str, parameters: dict[str, float | str]) -> None:
    """A fault takes its own options and no other; raises a usage error that names them."""
    own = NEEDS.get(fault)
    allowed = {own} if own else set()
    if fault in CAUSES:
        allowed |= {"severity", "over"}
    if fault == "intercept":
        allowed |= {"basis", "light"}
    strange = [name for name in parameters if name not in allowed]
    if strange:
        raise click.UsageError(f"{fault} takes no --{strange[0]}")
    if fault not in WHOLE and not {own, "severity"} & set(parameters):
        raise click.UsageError(f"{fault} needs --{own or 'severity'} NUMBER")
    if own in parameters and "severity" in parameters:
        raise click.UsageError(f"give {fault} either --{own} or --severity")
    if "severity" in parameters:
        _in_range(fault, float(parameters["severity"]))


def _in_range(fault: str, severity: float) -> None:
    cause = CAUSES[fault]
    if not cause.least <= severity <= cause.most:  # also refuses nan
        raise click.UsageError(
            f"--severity of {fault} is {cause.unit}, {cause.least:g} to {cause.most:g}; {severity:g} is not"
        )
