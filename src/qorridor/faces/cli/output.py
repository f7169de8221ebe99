"""How every verb speaks: data to standard output, words to standard error, pure JSON with --json."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from qorridor.base.errors import QorridorError
from qorridor.faces.cli.session import Session

PATIENCE = 2.0  # seconds of silence that a reader accepts
_REPORT = "If this did not help you, report it with the code {code} and `qorridor --version`; send no keys."


def put(text: str, *, err: bool = False) -> None:
    """Print; raises BrokenPipeError when nobody reads any more, a closed terminal included."""
    try:
        click.echo(text, err=err)
    except OSError as error:
        if error.errno == errno.EIO:
            raise BrokenPipeError(*error.args) from error
        raise


def emit(session: Session, document: Mapping[str, Any] | Sequence[Any], text: str | None = None) -> None:
    """The answer of a verb: the document with --json, else `text` (or the document, indented)."""
    if session.as_json or text is None:
        put(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    elif text:
        put(text)


def emit_line(session: Session, document: Mapping[str, Any], text: str) -> None:
    """One row of a lasting answer: a JSON line with --json, else text."""
    put(json.dumps(document, ensure_ascii=False, default=str) if session.as_json else text)


def written(path: Path, *, dry_run: bool) -> str:
    """Where a document lies, or that a dry run has written none."""
    return f"would write {path}" if dry_run else f"→ {path}"


def rehearsed(session: Session, folder: Path, parts: Mapping[str, str]) -> None:
    """What a dry run of something that starts processes found."""
    lines = [[f"would start {name}", state] for name, state in parts.items()]
    emit(
        session,
        {"run": str(folder), "would_start": dict(parts)},
        f"{table(lines)}\nNothing was started or written.",
    )


def say(session: Session, text: str) -> None:
    """Words beside the answer, to standard error; silent with --quiet."""
    if not session.quiet:
        with contextlib.suppress(BrokenPipeError):  # words need a reader; the work does not
            put(text, err=True)


def table(rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """Columns padded to their widest cell, two spaces apart."""
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


class Progress:
    """Steps of something long; the first line appears after two seconds."""

    def __init__(self, session: Session, label: str, total: int | None = None) -> None:
        self._session, self._label, self._total, self._done = session, label, total, 0
        self._next = time.monotonic() + PATIENCE

    def step(self, count: int = 1) -> None:
        """`count` more steps are done."""
        self._done += count
        if time.monotonic() >= self._next:
            of = f" of {self._total}" if self._total else ""
            say(self._session, f"{self._label}: {self._done}{of} …")
            self._next = time.monotonic() + PATIENCE


@contextlib.contextmanager
def progress(session: Session, label: str, total: int | None = None) -> Iterator[Progress]:
    """Report steps of work that may last longer than two seconds, as lines on standard error."""
    yield Progress(session, label, total)


def fail(session: Session, error: QorridorError) -> int:
    """Show an error (and every complaint of an estate file); returns its exit code.

    With --json it is one line, so that it also ends a stream of lines.
    """
    complaints = getattr(error, "complaints", [])
    if session.as_json:
        _last(json.dumps(error_document(error), ensure_ascii=False))
    elif complaints:
        where = getattr(error, "source", error.where)
        _last("\n".join(complaint.text(where) for complaint in complaints), err=True)
        count = "1 mistake" if len(complaints) == 1 else f"{len(complaints)} mistakes"
        _last(f"{count}. Nothing was changed.", err=True)
    else:
        place = f"{error.where}: " if error.where else ""
        _last(f"error: {place}{error.cause} [{error.code}]\nremedy: {error.remedy}", err=True)
        _last(f"more: qorridor explain {error.code}", err=True)
    if not complaints:
        say(session, _REPORT.format(code=error.code))
    return error.exit_code


def error_document(error: QorridorError) -> dict[str, Any]:
    """The error as --json shows it."""
    complaints = [vars(complaint) for complaint in getattr(error, "complaints", [])]
    fields = {"code": error.code, "cause": error.cause, "remedy": error.remedy, "where": error.where}
    return {"error": {**fields, **({"complaints": complaints} if complaints else {})}}


def usage(error: click.ClickException, *, as_json: bool) -> int:
    """Show what is wrong with the words of the call; with --json, which may not have been read yet, also
    as one line."""
    if as_json:
        path = getattr(getattr(error, "ctx", None), "command_path", "qorridor")
        fields = {"code": "USAGE", "cause": error.format_message(), "remedy": f"{path} --help", "where": ""}
        _last(json.dumps({"error": fields}, ensure_ascii=False))
    with contextlib.suppress(BrokenPipeError):
        error.show()
    return 2


def bug(session: Session, error: BaseException) -> int:
    """Show a fault of our own without a traceback; exit code 70 is never read as a failed gate."""
    where = _last_own_line(error)
    words = f"{type(error).__name__} at {where}"
    if session.as_json:
        _last(json.dumps({"error": {"code": "BUG", "cause": words, "remedy": "report it", "where": where}}))
    _last(f"This is a fault of Qorridor, not yours: {words}.", err=True)
    _last("Report these two lines with `qorridor --version`; nothing secret is in them.", err=True)
    return 70


def stopped(session: Session) -> int:
    """Say that a signal ended the call before it was done; 130 is what shells say of Ctrl-C."""
    if session.as_json:
        error = {"code": "STOPPED", "cause": "a signal came", "remedy": "call it again", "where": ""}
        _last(json.dumps({"error": error}))
    _last("stopped", err=True)
    return 130


def _last_own_line(error: BaseException) -> str:
    trace, where = error.__traceback__, "unknown place"
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if str(module).startswith("qorridor"):
            where = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


def _last(text: str, *, err: bool = False) -> None:
    """Print what ends a call, to whoever still reads."""
    with contextlib.suppress(BrokenPipeError):
        put(text, err=err)


def shown(path: Path) -> str:
    """A path as a person would type it: relative to the current folder of the call where it lies below."""
    start = Path(os.environ.get("PWD", "."))
    return str(path.relative_to(start)) if path.is_relative_to(start) else str(path)
