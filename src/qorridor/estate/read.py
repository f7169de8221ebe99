"""Read an estate from text and report every mistake at once, each with its line.

text -> locate -> tomllib -> pydantic -> references -> Estate, or EstateMistakes with all complaints
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qorridor.base.errors import EstateError
from qorridor.estate.locate import Lines, Twice, locate, without_repetitions
from qorridor.estate.model import Estate
from qorridor.estate.references import slips
from qorridor.estate.words import words

LARGEST = 1024 * 1024  # bytes of text; a thousand flows take a quarter of it
_LONG = re.compile(r"(?<![0-9A-Za-z_.\"'])[+-]?[0-9][0-9_]{299,}")
_PLACE = re.compile(r"(.*?)\s*\((?:at line (\d+), column (\d+)|at end of document)\)")


@dataclass(frozen=True, order=True)
class Complaint:
    """One mistake: the line (from 1), the path of the key, what is wrong and what would be right."""

    line: int
    path: str
    cause: str
    remedy: str

    def text(self, where: str) -> str:
        """`estate.toml:58: flow.research-share.carries: no data class …; did you mean …?`"""
        path = f"{self.path}: " if self.path else ""
        return f"{where}:{self.line}: {path}{self.cause}; {self.remedy}"


class EstateMistakes(EstateError):  # noqa: N818 - it holds many
    """An estate file with mistakes; `complaints` holds all of them, sorted by line."""

    def __init__(self, where: str, complaints: Sequence[Complaint]) -> None:
        count = "1 mistake" if len(complaints) == 1 else f"{len(complaints)} mistakes"
        super().__init__(
            "Q-ESTATE-001",
            f"the estate has {count}, the first on line {complaints[0].line}: {complaints[0].cause}",
            "correct each line that `qorridor check` names",
            f"{where}:{complaints[0].line}",
        )
        self.complaints = list(complaints)
        self.source = where


def parse(text: str, where: str = "estate.toml") -> Estate:
    """The estate that a TOML text states; raises EstateMistakes with every mistake found."""
    if len(text.encode()) > LARGEST:
        raise EstateMistakes(where, [Complaint(1, "", "the file is larger than 1 MiB", "split the estate")])
    lines = locate(text)
    complaints = [_repeated(twice) for twice in lines.twice]
    try:
        data = tomllib.loads(without_repetitions(text, lines) if lines.twice else text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a bare ValueError
        broken = _syntax(error, text)  # below it the locator can no longer tell which table a key is in
        raise EstateMistakes(
            where, sorted([c for c in complaints if c.line < broken.line] + [broken])
        ) from None
    if large := [Complaint(lines.nearest(path), ".".join(path), *_LARGE) for path in _too_large(data)]:
        raise EstateMistakes(
            where, sorted({*complaints, *large})
        )  # no word about such a number can be formed
    estate, found = _validate(data, lines)
    complaints += found
    complaints += [Complaint(lines.nearest(s.path), ".".join(s.path), s.cause, s.remedy) for s in slips(data)]
    if complaints or estate is None:
        raise EstateMistakes(where, sorted(set(complaints)))
    return _dress(estate, text, where, lines)


def _too_large(data: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths of whole numbers beyond the 64 bits that TOML promises."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(data, ())]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            yield path
        elif isinstance(value, dict):
            waiting += [(entry, (*path, key)) for key, entry in value.items()]
        elif isinstance(value, list):
            waiting += [(entry, path) for entry in value]


def _dress(estate: Estate, text: str, where: str, lines: Lines) -> Estate:
    estate._source, estate._lines = where, lines.of  # noqa: SLF001 - the reader completes what it read
    estate._digest = hashlib.sha256(text.encode()).hexdigest()  # noqa: SLF001
    return estate


def _repeated(twice: Twice) -> Complaint:
    thing = "table" if twice.is_table else "key"
    name = ".".join(twice.path)
    return Complaint(
        twice.line,
        name,
        f"this {thing} stands on line {twice.first} already",
        "rename one of them or join both",
    )


_LARGE = ("this whole number does not fit into 64 bits", "write a number of fewer digits")
_SYNTAX = (
    ("Cannot overwrite", "this key or table is defined already", "keep one of the definitions"),
    ("Cannot declare", "this table is defined already", "keep one of the definitions"),
    ("Expected '='", "a key needs `=` and a value", 'write for example organisation = "Meridian Bank"'),
    ("Unterminated string", "a text in quotes does not end", "close the quotes"),
    ("Illegal character", "a text in quotes does not end on its line", "close the quotes"),
    ("Invalid value", "this is no TOML value", "put text in double quotes"),
    ("Unclosed array", "a list is not closed", "add the missing ]"),
    ("Unclosed inline table", "an inline table is not closed", "add the missing } on the same line"),
    (
        "Expected newline or end",
        "something stands after the value",
        "put one entry on a line, and text in quotes",
    ),
    ("Expected ']'", "a table header is not closed", "write for example [site.london]"),
    ("Duplicate inline table key", "an inline table repeats a key", "keep one of them"),
)


def _syntax(error: Exception, text: str) -> Complaint:
    """The one syntax error that tomllib reports, in our words; it cannot see past it."""
    match = _PLACE.fullmatch(str(error))
    if match is None and (number := _LONG.search(text)):
        line = text.count("\n", 0, number.start()) + 1
        return Complaint(line, "", *_LARGE)
    if match is None:
        return Complaint(1, "", "the file is nested too deeply for an estate", "flatten it")
    line = int(match[2]) if match[2] else max(1, len(text.splitlines()))
    for start, cause, remedy in _SYNTAX:
        if match[1].startswith(start):
            return Complaint(line, "", cause, remedy)
    return Complaint(line, "", "this is no TOML", "compare the line with the example in the documentation")


def _validate(data: dict[str, Any], lines: Lines) -> tuple[Estate | None, list[Complaint]]:
    try:
        return Estate.model_validate(data), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, [_complaint(detail, data, lines) for detail in found]


def _complaint(detail: ErrorDetails, data: dict[str, Any], lines: Lines) -> Complaint:
    path = _path(detail["loc"], data)
    cause, remedy = words(detail, path, data)
    return Complaint(lines.nearest(path), ".".join(path), cause, remedy)


def _path(location: Iterable[int | str], data: Any) -> tuple[str, ...]:
    """Pydantic's location without list indexes and the names of driver unions."""
    steps: list[str] = []
    for step in location:
        if isinstance(step, int) or step == "[key]":
            continue
        if isinstance(data, dict) and step not in data and step in (data.get("driver"), data.get("scanner")):
            continue
        steps.append(step)
        data = data.get(step) if isinstance(data, dict) else None
    return tuple(steps)
