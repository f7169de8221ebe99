"""A drawing as PNG: strokes with soft edges on a white ground, letters from strokes too, no renderer needed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qorridor.faces.report import stroke_font
from qorridor.faces.report.chart import GRID, INK, Chart, Stroke, Words, drawn
from qorridor.faces.report.chart_svg import LIGHT

SCALE = 2.0
"""Pixels per unit of the drawing."""
_INK, _GRID = "#1b1f24", "#d9dde2"
_CAPITAL = 0.68  # height of a capital as a share of the size of the text
Picture = NDArray[np.float64]


def png(chart: Chart) -> bytes:
    """The chart as an 8-bit RGB PNG, 1280 pixels wide; equal charts give equal bytes."""
    drawing = drawn(chart)
    picture = np.ones((round(drawing.height * SCALE), round(drawing.width * SCALE), 3))
    for stroke in drawing.strokes:
        for points in _dashed(stroke):
            _draw(picture, points, stroke.width, _colour(stroke.colour))
    for words in drawing.words:
        for points in _letters(words):
            _draw(picture, points, words.size / 12, _colour(INK))
    return _encoded(np.rint(picture * 255).astype(np.uint8))


def _colour(number: int) -> Picture:
    name = {INK: _INK, GRID: _GRID}.get(number, LIGHT[number % len(LIGHT)])
    return np.array([int(name[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def _letters(words: Words) -> Iterator[list[tuple[float, float]]]:
    """Strokes of a text at its place."""
    unit = words.size * _CAPITAL / stroke_font.HEIGHT
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor] * stroke_font.width_of(words.text)
    for line in stroke_font.strokes_of(words.text):
        yield [(words.x + (x - shift) * unit, words.y + (y - stroke_font.HEIGHT) * unit) for x, y in line]


def _dashed(stroke: Stroke) -> Iterator[list[tuple[float, float]]]:
    """The pieces of a line that its dashes leave."""
    if not stroke.dash:
        yield stroke.points
        return
    at, left, piece = 0, stroke.dash[0], [stroke.points[0]]
    for start, end in zip(stroke.points, stroke.points[1:], strict=False):
        length, done = float(np.hypot(end[0] - start[0], end[1] - start[1])), 0.0
        while length - done > left:
            done += left
            share = done / length
            piece.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
            if at % 2 == 0:
                yield piece
            at += 1
            left, piece = stroke.dash[at % len(stroke.dash)], [piece[-1]]
        left -= length - done
        piece.append(end)
    if at % 2 == 0:
        yield piece


def _draw(picture: Picture, points: Sequence[tuple[float, float]], width: float, colour: Picture) -> None:
    """Blend a line of round ends into the picture: covered by its distance to each pixel's centre."""
    half = max(0.5, width * SCALE / 2)
    scaled = [(x * SCALE, y * SCALE) for x, y in points]
    left, right = (f([x for x, _ in scaled]) for f in (min, max))
    top, bottom = (f([y for _, y in scaled]) for f in (min, max))
    x0, x1 = max(0, int(left - half) - 1), min(picture.shape[1], int(right + half) + 2)
    y0, y1 = max(0, int(top - half) - 1), min(picture.shape[0], int(bottom + half) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    distance = np.full(xs.shape, np.inf)
    for (ax, ay), (bx, by) in zip(scaled, scaled[1:] or scaled, strict=False):
        dx, dy = bx - ax, by - ay
        along = np.clip(((xs - ax) * dx + (ys - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        distance = np.minimum(distance, np.hypot(xs - ax - along * dx, ys - ay - along * dy))
    cover = np.clip(half + 0.5 - distance, 0, 1)[..., None]
    picture[y0:y1, x0:x1] = picture[y0:y1, x0:x1] * (1 - cover) + colour * cover


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    """PNG (ISO/IEC 15948): signature, header, one stream of unfiltered rows, end."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
