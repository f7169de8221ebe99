"""Options of `qorridor link` and what they mean; every value carries its unit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from qorridor.base.errors import LinkError

if TYPE_CHECKING:
    from qorridor.photonics.parameters import LinkParameters
    from qorridor.plan.link_optimum import Block
    from qorridor.plan.link_rates import Choice

MODELS = ("asymptotic", "finite", "finite-2decoy", "finite-1decoy", "bbm92", "mdi", "tf", "plob")
PROOFS = ("lim2014-2decoy", "rusca2018-1decoy", "wiesemann2024-1decoy", "wiesemann2024-1decoy-gamma")
_OF_THE_CALL = {"Q-LINK-001", "Q-LINK-016", "Q-LINK-022"}


class Detections(click.ParamType[int]):
    """A whole number of detections; 1e6 and 1_000_000 are the same."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error for anything else."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f'"{value}" is no number of detections; write for example 1e6', param, ctx)
        if not number.is_integer():
            self.fail(f"{value} is no whole number of detections", param, ctx)
        return int(number)


preset = click.option("--preset", default="metro", show_default=True, help="A link preset.")
length = click.option(
    "--distance", "--length", "length", metavar="L", help='Length of the fibre, for example "50 km".'
)
loss = click.option("--loss", metavar="DB", help='Loss of the whole channel, for example "6.9 dB".')
_BLOCK_OPTIONS = (
    click.option("--block", type=Detections(), help="Detections of the key basis in a block (default 1e6)."),
    click.option(
        "--block-time", metavar="T", help='As many as this time brings, for example "60 s", up to 1e8.'
    ),
    click.option("--proof", type=click.Choice(PROOFS), help="Proof of the finite models."),
    click.option(
        "--margins", is_flag=True, help="With the margins of a length fixed beforehand, as `run` does."
    ),
)


def blocks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that computes with blocks of finite size."""
    for option in reversed(_BLOCK_OPTIONS):
        command = option(command)
    return command


@contextlib.contextmanager
def of_the_call() -> Iterator[None]:
    """A link that nobody can have is a mistake of the call: usage, exit 2."""
    try:
        yield
    except LinkError as error:
        if error.code not in _OF_THE_CALL:
            raise
        raise click.UsageError(f"{error.cause}; {error.remedy} [{error.code}]") from None


def quantity(kind: str, text: str, option: str) -> float:
    """A number in the base unit; a usage error names the option and an example."""
    from qorridor.base import units  # noqa: PLC0415 - keeps help cheap

    try:
        return float(getattr(units, kind).parse(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def link_of(preset: str, length: str | None, loss: str | None) -> LinkParameters:
    """The preset over the fibre or loss that was given."""
    from qorridor.photonics.presets import load_preset  # noqa: PLC0415 - keeps help cheap

    km = None if length is None else quantity("Kilometre", length, "--distance")
    decibel = None if loss is None else quantity("Decibel", loss, "--loss")
    base = load_preset(preset)
    if km is not None and not base.attenuation:
        raise click.UsageError(f'preset {preset} has no fibre; give its loss, for example --loss "30 dB"')
    if km == 0 and decibel:
        raise click.UsageError("a loss over no fibre; leave --distance out")
    with of_the_call():
        return load_preset(preset, length=km, loss=decibel)


def block_of(size: int | None, time: str | None) -> Block:
    """The size or the longest time of a block."""
    from qorridor.plan.finite_blocks import N_KEY  # noqa: PLC0415 - keeps help cheap
    from qorridor.plan.link_optimum import Block  # noqa: PLC0415

    with of_the_call():
        if size is None and time is None:
            return Block(size=N_KEY)
        return Block(size, None if time is None else quantity("Duration", time, "--block-time"))


def choice_of(block: Block, proof: str | None, *, optimised: bool, margins: bool, placement: str) -> Choice:
    """How the models take the source."""
    from qorridor.photonics.entangled import Placement  # noqa: PLC0415 - keeps help cheap
    from qorridor.plan.link_rates import Choice  # noqa: PLC0415

    return Choice(block, proof, optimised, margins, Placement(placement))


def refuse_idle(models: tuple[str, ...], finite: dict[str, object], pairs: str | None) -> None:
    """A usage error for an option that none of the models asked for would use."""
    given = [name for name, value in finite.items() if value]
    if given and not any(model.startswith("finite") for model in models):
        raise click.UsageError(f"{given[0]} means something for the finite models only; add --model finite")
    if pairs is not None and "bbm92" not in models:
        raise click.UsageError("--pair-source means something for bbm92 only")
