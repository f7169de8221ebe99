"""Fallback policies and their approvals: two people sign what a corridor may do when key runs short."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import mldsa

from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.signing import load_or_make_key, public_bytes
from qorridor.estate.model import Estate
from qorridor.run.policy import CONTEXT, policy_payload

APPROVERS = Path("approvers.json")
THROW_AWAY = ("approver-1-made-for-this-run", "approver-2-made-for-this-run")


def sign_policy(estate: Estate, flow: str, approver: str, key_file: Path, folder: Path) -> Path:
    """Add one approver's signature to the policy of a flow; the key is made on first use.

    A changed policy starts with no signature: the old ones were for other bytes.
    """
    key = load_or_make_key(key_file)
    payload = policy_payload(estate, flow)
    file = folder / f"policy-{flow}.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    signatures = known.get("signatures", {}) if known.get("payload") == payload.decode() else {}
    signatures[approver] = key.sign(payload, CONTEXT).hex()
    write_atomically(file, json.dumps({"payload": payload.decode(), "signatures": signatures}, indent=1))
    approvers = folder / APPROVERS
    listed = json.loads(approvers.read_text()) if approvers.is_file() else {}
    listed[approver] = public_bytes(key).hex()
    write_atomically(approvers, json.dumps(listed, indent=1))
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
