"""Find the line on which each key of a TOML text stands, and the names that it gives twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\s*({_KEY})\s*\]\s*(?:#.*)?")
_ARRAY_HEADER = re.compile(rf"\s*\[\[\s*({_KEY})\s*\]\]\s*(?:#.*)?")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=(.*)")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'')
_LONG = re.compile(r'"""|\'\'\'')


@dataclass(frozen=True)
class Twice:
    """A name that stands on `first` and again on `line`."""

    path: Path
    line: int
    first: int
    is_table: bool


@dataclass
class Lines:
    """Line numbers (from 1) of tables and keys; `twice` holds the repetitions."""

    of: dict[Path, int] = field(default_factory=dict)
    twice: list[Twice] = field(default_factory=list)

    def note(self, path: Path, line: int, *, is_table: bool) -> None:
        """Remember the line of a path; a second sight of a key or header is a repetition."""
        if path in self.of:
            self.twice.append(Twice(path, line, self.of[path], is_table))
        else:
            self.of[path] = line

    def nearest(self, path: Path) -> int:
        """The line of the longest known beginning of a path; 1 where nothing is known."""
        return next((self.of[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.of), 1)


def _parts(key: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def _opens(rest: str) -> int:
    """Brackets that a line leaves open, strings and comments apart."""
    bare = _QUOTED.sub("", rest).partition("#")[0]
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def locate(text: str) -> Lines:
    """Lines of all tables and keys of a TOML text; total, so it also reads what tomllib refuses."""
    table: Path = ()
    lines, depth, inside = Lines(), 0, ""
    for number, row in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in row else inside
        elif depth > 0:
            depth += _opens(row)
        elif header := _HEADER.fullmatch(row):
            table = _parts(header[1])
            lines.note(table, number, is_table=True)
        elif header := _ARRAY_HEADER.fullmatch(row):
            table = _parts(header[1])
            lines.of.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(row):
            lines.note(table + _parts(assignment[1]), number, is_table=False)
            inside = _left_open(assignment[2])
            depth = 0 if inside else max(0, _opens(assignment[2]))
    return lines


def _left_open(rest: str) -> str:
    """The quotes of a multi-line string that starts on this line and does not end on it."""
    marks = _LONG.findall(rest)
    return marks[0] if len(marks) == 1 else ""


def without_repetitions(text: str, lines: Lines) -> str:
    """The text with each repeated table renamed and each repeated key commented out."""
    rows = text.splitlines()
    for index, twice in enumerate(lines.twice):
        row = rows[twice.line - 1]
        again = f"[{'.'.join([*twice.path[:-1], f'{twice.path[-1]}-again-{index}'])}]"
        rows[twice.line - 1] = again if twice.is_table else f"# {row}"
    return "\n".join(rows)
