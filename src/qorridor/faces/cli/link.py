"""`qorridor link`: models of one QKD link."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qorridor.faces.cli import link_input, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.photonics.parameters import LinkParameters
    from qorridor.plan.link_rates import Choice, RateLine


@click.group(help="Models of one QKD link; every figure is simulated.")
def command() -> None:
    """Group of the link models."""


_optimised = click.option(
    "--optimised", is_flag=True, help="Finite models: a source chosen for the loss, not the preset's."
)
_pairs = click.option(
    "--pair-source", type=click.Choice(["middle", "end"]), help="bbm92: where the pairs come from (middle)."
)


@command.command(help="Secret key rate of one link by one model.")
@link_input.preset
@link_input.length
@link_input.loss
@click.option("--model", default="asymptotic", show_default=True, type=click.Choice(link_input.MODELS))
@link_input.blocks
@_optimised
@_pairs
@click.pass_obj
def rate(
    session: Session, /, preset: str, length: str | None, loss: str | None, model: str, pair_source: str | None,
    **finite: Any,
) -> None:  # fmt: skip
    """Print one rate."""
    from qorridor.faces.cli import link_tables  # noqa: PLC0415 - keeps help cheap
    from qorridor.photonics.presets import document  # noqa: PLC0415
    from qorridor.plan.link_rates import MODELS, rate_by  # noqa: PLC0415

    link, choice = link_input.link_of(preset, length, loss), _choice((model,), pair_source, finite)
    with link_input.of_the_call():
        line = rate_by(model, link, choice)
    made_for = str(document(preset)["made_for"])
    answer = {**link_tables.place(link), **link_tables.rate_document(line), "made_for": made_for}
    output.emit(session, answer, link_tables.rate_rows(MODELS[model].title, link, line, made_for))


@command.command(help="Choose source, basis share and block for a loss, beside the preset's own.")
@link_input.preset
@link_input.length
@link_input.loss
@link_input.blocks
@click.pass_obj
def optimise(
    session: Session, preset: str, length: str | None, loss: str | None, block: int | None,
    block_time: str | None, proof: str | None, *, margins: bool,
) -> None:  # fmt: skip
    """Print the chosen parameters and both yields."""
    from qorridor.distill.finite_key import PROOFS, Security  # noqa: PLC0415 - keeps help cheap
    from qorridor.faces.cli import link_tables  # noqa: PLC0415
    from qorridor.plan import finite_blocks, link_optimum  # noqa: PLC0415

    link, size = link_input.link_of(preset, length, loss), link_input.block_of(block, block_time)
    with link_input.of_the_call():
        security = Security(proof=proof) if proof else finite_blocks.security_for(link)
    fits = PROOFS[security.proof].intensities == len(link.intensities)
    face = link_optimum.face_value(link, size, security, margins=margins) if fits else None
    best = link_optimum.optimise(link, size, security, margins=margins)
    seen = (link, face, best, security.proof, link_tables.FIXED if margins else link_tables.MEAN)
    output.emit(session, link_tables.optimum_document(*seen), link_tables.optimum_rows(*seen))


@command.command(help="Secret key rate over length, or over loss, by several models in one picture.")
@link_input.preset
@click.option("--longest", metavar="L", help='Up to this length of fibre (default "100 km").')
@click.option("--highest-loss", metavar="DB", help='Up to this loss of the channel, for example "40 dB".')
@click.option("--points", default=41, show_default=True, type=click.IntRange(2, 1000))
@click.option("--model", "models", multiple=True, type=click.Choice(link_input.MODELS),
              help="Once per line (default asymptotic, finite, plob).")  # fmt: skip
@link_input.blocks
@_optimised
@_pairs
@click.option("--svg", type=click.Path(path_type=Path), help="Write the picture to this file.")
@click.option("--png", type=click.Path(path_type=Path), help="Write the picture to this file.")
@click.pass_obj
def curve(
    session: Session, /, preset: str, longest: str | None, highest_loss: str | None, points: int,
    models: tuple[str, ...], pair_source: str | None, svg: Path | None, png: Path | None, **finite: Any,
) -> None:  # fmt: skip
    """Print the plot and a table, and write pictures where asked."""
    from qorridor.faces.cli import link_curve  # noqa: PLC0415 - keeps help cheap

    wanted = tuple(dict.fromkeys(models)) or ("asymptotic", "finite", "plob")
    choice = _choice(wanted, pair_source, finite)
    axis = link_curve.axis_of(preset, longest, highest_loss, points)
    lines = _lines(session, axis.links, wanted, choice)
    picture = link_curve.chart(axis, lines, choice)
    written = link_curve.write(picture, svg, png)
    width = shutil.get_terminal_size().columns
    text = link_curve.text(axis, lines, picture, width, colour=not session.no_color)
    output.emit(session, link_curve.document(axis, lines), "\n".join([text, *written]))


def _lines(
    session: Session, links: list[LinkParameters], models: tuple[str, ...], choice: Choice
) -> dict[str, list[RateLine]]:
    from qorridor.plan.link_rates import curve_by  # noqa: PLC0415 - keeps help cheap

    lines = {}
    with output.progress(session, "lines", len(models)) as progress, link_input.of_the_call():
        for model in models:
            lines[model] = curve_by(model, links, choice)
            progress.step()
    return lines


def _choice(models: tuple[str, ...], pair_source: str | None, finite: dict[str, Any]) -> Choice:
    """The choice of the finite models; options that none of the models uses are refused."""
    named = {f"--{name.replace('_', '-')}": value for name, value in finite.items()}
    link_input.refuse_idle(models, named, pair_source)
    block = link_input.block_of(finite["block"], finite["block_time"])
    return link_input.choice_of(
        block, finite["proof"], optimised=finite["optimised"], margins=finite["margins"],
        placement=pair_source or "middle",
    )  # fmt: skip


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
