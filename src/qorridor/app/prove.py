"""`qorridor prove`: verify the journals of a run, and recompute the key lengths that they state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qorridor.adapters.stores.journal import JournalFiles
from qorridor.app.node_journal import held_checkpoints, read_held
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.distill.record import recompute_length
from qorridor.prove.verify import Verified, verify_journal


def sites_of(run: Path) -> list[str]:
    """Sites whose journals lie in a run's folder."""
    return sorted(path.name.removeprefix("node-") for path in run.glob("node-*") if path.is_dir())


def verify_site(run: Path, site: str) -> Verified:
    """Verify one site's journal; raises EvidenceError with what is wrong, OutsideError without a journal.

    The log's keys are taken from a neighbour that has pinned them, where there is one: keys that
    lie beside the log are only a convenience.
    """
    folder = run / f"node-{site}" / "journal"
    if not (folder / "vkeys").is_file():
        raise OutsideError(
            "Q-PROOF-009", f"{site} has no journal", "give the run's folder with --run", str(folder)
        )
    pinned = sorted(run.glob(f"node-*/checkpoints/{site}.vkeys"))
    # A node may go on meanwhile: signed sizes are read first, the records that they cover afterwards.
    held = held_checkpoints(run, site)
    note = folder / "checkpoint"
    if not note.is_file():
        raise EvidenceError("Q-PROOF-005", f"the journal of {site} has no signed checkpoint",
                            "it was removed, or the node never ran for five seconds", str(folder))  # fmt: skip
    own = read_held(pinned[0] if pinned else folder / "vkeys", note.read_text())
    entries, hashes = JournalFiles(folder).read()
    return verify_journal(entries, hashes, own, held)


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
    """Recompute the key length of every block in a site's journal from its record alone."""
    entries, _ = JournalFiles(run / f"node-{site}" / "journal").read()
    return [_verdict(site, json.loads(entry)) for entry in entries if b'"type":"link.block"' in entry]


def _verdict(site: str, leaf: dict[str, Any]) -> BlockVerdict:
    record = json.loads(leaf["body"]["record"])
    fault = ""
    try:
        length = recompute_length(record)
    except (EvidenceError, KeyError, ValueError) as error:
        length, fault = 0, error.cause if isinstance(error, EvidenceError) else f"the record lacks {error}"
    return BlockVerdict(
        site, str(leaf["body"]["link"]), str(leaf["subject"]), length, str(record.get("proof_id", "")),
        bool(leaf["simulated"]), fault,
    )  # fmt: skip
