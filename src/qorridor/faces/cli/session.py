"""What the global options of one call say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Session:
    """Global options; each may stand before or after the verb."""

    estate: str = "estate.toml"
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    dry_run: bool = False
    random_state: int | None = None
    no_color: bool = False
