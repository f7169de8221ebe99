"""Options that several verbs share: the same word means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

run_folder = click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="Folder of the run (default: the one below ./run)."
)  # fmt: skip


def store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store a global option in the session unless it is only the default."""
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source is not click.core.ParameterSource.DEFAULT:
        setattr(context.find_root().obj, str(parameter.name), value)


def dry_run(words: str) -> Callable[[Any], Any]:
    """`--dry-run` of a verb that changes something; `words` say what it does and leaves undone."""
    return click.option("--dry-run", is_flag=True, expose_value=False, callback=store, help=words)


def _no_dry_run(context: click.Context, _: click.Parameter, value: Any) -> None:
    """A verb without a dry run does not take the word in silence, wherever it stands."""
    if value or context.find_root().obj.dry_run:
        raise click.UsageError(
            "--dry-run has no meaning here: this verb only reads, or serves until it is ended", context
        )


def no_dry_run() -> click.Option:
    """The option that refuses `--dry-run`."""
    return click.Option(["--dry-run"], is_flag=True, is_eager=True, expose_value=False, hidden=True,
                        callback=_no_dry_run)  # fmt: skip
