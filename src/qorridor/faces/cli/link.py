"""`qorridor link`: models of one QKD link."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.photonics.rates import RateEstimate


@click.group(help="Models of one QKD link; every figure is simulated.")
def command() -> None:
    """Group of the link models."""


_preset = click.option("--preset", default="metro", show_default=True, help="A link preset.")
_length = click.option(
    "--distance", "--length", "length", metavar="L", help='Length of the fibre, for example "50 km".'
)
_loss = click.option("--loss", metavar="DB", help='Measured loss of the channel, for example "6.9 dB".')


@command.command(help="Secret key rate of one link.")
@_preset
@_length
@_loss
@click.pass_obj
def rate(session: Session, preset: str, length: str | None, loss: str | None) -> None:
    """Print one estimate."""
    estimate = _estimate(preset, length, loss)
    document = {"preset": preset, "simulated": True, **dataclasses.asdict(estimate)}
    rows = [
        ["secret key rate", _rate(estimate.secret_key_rate)],
        ["secret bits per signal pulse", f"{estimate.bits_per_pulse:.4g}"],
        ["bound without repeater (PLOB)", f"{estimate.plob_bits_per_pulse:.4g} bit/pulse"],
        ["QBER of the signal", f"{estimate.signal_error:.2%}"],
        ["sifted", f"{estimate.sifted_per_second:.4g} per second"],
    ]
    output.emit(session, document, output.table(rows))


@command.command(help="Secret key rate over length.")
@_preset
@click.option("--longest", default="100 km", show_default=True, metavar="L")
@click.option("--points", default=11, show_default=True, type=click.IntRange(2, 1000))
@click.pass_obj
def curve(session: Session, preset: str, longest: str, points: int) -> None:
    """Print a row per length."""
    end = _quantity("Kilometre", longest, "--longest")
    lengths = [end * (index or 1e-3) / (points - 1) for index in range(points)]
    rows = [(length, _estimate(preset, f"{length:.6f} km", None)) for length in lengths]
    document = [
        {
            "length_km": round(length, 6),
            "secret_key_rate": e.secret_key_rate,
            "qber": e.signal_error,
            "simulated": True,
        }
        for length, e in rows
    ]
    lines = [[f"{length:.1f} km", _rate(e.secret_key_rate), f"{e.signal_error:.2%}"] for length, e in rows]
    output.emit(session, document, output.table(lines, ("length", "secret key", "QBER")))


def _rate(value: float) -> str:
    from qorridor.base.units import BitRate  # noqa: PLC0415 - keeps help cheap

    return str(BitRate(value))


def _quantity(kind: str, text: str, option: str) -> float:
    from qorridor.base import units  # noqa: PLC0415 - keeps help cheap

    try:
        return float(getattr(units, kind).parse(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _estimate(preset: str, length: str | None, loss: str | None) -> RateEstimate:
    from qorridor.photonics.presets import load_preset  # noqa: PLC0415 - keeps help cheap
    from qorridor.photonics.rates import secret_key_rate  # noqa: PLC0415

    return secret_key_rate(
        load_preset(
            preset,
            length=None if length is None else _quantity("Kilometre", length, "--distance"),
            loss=None if loss is None else _quantity("Decibel", loss, "--loss"),
        )
    )


@command.command("run", help="Serve one end of a link until a signal; its site's node starts it.")
@click.argument("link")
@click.option("--site", required=True, help="The end's site.")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State directory.")
@click.option("--node", type=click.Path(path_type=Path), required=True, help="Socket of the site's node.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address that the other end comes to.")
@click.pass_obj
def run(session: Session, link: str, site: str, state: Path, node: Path, bind: str) -> None:
    """Blocks until SIGTERM or SIGINT."""
    from qorridor.app.link import LinkOptions, main  # noqa: PLC0415 - keeps help cheap

    main(LinkOptions(link, site, Path(session.estate), state, node, bind))
