"""Load an estate from a file."""

from __future__ import annotations

from pathlib import Path

from qorridor.base.errors import EstateError
from qorridor.estate.check import Finding, findings
from qorridor.estate.model import Estate
from qorridor.estate.read import LARGEST, parse


def read_text(path: str | Path) -> str:
    """The text of an estate file; raises EstateError (exit 3) for one that is absent, unreadable or no text.

    No more is read than an estate may hold: `parse` refuses what is longer, and a device has no end.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EstateError(
            "Q-ESTATE-003", f"the file is not UTF-8 text (byte {error.start})", "save it as UTF-8", where
        ) from None
    except OSError as error:
        raise EstateError(
            "Q-ESTATE-002", f"the estate cannot be read: {(error.strerror or 'unknown').lower()}",
            "run `qorridor init` to make one, or give its place with --estate PATH", where,
        ) from None  # fmt: skip


def load(path: str | Path) -> Estate:
    """The estate in a file; raises EstateError (exit 3) for a file that is absent, unreadable or mistaken."""
    return parse(read_text(path), str(path))


def findings_of(estate: Estate) -> list[Finding]:
    """Findings of a loaded estate; files are looked up beside the estate file."""
    folder = Path(estate.source).parent

    def exists(name: str) -> bool:
        try:
            return (folder / name).exists()
        except OSError:  # too long for a file's name, or in a folder that is closed to us
            return False

    return findings(estate, exists)
