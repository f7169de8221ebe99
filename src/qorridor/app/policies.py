"""Fallback policies and their approvals: two people sign what a corridor may do when key runs short."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mldsa

from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.signing import is_signed, load_or_make_key, public_bytes
from qorridor.app.approvers import APPROVERS, check_enrolled, enrolled
from qorridor.base.errors import EstateError, PolicyRefusal
from qorridor.estate.model import Estate
from qorridor.run.policy import APPROVERS as APPROVALS
from qorridor.run.policy import CONTEXT, check_policy, policy_digest, policy_payload

THROW_AWAY = ("approver-1-made-for-this-run", "approver-2-made-for-this-run")


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A flow's policy as the estate has it now, and who has approved exactly these bytes."""

    flow: str
    content: dict[str, Any]
    digest: str
    approvers: tuple[str, ...]
    people: int
    """Distinct keys that have signed."""
    needed: int = APPROVALS

    @property
    def is_approved(self) -> bool:
        """Enough distinct approvers have signed."""
        return self.people >= self.needed


def policy_state(estate: Estate, flow: str, folder: Path) -> PolicyState:
    """What the policy of a flow says and who has signed it; raises EstateError for no such flow."""
    _known_flow(estate, flow)
    payload = policy_payload(estate, flow)
    text = _read(folder / f"policy-{flow}.json")
    listed = {name: bytes.fromhex(key) for name, key in enrolled(folder).items()}
    try:
        signed = check_policy(text, payload, listed, is_signed, needed=0).approvers if text != "{}" else ()
    except (ValueError, TypeError, AttributeError) as error:
        raise PolicyRefusal("Q-POLICY-020", "the signed policy cannot be read",
                            "sign again: qorridor policy sign", str(folder / f"policy-{flow}.json")) from error  # fmt: skip
    people = len({listed[name] for name in signed})
    return PolicyState(flow, json.loads(payload), policy_digest(payload).hex(), signed, people)


def _known_flow(estate: Estate, flow: str) -> None:
    if flow in estate.flows:
        return
    near = difflib.get_close_matches(flow, estate.flows, 1)
    raise EstateError(
        "Q-ESTATE-034", f'the estate names no flow "{flow}"',
        f'did you mean "{near[0]}"?' if near else f"choose one of: {', '.join(estate.flows) or 'none'}",
        estate.source,
    )  # fmt: skip


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else "{}"


def sign_policy(estate: Estate, flow: str, approver: str, key_file: Path, folder: Path) -> Path:
    """Add the signature of one enrolled approver to the policy of a flow.

    A changed policy starts with no signature: the old ones were for other bytes. Raises PolicyRefusal
    Q-POLICY-022 for a name that is not enrolled, Q-POLICY-021 for another key than the enrolled one.
    """
    _known_flow(estate, flow)
    policy_state(estate, flow, folder)  # an unreadable file is told before anything is written
    check_enrolled(folder, approver, key_file)
    payload = policy_payload(estate, flow)
    file = folder / f"policy-{flow}.json"
    known = json.loads(_read(file))
    signatures = known.get("signatures", {}) if known.get("payload") == payload.decode() else {}
    signatures[approver] = load_or_make_key(key_file).sign(payload, CONTEXT).hex()
    write_atomically(file, json.dumps({"payload": payload.decode(), "signatures": signatures}, indent=1))
    return file


def sign_for_run(estate: Estate, corridor: str) -> None:
    """Two throw-away approvers, named as such, sign the policy of a loopback run; their keys are not kept."""
    flow = estate.corridor(corridor).flow
    payload = policy_payload(estate, flow)
    keys = {name: mldsa.MLDSA65PrivateKey.generate() for name in THROW_AWAY}
    signatures = {name: key.sign(payload, CONTEXT).hex() for name, key in keys.items()}
    write_atomically(
        Path(f"policy-{flow}.json"),
        json.dumps({"payload": payload.decode(), "signatures": signatures}, indent=1),
    )
    write_atomically(
        APPROVERS, json.dumps({name: public_bytes(key).hex() for name, key in keys.items()}, indent=1)
    )
