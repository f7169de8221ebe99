"""A drawing as SVG: one file, no script, no font of its own, light or dark as the reader's screen is."""

from __future__ import annotations

from xml.sax.saxutils import escape

from qorridor.faces.report.chart import GRID, INK, Chart, Drawing, Stroke, Words, drawn

LIGHT = ("#0b5cad", "#b3400a", "#0f7a4b", "#7b2fa0", "#9a6700", "#b01657", "#2f5d62", "#555555")
DARK = ("#6cb2ff", "#ff9a5c", "#5fd39a", "#cf9bf2", "#e6b84a", "#ff7fb0", "#86c5cb", "#bbbbbb")


_ROOT = 'role="img" width="100%" style="max-width:960px" aria-labelledby="title note"'


def svg(chart: Chart) -> str:
    """The chart as an SVG document; it scales with its place and stays readable 400 pixels wide."""
    drawing = drawn(chart)
    width, height = f"{drawing.width:g}", f"{drawing.height:g}"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_ROOT}>',
        f'<title id="title">{escape(chart.title)}</title>',
        f'<desc id="note">{escape(chart.note)}</desc>',
        f"<style>{_style()}</style>",
        f'<rect class="back" width="{width}" height="{height}"/>',
        *_body(drawing),
        "</svg>",
        "",
    ])  # fmt: skip


def _style() -> str:
    def colours(palette: tuple[str, ...], ink: str, grid: str, back: str) -> str:
        rows = [f".s{index}{{stroke:{colour}}}" for index, colour in enumerate(palette)]
        return "".join(
            [*rows, f".ink{{stroke:{ink}}}.grid{{stroke:{grid}}}text{{fill:{ink}}}.back{{fill:{back}}}"]
        )

    light = colours(LIGHT, "#1b1f24", "#d9dde2", "#ffffff")
    dark = colours(DARK, "#e8eaed", "#3a4048", "#14181d")
    return (
        "polyline{fill:none;stroke-linejoin:round}text{font-family:system-ui,sans-serif}"
        f"{light}@media (prefers-color-scheme:dark){{{dark}}}"
    )


def _body(drawing: Drawing) -> list[str]:
    return [*map(_stroke, drawing.strokes), *map(_words, drawing.words)]


def _stroke(stroke: Stroke) -> str:
    name = {INK: "ink", GRID: "grid"}.get(stroke.colour, f"s{stroke.colour % len(LIGHT)}")
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in stroke.points)
    dash = f' stroke-dasharray="{" ".join(f"{part:g}" for part in stroke.dash)}"' if stroke.dash else ""
    return f'<polyline class="{name}" stroke-width="{stroke.width:g}"{dash} points="{points}"/>'


def _words(words: Words) -> str:
    return (
        f'<text x="{words.x:.1f}" y="{words.y:.1f}" font-size="{words.size:g}" text-anchor="{words.anchor}">'
        f"{escape(words.text)}</text>"
    )
