"""`qorridor inject LINK FAULT`: a fault or an eavesdropper in a simulated link."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

FAULTS = ("intercept", "cut", "bend", "drift", "clear")


@click.command(help="Put a fault or an eavesdropper into a simulated link; `clear` takes all of them away.")
@click.argument("link")
@click.argument("fault", type=click.Choice(FAULTS))
@click.option("--fraction", type=click.FloatRange(0, 1), help="intercept: share of the pulses, 0 to 1.")
@click.option("--loss", type=click.FloatRange(0, 100), help="bend: extra loss in dB.")
@click.option("--error", type=click.FloatRange(0, 0.5), help="drift: misalignment, 0 to 0.5.")
@options.run_folder
@click.pass_obj
def command(
    session: Session, link: str, fault: str, fraction: float | None, loss: float | None, error: float | None,
    folder: Path | None,
) -> None:  # fmt: skip
    """Only simulated links have an optics process to speak to."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.app.supervisor import inject  # noqa: PLC0415

    given = {"fraction": fraction, "loss": loss, "error": error}
    parameters = {name: value for name, value in given.items() if value is not None}
    answer = asyncio.run(inject(find_run(folder), link, fault, parameters))
    told = " ".join(f"{name} {value:g}" for name, value in parameters.items())
    output.emit(
        session, {"link": link, "fault": fault, **parameters, **answer}, f"{link}: {fault} {told}".rstrip()
    )
