"""`qorridor completion`: a script that completes verbs and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from qorridor.faces.cli import output
from qorridor.faces.cli.session import Session


@click.command(help='Print a completion script; for bash: eval "$(qorridor completion bash)".')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def command(session: Session, shell: str) -> None:
    """Print the script of one shell."""
    from qorridor.faces.cli.main import cli  # noqa: PLC0415 - main imports this module by name

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"{shell} is not supported")
    script = _script(kind(cli, {}, "qorridor", "_QORRIDOR_COMPLETE"))
    output.emit(session, {"shell": shell, "script": script}, script)


def _script(completion: click.shell_completion.ShellComplete) -> str:
    """The script without click's look at the installed bash, which would start a process."""
    return completion.source_template % completion.source_vars()
