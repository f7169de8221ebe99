"""Start an estate from an example."""

from __future__ import annotations

import json
from pathlib import Path

from qorridor.adapters.wire.files import write_atomically
from qorridor.app import examples
from qorridor.base.errors import EstateError
from qorridor.estate.schema import json_schema


def start(path: Path, example: str, *, dry_run: bool) -> list[Path]:
    """Write an example estate to `path` and its schema beside it; returns the files.

    Raises EstateError for a file that exists or an example that does not.
    """
    if path.exists():
        raise EstateError(
            "Q-ESTATE-004", "the file exists already, and init replaces nothing",
            "choose another place with --estate PATH", str(path),
        )  # fmt: skip
    if example not in examples.names():
        known = ", ".join(examples.names()) or "none"
        raise EstateError("Q-ESTATE-005", f'there is no example "{example}"', f"use one of: {known}")
    schema = path.parent / "estate-1.json"
    if not dry_run:
        write_atomically(path, examples.text(example), mode=0o644)
        write_atomically(schema, json.dumps(json_schema(), indent=2), mode=0o644)
    return [path, schema]
