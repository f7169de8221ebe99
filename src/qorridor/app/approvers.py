"""Who may approve policies: named with their public keys by a deliberate act, never by signing."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import mldsa

from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.signing import load_or_make_key, public_bytes
from qorridor.base.errors import OutsideError, PolicyRefusal

APPROVERS = Path("approvers.json")


def enrolled(folder: Path) -> dict[str, str]:
    """Approvers by name, each with their public key in hexadecimal; raises PolicyRefusal Q-POLICY-020."""
    file = folder / APPROVERS
    try:
        told = json.loads(file.read_bytes()) if file.is_file() else {}
        return {str(name): bytes.fromhex(key).hex() for name, key in told.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise PolicyRefusal("Q-POLICY-020", "the list of approvers cannot be read",
                            "restore it, or enrol them again: qorridor policy enrol", str(file)) from error  # fmt: skip


def public_key(key_file: Path) -> str:
    """The public half of an approver's key, in hexadecimal; the key is made on first use."""
    return public_bytes(load_or_make_key(key_file)).hex()


def read_public(file: Path) -> str:
    """A public key as `qorridor policy key` writes it; raises OutsideError Q-KME-071 for anything else."""
    try:
        text = file.read_bytes().decode("ascii").strip()
        mldsa.MLDSA65PublicKey.from_public_bytes(bytes.fromhex(text))
    except (OSError, ValueError) as error:
        raise OutsideError(
            "Q-KME-071", "the file holds no public key of an approver",
            "have the approver write it: qorridor policy key NAME.key --out NAME.pub", str(file),
        ) from error  # fmt: skip
    return text.lower()


def enrol_approver(folder: Path, name: str, public: str) -> Path:
    """Add an approver to the list that nodes check signatures against.

    Raises PolicyRefusal Q-POLICY-021 when the name has another key or the key another name: two
    approvals are two people.
    """
    listed = enrolled(folder)
    if listed.get(name, public) != public:
        raise PolicyRefusal("Q-POLICY-021", f"{name} is enrolled with another key",
                            f"take {name} out of the list of approvers first, if that key is lost", name)  # fmt: skip
    other = next((known for known, key in listed.items() if key == public and known != name), None)
    if other is not None:
        raise PolicyRefusal("Q-POLICY-021", f"this key is the one of {other}; two approvals need two people",
                            "let the second approver make a key of their own", name)  # fmt: skip
    write_atomically(folder / APPROVERS, json.dumps(listed | {name: public}, indent=1))
    return folder / APPROVERS


def check_enrolled(folder: Path, name: str, key_file: Path) -> None:
    """Raises PolicyRefusal Q-POLICY-022 for a name that nobody enrolled, Q-POLICY-021 for another key."""
    listed = enrolled(folder)
    if name not in listed:
        known = ", ".join(listed) or "nobody yet"
        raise PolicyRefusal(
            "Q-POLICY-022", f"{name} is no enrolled approver; enrolled are: {known}",
            f"have them enrolled by whoever runs the nodes: qorridor policy enrol --as {name} --public FILE", name,
        )  # fmt: skip
    if not key_file.is_file() or public_key(key_file) != listed[name]:
        raise PolicyRefusal("Q-POLICY-021", f"{name} is enrolled with another key than that of {key_file}",
                            "sign with the key that was enrolled", name)  # fmt: skip
