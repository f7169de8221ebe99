"""`qorridor policy`: what a flow may do when key runs short, and who has approved it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import output
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


@command.command("sign", help="Approve the policy of FLOW; it takes two people with a key each.")
@click.argument("flow")
@click.option("--as", "name", required=True, metavar="NAME", help="Who approves.")
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="The approver's signing key; made on first use.",
)
@click.pass_obj
def sign(session: Session, flow: str, name: str, key: Path) -> None:
    """Writes policy-FLOW.json and approvers.json beside the estate file."""
    from qorridor.app.estate_file import load  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.policies import sign_policy  # noqa: PLC0415

    if not name.isprintable() or not 1 <= len(name) <= 64:
        raise click.BadParameter("write 1 to 64 printable characters", param_hint="--as")
    if session.dry_run:
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
