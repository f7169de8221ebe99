"""A chart is drawn the same way everywhere: whole, in its frame, labelled, readable without colour."""

import re
import struct
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.faces.report import stroke_font
from qorridor.faces.report.chart import Chart, Series, drawn, scaled, ticks, wrapped
from qorridor.faces.report.chart_png import png
from qorridor.faces.report.chart_svg import svg
from qorridor.faces.report.chart_text import LETTERS, plot

FALLING = Series("a falling line & more", [(x, 1e6 * 10 ** (-x / 20)) for x in range(0, 101, 10)])
FLAT = Series("a flat line", [(x, 3e3) for x in range(0, 101, 10)])
NOTHING = Series("no line", [(0, 0.0), (100, 0.0)])
CHART = Chart("Rate, simulated", "length, km", "bit/s", (FALLING, FLAT, NOTHING), "Models, no measurement.")


def pixels(data):
    """Width, height and rows of an RGB picture; chunk checksums are verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds, body = 8, [], b""
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + content),)
        kinds.append(kind)
        if kind == b"IHDR":
            width, height = struct.unpack(">II", content[:8])
        body += content if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_the_picture_is_well_formed_and_says_what_it_shows():
    root = ET.fromstring(svg(CHART))
    texts = [part.text for part in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Rate, simulated", "length, km", "a falling line & more", "no line: no key"} <= set(texts)
    assert {"100", "1 Mbit/s", "10 bit/s"} <= set(texts)
    assert root.find("{http://www.w3.org/2000/svg}desc").text == CHART.note
    assert root.get("role") == "img"
    assert "prefers-color-scheme:dark" in svg(CHART)
    assert "script" not in svg(CHART)
    assert "http" not in svg(CHART).replace("http://www.w3.org/2000/svg", "")


def test_words_are_large_enough_at_400_pixels():
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)"', svg(CHART))]
    assert min(sizes) * 400 / drawn(CHART).width >= 10


@pytest.mark.parametrize("chart", [CHART, replace(CHART, series=()), replace(CHART, series=(NOTHING,))])
def test_everything_stays_inside_the_frame(chart):
    drawing = drawn(chart)
    for stroke in drawing.strokes:
        for x, y in stroke.points:
            assert 0 <= x <= drawing.width
            assert 0 <= y <= drawing.height
    for words in drawing.words:
        room = words.size * 0.6 * len(words.text)
        left = words.x - {"start": 0, "middle": room / 2, "end": room}[words.anchor]
        assert left >= -10
        assert left + room <= drawing.width + 25


def test_a_line_ends_where_its_key_ends_and_one_beyond_all_numbers_is_left_out():
    chart = replace(
        CHART, series=(Series("gap", [(0, float("inf")), (1, 10.0), (2, 5.0), (3, 0.0), (4, 0.0)]),)
    )
    strokes = [stroke for stroke in drawn(chart).strokes if stroke.colour == 0 and len(stroke.points) > 1]
    assert [len(stroke.points) for stroke in strokes] == [2, 2]  # the line, and its sample in the legend


def test_the_raster_shows_the_same_lines_and_equal_charts_give_equal_bytes():
    picture = pixels(png(CHART))
    assert picture.shape[1] == 1280
    colours = set(np.unique(picture.astype(int) @ (0x10000, 0x100, 1)).tolist())
    for shade in ("#0b5cad", "#b3400a", "#1b1f24"):
        assert int(shade[1:], 16) in colours
    assert 0xFFFFFF in colours
    assert png(CHART) == png(CHART)
    assert png(CHART) != png(replace(CHART, series=(FLAT,)))


def test_a_line_of_dashes_leaves_gaps_in_the_raster():
    single = lambda index: replace(CHART, series=(Series("", []),) * index + (FLAT,))
    inked = []
    for index in (0, 1, 2):
        picture = pixels(png(single(index))).astype(int)
        coloured = (picture.max(axis=2) - picture.min(axis=2)) > 60
        inked.append(coloured[:700].sum())
    assert inked[0] > 1.05 * inked[1] > 1.05 * inked[2]


def test_every_letter_of_our_words_has_strokes_of_its_own():
    words = "".join(map(chr, range(ord("0"), ord("z") + 1)))
    letters = {letter for letter in words if letter.isalnum()} | set(" .,:;()-+/%='µ")
    assert letters <= set(stroke_font.GLYPHS)
    shapes = [tuple(sorted(map(tuple, stroke_font.strokes_of(letter)))) for letter in letters - set(" 0oOQ")]
    assert len(set(shapes)) >= len(shapes) - 2
    assert stroke_font.strokes_of("\u2603") == stroke_font.strokes_of("\u2604")
    assert stroke_font.width_of("wide words") > stroke_font.width_of("ill")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_plot_keeps_to_the_width_of_its_terminal_and_needs_no_colour(width):
    text = plot(CHART, width)
    assert max(map(len, text.splitlines())) <= width
    body = text.partition("└")[0]
    assert all(letter in body for letter in LETTERS[:2])
    assert LETTERS[2] not in body.replace("Rate, simulated", "")
    assert "C no line: no key" in text
    assert CHART.note in text.replace("\n", " ")
    assert "\x1b" not in text


def test_colour_is_put_around_pieces_and_changes_no_column():
    painted = plot(CHART, 80, paint=lambda text, series: f"<{series}|{text}>")
    assert re.sub(r"<\d\|(.*?)>", r"\1", painted) == plot(CHART, 80)
    assert {"0", "1"} <= set(re.findall(r"<(\d)\|", painted))


def test_a_falling_line_falls_in_the_plot():
    rows = [
        row.partition("│")[2] or row.partition("┤")[2]
        for row in plot(replace(CHART, series=(FALLING,)), 80).splitlines()
    ]
    first = [min((at for at, cell in enumerate(row) if cell != " "), default=None) for row in rows]
    seen = [at for at in first if at is not None]
    assert seen == sorted(seen)
    assert len(seen) > 10


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1e3), st.floats(1e-3, 1e4), st.integers(2, 12))
def test_ticks_are_round_few_and_inside(low, span, about):
    found = ticks(low, low + span, about)
    assert len(found) <= about + 2
    assert all(low - span * 1e-6 <= tick <= (low + span) * (1 + 1e-9) + 1e-9 for tick in found)


@pytest.mark.parametrize(
    ("power", "text"), [(0, "1 bit/s"), (4, "10 kbit/s"), (11, "100 Gbit/s"), (-2, "0.01 bit/s")]
)
def test_a_power_of_ten_is_written_with_its_prefix(power, text):
    assert scaled(power, "bit/s") == text


def test_words_wrap_at_spaces():
    assert wrapped("one two three", 7) == ["one two", "three"]
