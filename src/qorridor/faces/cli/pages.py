"""Where the pages lie that the command line shows: in the wheel, or in the repository's docs."""

from __future__ import annotations

from pathlib import Path

_WHEEL = Path(__file__).parent / "pages"
_DOCS = Path(__file__).parents[4] / "docs"


def page(name: str) -> Path | None:
    """The file of that name, or None where it is not installed."""
    return next((folder / name for folder in (_WHEEL, _DOCS) if (folder / name).is_file()), None)


def error_codes() -> list[str]:
    """Codes that have a page."""
    folders = (_WHEEL / "errors", _DOCS / "errors")
    found = next((folder for folder in folders if folder.is_dir()), None)
    return sorted(path.stem for path in found.glob("Q-*.md")) if found else []
