"""The example estates that the product ships."""

from __future__ import annotations

from pathlib import Path

_PLACES = (Path(__file__).parent / "examples", Path(__file__).parents[3] / "examples")


def names() -> list[str]:
    """Names of the examples."""
    found = next((place for place in _PLACES if place.is_dir()), None)
    return sorted(path.parent.name for path in found.glob("*/estate.toml")) if found else []


def text(name: str) -> str:
    """The estate file of an example; raises FileNotFoundError for an unknown name."""
    for place in _PLACES:
        if (path := place / name / "estate.toml").is_file():
            return path.read_text("utf-8")
    raise FileNotFoundError(name)
