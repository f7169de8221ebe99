"""`qorridor prove blocks`: recompute the key lengths that the journals of a run state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qorridor.adapters.stores.journal import JournalFiles
from qorridor.base.errors import EvidenceError, QorridorError
from qorridor.distill.record import recompute_length

# What an altered record can make of arithmetic and look-ups; anything else is a fault of ours.
_BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class BlockVerdict:
    """One distilled block of a journal: the key length it states and the one its own numbers allow."""

    site: str
    link: str
    block_id: str
    length: int
    proof: str
    simulated: bool
    fault: str = ""


def recompute_blocks(run: Path, site: str) -> list[BlockVerdict]:
    """Recompute the key length of every block in a site's journal from its record alone.

    What cannot be read is one faulty row; the rest is judged all the same.
    """
    folder = run / f"node-{site}" / "journal"
    try:
        if not folder.is_dir():
            raise EvidenceError("Q-PROOF-021", "the journal is not there", "restore it", str(folder))
        entries, _ = JournalFiles(folder).read()
    except EvidenceError as error:
        return [_faulty(site, error.cause)]
    except OSError as error:
        return [_faulty(site, f"the journal cannot be read: {(error.strerror or 'unknown').lower()}")]
    verdicts = [_verdict(site, number, entry) for number, entry in enumerate(entries)]
    return [verdict for verdict in verdicts if verdict is not None]


def _faulty(site: str, fault: str) -> BlockVerdict:
    return BlockVerdict(site, "", "", 0, "", simulated=False, fault=fault)


def _verdict(site: str, number: int, entry: bytes) -> BlockVerdict | None:
    """The verdict on one entry; None for a readable one that speaks of no block."""
    try:
        leaf = json.loads(entry)
        if leaf["type"] != "link.block":
            return None
        record = json.loads(leaf["body"]["record"])
        link, block_id, simulated = str(leaf["body"]["link"]), str(leaf["subject"]), bool(leaf["simulated"])
        proof = str(record.get("proof_id", ""))
    except _BROKEN as error:
        return _faulty(site, f"record {number} of the journal cannot be read ({type(error).__name__})")
    length, fault = _judged(record, block_id)
    return BlockVerdict(site, link, block_id, length, proof, simulated, fault)


def _judged(record: dict[str, Any], block_id: str) -> tuple[int, str]:
    """Key length in bits, and what is wrong with the record."""
    if record.get("state") != "RELEASED":
        return 0, f"key was taken from a block whose record says {record.get('state')}"
    if record.get("block_id") != block_id:
        return 0, f"the record is that of another block, {str(record.get('block_id'))[:12]}"
    try:
        return recompute_length(record), ""
    except QorridorError as error:
        return 0, error.cause
    except _BROKEN as error:
        return 0, f"the record lacks a number or holds one that cannot be ({type(error).__name__}: {error})"
