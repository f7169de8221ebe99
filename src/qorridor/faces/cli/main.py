"""The command line: one lazily imported module per verb, so that help costs nothing.

A verb `v` is a row of VERBS and a module `faces/cli/v.py` whose `command` is its click command.
Global options are added to every command, so they may stand before or after the verb.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import click

from qorridor.base import interruption
from qorridor.base.errors import Interrupted, QorridorError
from qorridor.faces.cli.options import no_dry_run, store
from qorridor.faces.cli.session import Session


class Verb(NamedTuple):
    """Where a verb's command lives and what it does, in one line."""

    module: str
    help: str


_HERE = "qorridor.faces.cli"
VERBS: Mapping[str, Verb] = {
    "init": Verb(f"{_HERE}.init", "Write an example estate to start from."),
    "check": Verb(f"{_HERE}.check", "Explain every mistake of the estate with its line."),
    "discover": Verb(f"{_HERE}.discover", "Find the cryptography in use: end points, certificates, keys."),
    "assess": Verb(f"{_HERE}.assess", "Say with reasons how exposed each flow is."),
    "plan": Verb(f"{_HERE}.plan", "Compute what each fibre and corridor can carry."),
    "run": Verb(f"{_HERE}.run", "Run a corridor on this machine: every part a process of its own."),
    "watch": Verb(f"{_HERE}.watch", "Show links, keys and flows of a run as they change."),
    "keys": Verb(f"{_HERE}.keys", "Count the keys of each node: states, ages, burnt; never bytes."),
    "exchange": Verb(f"{_HERE}.exchange", "Send a file through a running corridor's tunnel."),
    "conform": Verb(f"{_HERE}.conform", "Test any KME against ETSI GS QKD 014, abuse included."),
    "sae": Verb(f"{_HERE}.sae", "Fetch a key by hand over ETSI GS QKD 014."),
    "policy": Verb(f"{_HERE}.policy", "Show, sign and verify the fallback policy of a flow."),
    "inject": Verb(f"{_HERE}.inject", "Put a fault or an eavesdropper into a simulated link."),
    "prove": Verb(f"{_HERE}.prove", "Verify the journals of a run."),
    "link": Verb(f"{_HERE}.link", "Link models: secret key rate of one fibre, or a curve."),
    "bench": Verb(f"{_HERE}.bench", "Measure speed against a reference in the same run."),
    "demo": Verb(f"{_HERE}.demo", "The whole product on this machine in two minutes."),
    "doctor": Verb(f"{_HERE}.doctor", "Look for what is missing, and name the command that mends it."),
    "explain": Verb(f"{_HERE}.explain", "Explain an error code, a term or a flow."),
    "plugins": Verb(f"{_HERE}.plugins", "List the drivers that an estate may name."),
    "schema": Verb(f"{_HERE}.schema", "Print the JSON Schema of the estate or of a document."),
    "authority": Verb(f"{_HERE}.authority", "Serve the issuing authority and enrolment."),
    "node": Verb(f"{_HERE}.node", "Serve one site: keys, relay, roll-over, journal."),
    "optics": Verb(f"{_HERE}.optics", "Serve the simulated optics of one link."),
    "tunnel": Verb(f"{_HERE}.tunnel", "Serve one end of a tls-tunnel."),
    "completion": Verb(f"{_HERE}.completion", "Print shell completion for bash, zsh or fish."),
}


def global_options() -> list[click.Parameter]:
    """Fresh global options: click binds them to one command each."""
    flag: dict[str, Any] = {"is_flag": True, "expose_value": False, "callback": store}
    value: dict[str, Any] = {"expose_value": False, "callback": store}
    return [
        click.Option(["--estate"], metavar="PATH", help="The estate file (default ./estate.toml).", **value),
        click.Option(
            ["--json", "as_json"], help="Answer as JSON on standard output, nothing else there.", **flag
        ),
        click.Option(["--quiet"], help="No words beside the answer.", **flag),
        click.Option(["-v", "--verbose", "verbose"], count=True, help="More words.", **value),
        click.Option(["--random-state"], type=int, metavar="N", help="Seed of simulations only.", **value),
        click.Option(["--no-color"], help="No colours.", **flag),
    ]


def _with_globals(command: click.Command) -> click.Command:
    """Give a command, and the commands of a group, the global options once."""
    present = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in global_options() if not present & set(option.opts)]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _with_globals(inner)
    elif "--dry-run" not in present:
        command.params.append(no_dry_run())
    return command


class _Lazy(click.Group):
    """Imports a verb's module when it is called, never to print help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(VERBS[cmd_name].module).command
        return _with_globals(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's callback
    if value:
        from importlib import metadata  # noqa: PLC0415 - only this option needs it

        click.echo(f"qorridor {metadata.version('qorridor')}")
        context.exit()


cli = _Lazy(
    "qorridor",
    params=[
        *global_options(),
        click.Option(["--dry-run"], is_flag=True, expose_value=False, callback=store,
                     help="Of verbs that change something: say what would happen, change nothing."),
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version,
                     help="Print the version."),
    ],
    help="From where your cryptography is to a running, watched and provable quantum-safe network.",
    epilog="Start with `qorridor init`, then `qorridor check`. Exit codes: 0 done, 1 does not hold, 2 usage, "
    "3 estate, 4 outside, 5 refused by policy, 70 our fault, 130 stopped.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def run(arguments: Sequence[str]) -> int:
    """Run one call; returns its exit code and never raises."""
    session = Session()
    try:
        result = cli.main(list(arguments), prog_name="qorridor", obj=session, standalone_mode=False)
    except click.ClickException as error:
        from qorridor.faces.cli.output import usage  # noqa: PLC0415

        return usage(error, as_json=session.as_json or "--json" in arguments)
    except (click.Abort, KeyboardInterrupt, _Interrupt, Interrupted):
        from qorridor.faces.cli.output import stopped  # noqa: PLC0415

        return stopped(session)
    except BrokenPipeError:
        return 0
    except QorridorError as error:
        from qorridor.faces.cli.output import fail  # noqa: PLC0415 - keeps help cheap

        return fail(session, error)
    except Exception as error:
        from qorridor.faces.cli.output import bug  # noqa: PLC0415

        if session.verbose > 1:
            raise
        return bug(session, error)
    return result if isinstance(result, int) else 0


class _Interrupt(BaseException):
    """A signal in a short verb. No KeyboardInterrupt: Python remembers one that passes through `exec` and dies
    of it at exit, although it was caught (cpython, run_eval_code_obj), and click answers one with a line
    to a terminal that may be closed."""


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    interruption.came = True
    raise _Interrupt


def main() -> NoReturn:
    """Entry point: each of the three signals interrupts a short verb as Ctrl-C does; a lasting one
    takes them over in its event loop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads any more
        sys.stderr.close()
    sys.exit(code)
