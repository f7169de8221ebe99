"""Verify a journal: its records against its own checkpoint, and both against what a neighbour holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qorridor.base.errors import EvidenceError
from qorridor.prove.merkle import leaf_hash, root_of
from qorridor.prove.note import Checkpoint


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: records, their root, and the neighbour whose checkpoint was used (if any)."""

    size: int
    root: bytes
    neighbour: str
    neighbour_size: int


def verify_journal(
    entries: Sequence[bytes], hashes: Sequence[bytes], own: Checkpoint, held: Mapping[str, Checkpoint]
) -> Verified:
    """Check `entries` (with the leaf hashes stored beside them) against the log's own checkpoint and
    the newest one of each neighbour. Raises EvidenceError Q-PROOF-004 (altered or reordered),
    Q-PROOF-005 (removed) or Q-PROOF-006 (rewritten), naming the record where it can be named."""
    leaves = [leaf_hash(entry) for entry in entries]
    if len(leaves) < own.size:
        raise EvidenceError(
            "Q-PROOF-005", f"the journal holds {len(leaves)} records, its own checkpoint says {own.size}",
            "records were removed: restore the journal forward, never back", own.origin,
        )  # fmt: skip
    if root_of(leaves[: own.size]) != own.root:
        raise EvidenceError(
            "Q-PROOF-004", f"the records do not give the signed root{_first_difference(leaves, hashes)}",
            "a record was altered or moved: keep this copy as evidence and restore the journal", own.origin,
        )  # fmt: skip
    newest = max(held.items(), key=lambda item: item[1].size, default=None)
    for site, checkpoint in held.items():
        if checkpoint.size > len(leaves):
            raise EvidenceError(
                "Q-PROOF-005", f"{site} holds a checkpoint of {checkpoint.size} records, the journal has {len(leaves)}",
                "records were removed from the end: restore the journal forward", own.origin,
            )  # fmt: skip
        if root_of(leaves[: checkpoint.size]) != checkpoint.root:
            raise EvidenceError(
                "Q-PROOF-006", f"the first {checkpoint.size} records are not those whose root {site} holds",
                "the journal was rewritten and signed again: treat its key as stolen", own.origin,
            )  # fmt: skip
    if difference := _first_difference(leaves, hashes):
        raise EvidenceError(
            "Q-PROOF-004", f"records that are not signed yet differ from their stored hashes{difference}",
            "a record was altered: keep this copy as evidence and restore the journal", own.origin,
        )  # fmt: skip
    if newest is None:
        return Verified(own.size, own.root, "", 0)
    return Verified(own.size, own.root, newest[0], newest[1].size)


def _first_difference(leaves: Sequence[bytes], hashes: Sequence[bytes]) -> str:
    for index, (leaf, stored) in enumerate(zip(leaves, hashes, strict=False)):
        if leaf != stored:
            return f": record {index} is not the one that was written"
    return ""
