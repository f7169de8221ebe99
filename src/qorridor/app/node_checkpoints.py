"""The newest checkpoint of each neighbour's journal, kept here: a log only grows, and never forks.

checkpoints/SITE.vkeys       its keys as first seen, pinned once a note has verified under them
checkpoints/SITE.checkpoint  its newest note
checkpoints/SITE.fork-N-HASH.{held,shown}   two notes that contradict each other, signed by the same keys
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from qorridor.adapters.wire.files import write_atomically
from qorridor.app.node_notes import Notes
from qorridor.base.canonical import strict_json
from qorridor.base.errors import EvidenceError, KeySupplyError
from qorridor.prove.merkle import is_consistent
from qorridor.prove.note import Checkpoint, open_note, read_key
from qorridor.records.events import Event

STALE = "Q-PROOF-041"
MOST_FORKS = 16
"""Forks of one neighbour that are kept as evidence: one is proof enough, and a disk is finite."""
_MOST_KEYS = 8
_MOST_HASHES = 128


def _opened(vkeys: list[str], note: str) -> Checkpoint:
    return open_note(note, [read_key(line) for line in vkeys])


class Checkpoints:
    """What one node keeps of the logs `ORIGIN/SITE` of its neighbours `sites`."""

    def __init__(self, state: Path, origin: str, sites: Collection[str], notes: Notes) -> None:
        self._folder = state / "checkpoints"
        self._origin = origin
        self._sites = sites
        self._notes = notes

    def held(self, site: str) -> str:
        """The newest note of a neighbour, empty when there is none."""
        file = self._file(site)
        return file.read_text() if file.is_file() else ""

    def _file(self, site: str) -> Path:
        if site not in self._sites:
            raise KeySupplyError("Q-PROOF-043", f"{site} is no neighbour whose journal is followed here",
                                 "compare the estates of both sites", site)  # fmt: skip
        return self._folder / f"{site}.checkpoint"

    def keep(self, site: str, body: bytes) -> None:
        """Keep a neighbour's newest checkpoint once it has proved that its log only grew.

        Raises ValueError for a malformed message; EvidenceError Q-PROOF-040 for a fork (both notes are
        kept), Q-PROOF-008 for a shorter log, Q-PROOF-041 when the proof is not for the note held here.
        """
        file = self._file(site)
        vkeys, note, old, proof = _read(body)
        pinned = file.with_suffix(".vkeys")
        known = pinned.read_text().splitlines() if pinned.is_file() else vkeys
        shown = _opened(known, note)
        if shown.origin != f"{self._origin}/{site}":
            raise EvidenceError("Q-PROOF-042", f"{site} shows a checkpoint of another log, {shown.origin[:80]}",
                                "its estate names another organisation, or its journal was exchanged", site)  # fmt: skip
        if file.is_file():
            text = file.read_text()
            self._compare(site, text, _opened(known, text), note, shown, old, proof)
        if not pinned.is_file():
            write_atomically(pinned, "\n".join(vkeys) + "\n")
        write_atomically(file, note)

    def _compare(
        self, site: str, text: str, held: Checkpoint, note: str, shown: Checkpoint, old: int, proof: list[bytes]
    ) -> None:  # fmt: skip
        if held.size > shown.size:
            raise EvidenceError(
                "Q-PROOF-008", f"{site} shows a shorter journal than the one that is held here",
                "its journal was cut or restored from a backup: verify it", site,
            )  # fmt: skip
        if held.size not in {shown.size, old}:
            raise EvidenceError(
                STALE, f"the proof begins at record {old}, the checkpoint held here ends at {held.size}",
                "the neighbour asks what is held and proves from there, by itself", site,
            )  # fmt: skip
        if not is_consistent(held.size, shown.size, held.root, shown.root, proof if old == held.size else []):
            raise self._fork(site, text, held, note, shown)

    def _fork(self, site: str, text: str, held: Checkpoint, note: str, shown: Checkpoint) -> EvidenceError:
        error = EvidenceError(
            "Q-PROOF-040", f"{site} signed two journals that contradict each other, of {held.size} and "
            f"{shown.size} records", "do not trust its records: both notes lie in `checkpoints`, look at its node", site,
        )  # fmt: skip
        name = f"{site}.fork-{shown.size}-{hashlib.sha256(note.encode()).hexdigest()[:16]}"
        shown_file, held_file = self._folder / f"{name}.shown", self._folder / f"{name}.held"
        kept = len(list(self._folder.glob(f"{site}.fork-*.shown")))
        if not shown_file.is_file() and kept < MOST_FORKS:
            self._notes.put(Event(
                "ledger.fork", site, {"held": text, "shown": note, "code": error.code}, severity="P1"
            ))  # fmt: skip
            self._notes.alarm(f"fork-{site}", error, "P1")
            write_atomically(held_file, text)
            write_atomically(shown_file, note)
        return error


def _read(body: bytes) -> tuple[list[str], str, int, list[bytes]]:
    """(verification keys, note, size that the proof begins at, proof) of a message; raises ValueError."""
    told: Any = strict_json(body)
    if not isinstance(told, dict):
        raise ValueError("a checkpoint is told in a JSON object")
    vkeys, note, old, proof = (told.get(name) for name in ("vkeys", "note", "old", "proof"))
    if (
        not isinstance(vkeys, list)
        or not 1 <= len(vkeys) <= _MOST_KEYS
        or not all(_is_line(key) for key in vkeys)
    ):
        raise ValueError("a checkpoint comes with its verification keys")
    if not isinstance(note, str) or not note:
        raise ValueError("the note of a checkpoint is missing")
    if not isinstance(old, int) or isinstance(old, bool) or old < 0:
        raise ValueError("old is the size that the proof begins at")
    if not isinstance(proof, list) or len(proof) > _MOST_HASHES or not all(isinstance(h, str) for h in proof):
        raise ValueError("the proof is a list of hashes")
    hashes = [base64.b64decode(text, validate=True) for text in proof]
    if any(len(item) != 32 for item in hashes):
        raise ValueError("a hash of the proof has not 32 bytes")
    return vkeys, note, old, hashes


def _is_line(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isprintable()
