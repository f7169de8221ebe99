"""Load an estate from a file."""

from __future__ import annotations

from pathlib import Path

from qorridor.base.errors import EstateError
from qorridor.estate.check import Finding, findings
from qorridor.estate.model import Estate
from qorridor.estate.read import parse


def load(path: str | Path) -> Estate:
    """The estate in a file; raises EstateError (exit 3) for a file that is absent, unreadable or mistaken."""
    where = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EstateError(
            "Q-ESTATE-003", f"the file is not UTF-8 text (byte {error.start})", "save it as UTF-8", where
        ) from None
    except OSError as error:
        raise EstateError(
            "Q-ESTATE-002", f"the estate cannot be read: {(error.strerror or 'unknown').lower()}",
            "run `qorridor init` to make one, or give its place with --estate PATH", where,
        ) from None  # fmt: skip
    return parse(text, where)


def findings_of(estate: Estate) -> list[Finding]:
    """Findings of a loaded estate; files are looked up beside the estate file."""
    folder = Path(estate.source).parent
    return findings(estate, lambda name: (folder / name).exists())
