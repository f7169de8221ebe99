"""A chart of lines over one logarithmic axis, laid out as strokes and words that any renderer can draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Anchor = Literal["start", "middle", "end"]
INK, GRID = -1, -2
"""Colours of words and axes, and of the grid; a series has its own number, 0 to 7."""
DASHES = ((), (9.0, 4.0), (2.0, 4.0), (12.0, 4.0, 2.0, 4.0))
_PREFIX = {0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


class Series(NamedTuple):
    """A line: its name in the legend, points of x and y; a y at or below zero is not drawn."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def seen(self) -> list[tuple[float, float]]:
        """Points that a logarithmic axis can show."""
        return [(x, y) for x, y in self.points if 0 < y < math.inf]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: a title that names the vertical axis, its unit, the lines, and a note that stays with them."""

    title: str
    x_label: str
    y_unit: str
    series: tuple[Series, ...]
    note: str

    @property
    def x_range(self) -> tuple[float, float]:
        """From the first to the last point of any line, also of one without key."""
        ends = [x for line in self.series for x, _ in line.points]
        if not ends or min(ends) >= max(ends):
            return 0.0, 1.0
        return (0.0 if 0 < min(ends) < max(ends) / 20 else min(ends)), max(ends)

    @property
    def y_range(self) -> tuple[int, int]:
        """Whole powers of ten around what is drawn, at most twelve decades."""
        values = [y for line in self.series for _, y in line.seen]
        if not values:
            return 0, 1
        top = math.ceil(math.log10(max(values)) - 1e-9)
        low = math.floor(math.log10(min(values)) + 1e-9)
        return max(low, top - 12, -6), max(top, low + 1)


class Stroke(NamedTuple):
    """A line through points, in the colour of a series, of the grid or of ink."""

    points: list[tuple[float, float]]
    colour: int
    width: float = 1.0
    dash: tuple[float, ...] = ()


class Words(NamedTuple):
    """Text whose baseline begins, is centred or ends at a point."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    size: float = 18.0


class Drawing(NamedTuple):
    """Strokes and words in a frame of width and height."""

    width: float
    height: float
    strokes: list[Stroke]
    words: list[Words]


class _Frame(NamedTuple):
    """The plotting area inside the drawing."""

    left: float = 100.0
    top: float = 52.0
    right: float = 612.0
    bottom: float = 380.0


def drawn(chart: Chart) -> Drawing:
    """The chart in a frame 640 wide; the legend below it takes a row per line."""
    frame = _Frame()
    strokes, words = _axes(chart, frame)
    for index, line in enumerate(chart.series):
        dash = DASHES[index % len(DASHES)]
        strokes += [Stroke(part, index, 2.5, dash) for part in _pieces(chart, frame, line)]
    legend = frame.bottom + 84
    for index, line in enumerate(chart.series):
        y = legend + 26 * index
        strokes.append(Stroke([(24, y - 6), (70, y - 6)], index, 2.5, DASHES[index % len(DASHES)]))
        words.append(Words(80, y, line.name if line.seen else f"{line.name}: no key", size=17))
    end = legend + 26 * len(chart.series)
    notes = wrapped(chart.note, 68)
    words += [Words(24, end + 6 + 22 * row, text, size=16) for row, text in enumerate(notes)]
    words.append(Words(24, 30, chart.title, size=20))
    return Drawing(640, end + 22 * len(notes), strokes, words)


def _axes(chart: Chart, frame: _Frame) -> tuple[list[Stroke], list[Words]]:
    strokes, words = [], []
    low, high = chart.y_range
    every = 1 + (high - low) // 8
    for power in range(low, high + 1):
        y = _y(chart, frame, 10.0**power)
        strokes.append(Stroke([(frame.left, y), (frame.right, y)], GRID))
        if (power - low) % every == 0:
            words.append(Words(frame.left - 8, y + 6, scaled(power, chart.y_unit), "end", 16))
    for tick in ticks(*chart.x_range):
        x = _x(chart, frame, tick)
        strokes.append(Stroke([(x, frame.top), (x, frame.bottom)], GRID))
        words.append(Words(x, frame.bottom + 22, f"{tick:g}", "middle", 16))
    corner = [(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)]
    strokes.append(Stroke(corner, INK, 1.5))
    words.append(Words((frame.left + frame.right) / 2, frame.bottom + 48, chart.x_label, "middle", 17))
    return strokes, words


def _pieces(chart: Chart, frame: _Frame, line: Series) -> list[list[tuple[float, float]]]:
    """The runs of a line that can be shown, cut at the bottom of the axis."""
    floor, pieces, part = 10.0 ** chart.y_range[0], [], list[tuple[float, float]]()
    for x, y in line.points:
        if floor <= y < math.inf:
            part.append((_x(chart, frame, x), _y(chart, frame, y)))
        elif part:
            pieces.append(part)
            part = []
    return [*pieces, part] if part else pieces


def _x(chart: Chart, frame: _Frame, value: float) -> float:
    low, high = chart.x_range
    return frame.left + (frame.right - frame.left) * (value - low) / (high - low)


def _y(chart: Chart, frame: _Frame, value: float) -> float:
    low, high = chart.y_range
    return frame.bottom - (frame.bottom - frame.top) * (math.log10(value) - low) / (high - low)


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round values between two ends: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, int(high / step + 1e-9) + 1)]


def scaled(power: int, unit: str) -> str:
    """A power of ten with the prefix of its unit: 10^4 bit/s is 10 kbit/s."""
    base = 3 * (power // 3)
    if base not in _PREFIX:
        return f"{10.0**power:g} {unit}"
    return f"{10 ** (power - base)} {_PREFIX[base]}{unit}"


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many characters, broken at spaces."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
