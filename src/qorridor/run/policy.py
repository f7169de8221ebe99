"""The signed fallback policy of a flow: what two approvers have allowed, digest and all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qorridor.base.canonical import Json, canonical_json
from qorridor.base.errors import PolicyRefusal
from qorridor.estate.model import Estate

CONTEXT = b"qorridor/policy/1"
APPROVERS = 2

Check = Callable[[bytes, bytes, bytes, bytes], bool]
"""(public key, message, signature, context) -> whether it verifies."""


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """Exact payload bytes and who signed them."""

    payload: bytes
    approvers: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        """SHA-384 of the exact payload: context field 6 of every epoch."""
        return policy_digest(self.payload)


def policy_digest(payload: bytes) -> bytes:
    """SHA-384 of a policy's exact bytes."""
    return hashlib.sha384(payload).digest()


def policy_payload(estate: Estate, flow: str) -> bytes:
    """The policy of a flow as its approvers sign it: canonical JSON, durations in milliseconds."""
    timing = estate.policy.timing
    rekey = estate.flows[flow].rekey
    content: dict[str, Json] = {
        "v": 1,
        "flow": flow,
        "suite": estate.policy.suite,
        "combiner": estate.policy.combiner,
        "fallback": estate.fallback_of(flow),
        "fallback_limit_ms": _milliseconds(estate.fallback_limit_of(flow)),
        "rekey_ms": _milliseconds(rekey),
        "timing": {
            "window_ms": _milliseconds(timing.window_for(rekey)),
            "no_fresh_key_ms": _milliseconds(timing.no_fresh_key_for(rekey)),
            "down_factor": f"{timing.down_factor:g}",
            "up_factor": f"{timing.up_factor:g}",
            "return_after_ms": _milliseconds(timing.return_after),
            "dwell_ms": _milliseconds(timing.dwell),
            "max_transitions_per_hour": timing.max_transitions_per_hour,
        },
    }
    return canonical_json(content)


def _milliseconds(span: float) -> int:
    return round(span * 1000)


def check_policy(
    text: str, payload: bytes, approvers: Mapping[str, bytes], check: Check, *, needed: int = APPROVERS
) -> SignedPolicy:
    """The signed policy of `text` (JSON: signatures by approver), for exactly `payload`.

    Raises PolicyRefusal Q-POLICY-020 unless `needed` distinct known approvers have signed it.
    """
    try:
        signatures = json.loads(text)["signatures"]
        valid = {
            str(name)
            for name, signature in signatures.items()
            if name in approvers and check(approvers[name], payload, bytes.fromhex(signature), CONTEXT)
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyRefusal(
            "Q-POLICY-020", "the signed policy cannot be read", "sign it again: qorridor policy sign"
        ) from error
    if len({approvers[name] for name in valid}) < needed:  # one key under two names is one approval
        raise PolicyRefusal(
            "Q-POLICY-020", f"the policy in the estate has {len(valid)} of {needed} approvals that it needs",
            "have it signed by two approvers: qorridor policy sign",
        )  # fmt: skip
    return SignedPolicy(payload, tuple(sorted(valid)))
