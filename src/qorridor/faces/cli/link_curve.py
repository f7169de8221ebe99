"""`qorridor link curve`: the points of its axis, its picture, its table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from qorridor.faces.cli import link_input, link_tables, output
from qorridor.faces.report import chart_png, chart_svg, chart_text
from qorridor.faces.report.chart import Chart, Series
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.presets import load_preset
from qorridor.plan.link_optimum import at_loss
from qorridor.plan.link_rates import MODELS, Choice, RateLine

_COLOURS = ("blue", "red", "green", "magenta", "yellow", "cyan", "bright_black", "white")
_ROWS = 11
Lines = Mapping[str, Sequence[RateLine]]


class Axis(NamedTuple):
    """What the curve runs over: the preset, the name of the axis and a link per point."""

    preset: str
    label: str
    unit: str
    values: list[float]
    links: list[LinkParameters]


def axis_of(preset: str, longest: str | None, highest_loss: str | None, points: int) -> Axis:
    """Over length of fibre, or over loss where that is given; a preset without fibre needs the loss."""
    link = load_preset(preset)
    if highest_loss is not None:
        if longest is not None:
            raise click.UsageError("give --longest or --highest-loss, not both")
        end = link_input.quantity("Decibel", highest_loss, "--highest-loss")
        values = _steps(end, points)
        with link_input.of_the_call():
            base = replace(link, length=0.0) if not link.attenuation else link
            return Axis(
                preset, "loss of the channel, dB", "dB", values, [at_loss(base, loss) for loss in values]
            )
    if not link.attenuation:
        raise click.UsageError(f'preset {preset} has no fibre; give for example --highest-loss "40 dB"')
    end = link_input.quantity("Kilometre", longest or "100 km", "--longest")
    values = _steps(end, points)
    with link_input.of_the_call():
        return Axis(
            preset, "length of the fibre, km", "km", values, [replace(link, length=km) for km in values]
        )


def _steps(end: float, points: int) -> list[float]:
    if end <= 0:
        raise click.UsageError("a curve needs an axis that is longer than nothing")
    return [end * index / (points - 1) for index in range(points)]


def chart(axis: Axis, lines: Lines, choice: Choice) -> Chart:
    """The picture: every line with its kind; whoever needs a measuring station says so."""
    series = tuple(
        Series(_name(model, found), [(x, y.secret_key_rate) for x, y in zip(axis.values, found, strict=True)])
        for model, found in lines.items()
    )
    return Chart(
        f"Secret key rate of preset {axis.preset}, simulated", axis.label, "bit/s", series,
        _note(lines, choice),
    )  # fmt: skip


def _name(model: str, found: Sequence[RateLine]) -> str:
    last = found[0]
    station = " (untrusted measuring station halfway)" if last.station else ""
    source = ", best source" if last.details.get("optimised") else ""
    return f"{MODELS[model].title}{source}{station}"


def _note(lines: Lines, choice: Choice) -> str:
    words = ["Models, no measurement."]
    if any(model.startswith("finite") for model in lines):
        block = choice.block
        size = f"{block.size:,} detections" if block.size else f"at most {block.longest:g} s"
        words.append(f"Blocks of {size}, eps 1e-12, leak charged in both directions.")
    if any(found[0].station for found in lines.values()):
        words.append("Only lines with a station may pass PLOB: they are no point-to-point links.")
    return " ".join(words)


def text(axis: Axis, lines: Lines, picture: Chart, width: int, *, colour: bool) -> str:
    """Plot and table for a terminal so many columns wide."""

    def paint(piece: str, series: int) -> str:
        return click.style(piece, fg=_COLOURS[series % len(_COLOURS)])

    painted = colour and "NO_COLOR" not in os.environ
    drawn = chart_text.plot(picture, width, paint=paint) if painted else chart_text.plot(picture, width)
    return f"{drawn}\n\n{_tables(axis, lines, width)}"


def _tables(axis: Axis, lines: Lines, width: int) -> str:
    """A column per line, in as many tables as the width asks for."""
    count, names = len(axis.values), list(lines)
    shown = range(count) if count <= _ROWS else [round(i * (count - 1) / (_ROWS - 1)) for i in range(_ROWS)]
    parts = []
    while names:
        fitting = max(
            (n for n in range(1, len(names) + 1) if _wide(axis, lines, names[:n], shown) <= width), default=1
        )
        parts.append(_table(axis, lines, names[:fitting], shown))
        names = names[fitting:]
    return "\n\n".join(parts)


def _wide(axis: Axis, lines: Lines, names: Sequence[str], shown: Sequence[int]) -> int:
    return max(map(len, _table(axis, lines, names, shown).splitlines()))


def _table(axis: Axis, lines: Lines, names: Sequence[str], shown: Sequence[int]) -> str:
    rows = [
        [f"{axis.values[at]:.1f} {axis.unit}", *(_cell(lines[name][at]) for name in names)] for at in shown
    ]
    return output.table(rows, (axis.label.partition(",")[0].split()[0], *names))


def _cell(line: RateLine) -> str:
    return link_tables.per_second(line.secret_key_rate) if line.secret_key_rate else "no key"


def document(axis: Axis, lines: Lines) -> list[dict[str, Any]]:
    """A row per point and model."""
    return [
        {**link_tables.place(link), **link_tables.rate_document(found[at])}
        for at, link in enumerate(axis.links)
        for found in lines.values()
    ]


def write(picture: Chart, svg: Path | None, png: Path | None) -> list[str]:
    """Write the pictures that were asked for; the lines that say where they lie."""
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415 - only pictures need it

    if svg is not None:
        write_atomically(svg, chart_svg.svg(picture), mode=0o644)
    if png is not None:
        write_atomically(png, chart_png.png(picture), mode=0o644)
    return [output.written(path, dry_run=False) for path in (svg, png) if path is not None]
