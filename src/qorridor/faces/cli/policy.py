"""`qorridor policy`: what a flow may do when key runs short, and who has approved it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.policies import PolicyState


@click.group(help="The fallback policy of a flow and its two approvals.")
def command() -> None:
    """Sub-commands follow."""


@command.command("show", help="Print the policy of FLOW as its approvers sign it, and who has signed.")
@click.argument("flow")
@click.pass_obj
def show(session: Session, flow: str) -> None:
    """The policy follows from the estate; nothing is written."""
    state = _state(session, flow)
    rows = [[name, _value(value)] for name, value in state.content.items()]
    output.emit(session, _document(state), f"{output.table(rows)}\n{_approval(state)}")


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.isprintable() or not 1 <= len(value) <= 64:
        raise click.BadParameter("write 1 to 64 printable characters")
    return value


@command.command(
    "key", help="Make an approver's signing key in FILE, if there is none, and give its public half."
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Where the public half is written."
)
@options.dry_run("Say what would be written; make no key.")
@click.pass_obj
def key_(session: Session, file: Path, out: Path) -> None:
    """The key stays with its owner; the public half goes to whoever enrols approvers."""
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.approvers import public_key  # noqa: PLC0415

    if not session.dry_run:
        write_atomically(out, public_key(file) + "\n", mode=0o644)
    output.emit(session, {"key": str(file), "public": str(out)}, output.written(out, dry_run=session.dry_run))


@command.command("enrol", help="Name an approver, with their public key, to the nodes beside this estate.")
@click.option("--as", "name", required=True, metavar="NAME", callback=_name, help="Who may approve.")
@click.option("--public", required=True, type=click.Path(path_type=Path), help="What `policy key` wrote.")
@options.dry_run("Check the public key; enrol nobody.")
@click.pass_obj
def enrol(session: Session, name: str, public: Path) -> None:
    """Writes approvers.json beside the estate file: the list that counts is the one beside each node."""
    from qorridor.app.approvers import APPROVERS, enrol_approver, read_public  # noqa: PLC0415 - keeps help cheap

    folder = Path(session.estate).parent
    told = read_public(public)
    document = {"approver": name, "public": str(public), "file": str(folder / APPROVERS)}
    if session.dry_run:
        output.emit(session, document, f"would enrol {name}")
        return
    output.emit(session, document, f"{name} is enrolled in {enrol_approver(folder, name, told)}")


@command.command("sign", help="Approve the policy of FLOW; it takes two people with a key each.")
@click.argument("flow")
@click.option(
    "--as", "name", required=True, metavar="NAME", callback=_name, help="Who approves; enrolled before."
)
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="The approver's signing key, as enrolled.",
)
@options.dry_run("Check approver and key; sign nothing.")
@click.pass_obj
def sign(session: Session, flow: str, name: str, key: Path) -> None:
    """Writes policy-FLOW.json beside the estate file."""
    from qorridor.app.approvers import check_enrolled  # noqa: PLC0415
    from qorridor.app.estate_file import load  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.policies import sign_policy  # noqa: PLC0415

    if session.dry_run:
        check_enrolled(Path(session.estate).parent, name, key)
        state = _state(session, flow)
        output.emit(session, _document(state), f"would sign {state.digest[:16]}… as {name}")
        return
    file = sign_policy(load(session.estate), flow, name, key, Path(session.estate).parent)
    state = _state(session, flow)
    output.emit(session, _document(state) | {"file": str(file)}, f"{name} signed {file}\n{_approval(state)}")


@command.command("verify", help="Exit 1 unless two approvers have signed exactly the policy of the estate.")
@click.argument("flow")
@click.pass_obj
def verify(session: Session, flow: str) -> int:
    """A changed estate needs new signatures."""
    state = _state(session, flow)
    output.emit(session, _document(state), _approval(state))
    return 0 if state.is_approved else 1


def _state(session: Session, flow: str) -> PolicyState:
    from qorridor.app.estate_file import load  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.policies import policy_state  # noqa: PLC0415

    return policy_state(load(session.estate), flow, Path(session.estate).parent)


def _document(state: PolicyState) -> dict[str, object]:
    return {"flow": state.flow, "policy": state.content, "digest": state.digest,
            "approvers": list(state.approvers), "needed": state.needed, "approved": state.is_approved}  # fmt: skip


def _approval(state: PolicyState) -> str:
    word = "approved" if state.is_approved else "NOT APPROVED"
    names = ", ".join(state.approvers) or "nobody"
    return f"{word}: {state.people} of {state.needed} approvals ({names}), digest {state.digest[:16]}…"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
