"""Options that several verbs share: the same word means the same everywhere."""

from __future__ import annotations

from pathlib import Path

import click

run_folder = click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="Folder of the run (default: the one below ./run)."
)  # fmt: skip
