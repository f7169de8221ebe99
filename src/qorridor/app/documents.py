"""Read the text of a document that an earlier stage, or another product, wrote."""

from __future__ import annotations

from pathlib import Path

from qorridor.base.errors import EstateError


def read_text(path: Path, maker: str) -> str:
    """The text of a file; raises EstateError Q-ESTATE-032 that names the command which makes it."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        cause = "the file is not UTF-8 text"
    except OSError as error:
        cause = f"the file cannot be read: {(error.strerror or 'unknown').lower()}"
    raise EstateError("Q-ESTATE-032", cause, f"make it with `{maker}`", str(path))
