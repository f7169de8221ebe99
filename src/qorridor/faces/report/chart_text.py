"""A chart in the terminal: lines of braille dots, each marked with its letter so that it needs no colour."""

from __future__ import annotations

import math
from collections.abc import Callable

from qorridor.faces.report.chart import Chart, Series, scaled, ticks, wrapped

LETTERS = "ABCDEFGH"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Paint = Callable[[str, int], str]


class _Canvas:
    """Cells of 2 x 4 dots; the last line through a cell owns it, and letters stand above dots."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.dots = [[0] * columns for _ in range(rows)]
        self.owner = [[-1] * columns for _ in range(rows)]
        self.letters: dict[tuple[int, int], int] = {}

    def dot(self, x: int, y: int, series: int) -> None:
        column, row = x // 2, y // 4
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self.dots[row][column] |= _DOTS[y % 4][x % 2]
            self.owner[row][column] = series

    def cell(self, row: int, column: int, paint: Paint) -> str:
        letter = self.letters.get((row, column))
        if letter is not None:
            return paint(LETTERS[letter % len(LETTERS)], letter)
        code = self.dots[row][column]
        return paint(chr(0x2800 + code), self.owner[row][column]) if code else " "


def plot(chart: Chart, width: int, height: int = 16, paint: Paint = lambda text, _: text) -> str:
    """The chart so many columns wide; `paint` colours a piece of text for the series of a number."""
    low, high = chart.y_range
    labels = {
        round((high - p) / (high - low) * (height - 1)): scaled(p, chart.y_unit) for p in range(low, high + 1)
    }
    margin = max(len(label) for label in labels.values()) + 1
    canvas = _Canvas(max(20, width - margin - 1), height)
    for index, line in enumerate(chart.series):
        _trace(canvas, chart, line, index)
    rows = [
        f"{labels.get(row, ''):>{margin}}{'┤' if row in labels else '│'}"
        + "".join(canvas.cell(row, column, paint) for column in range(canvas.columns)).rstrip()
        for row in range(height)
    ]
    rows += [f"{' ' * margin}└{'─' * canvas.columns}", *_foot(chart, canvas.columns, margin)]
    return "\n".join([*wrapped(chart.title, width), *rows, *_legend(chart, width, paint)])


def _trace(canvas: _Canvas, chart: Chart, line: Series, index: int) -> None:
    """Dots along a line, and its letter near both ends and in the middle."""
    low, high = chart.y_range
    left, right = chart.x_range
    across, down = 2 * canvas.columns - 1, 4 * canvas.rows - 1
    path = [
        ((x - left) / (right - left) * across, (high - math.log10(y)) / (high - low) * down)
        for x, y in line.seen
    ]
    spots: list[tuple[int, int]] = []
    for (x0, y0), (x1, y1) in zip(path, path[1:] or path, strict=False):
        steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
        for step in range(steps + 1):
            x, y = round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps)
            if 0 <= y <= down:
                canvas.dot(x, y, index)
                spots.append((y // 4, x // 2))
    for share in (0.12 + 0.05 * index, 0.55 + 0.05 * index):
        if spots:
            canvas.letters.setdefault(spots[min(len(spots) - 1, int(share * len(spots)))], index)


def _foot(chart: Chart, columns: int, margin: int) -> list[str]:
    """Values along the horizontal axis, and what it shows."""
    left, right = chart.x_range
    line = [" "] * columns
    for tick in ticks(left, right, max(2, columns // 10)):
        text = f"{tick:g}"
        centre = round((tick - left) / (right - left) * (columns - 1)) - len(text) // 2
        at = min(max(0, centre), columns - len(text))
        line[at : at + len(text)] = text
    pad = " " * (margin + 1)
    return [(pad + "".join(line)).rstrip(), pad + chart.x_label.center(columns).rstrip()]


def _legend(chart: Chart, width: int, paint: Paint) -> list[str]:
    rows = []
    for index, line in enumerate(chart.series):
        first, *rest = wrapped(line.name if line.seen else f"{line.name}: no key", width - 2)
        rows += [f"{paint(LETTERS[index % len(LETTERS)], index)} {first}", *(f"  {more}" for more in rest)]
    return [*rows, *wrapped(chart.note, width)]
