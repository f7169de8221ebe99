"""The journal of a node: leaves from the store's event rows, checkpoints signed and left with neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from qorridor.adapters.peers.client import PeerClient
from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.adapters.wire.files import write_atomically
from qorridor.app.node_notes import Notes
from qorridor.base.canonical import canonical_json, strict_json
from qorridor.base.errors import EvidenceError, KeySupplyError, OutsideError
from qorridor.prove.note import Checkpoint, open_note, read_key

JOURNAL = "journal"
SEQUENCE_SECONDS = 0.25
CHECKPOINT_SECONDS = 5.0


class NodeJournal:
    """Sequences one node's events and keeps the newest checkpoints of its neighbours."""

    def __init__(self, state: Path, journal: Journal, store: SqliteStore, notes: Notes) -> None:
        self._state = state
        self._notes = notes
        self._journal = journal
        self._store = store
        self._left_with: dict[str, str] = {}

    @property
    def size(self) -> int:
        """Records in the journal."""
        return self._journal.size

    async def run(self, peers: Mapping[str, PeerClient]) -> None:
        """Sequence and sign until cancelled."""
        signed_at, note = 0.0, ""
        while True:
            await asyncio.sleep(SEQUENCE_SECONDS)
            try:
                await self.sequence()
                if time.monotonic() - signed_at < CHECKPOINT_SECONDS:
                    continue
                signed_at = time.monotonic()
                fresh = await asyncio.to_thread(self._journal.checkpoint)
                note = fresh or note
                await self._leave(note, peers)
                self._notes.over(JOURNAL)
            except OutsideError as error:  # a full disk: the events wait in the store
                self._notes.alarm(JOURNAL, error)

    async def sequence(self) -> None:
        """Bring all events of the store into the journal; raises OutsideError Q-PROOF-010 when some
        between them are gone."""
        while rows := await self._store.events_after(self._journal.size):
            if rows[0][0] != self._journal.size + 1:
                raise OutsideError(
                    "Q-PROOF-010", f"the journal ends at record {self._journal.size}, the store goes on at {rows[0][0]}",
                    "restore the journal's files forward: the records between are in no other place", str(self._state),
                )  # fmt: skip
            await asyncio.to_thread(self._journal.append, [leaf for _, leaf in rows])

    async def close(self) -> None:
        """Sequence what is left and sign it."""
        await self.sequence()
        await asyncio.to_thread(self._journal.checkpoint)

    async def _leave(self, note: str, peers: Mapping[str, PeerClient]) -> None:
        body = canonical_json({"vkeys": [*self._journal.verification_keys], "note": note})
        for site, peer in peers.items():
            if note and self._left_with.get(site) != note:
                with contextlib.suppress(OutsideError, KeySupplyError):  # told again at the next checkpoint
                    await peer.keep_checkpoint(body)
                    self._left_with[site] = note

    def keep(self, site: str, body: bytes) -> None:
        """Keep a neighbour's newest checkpoint; raises EvidenceError when it is unsigned or older than
        the one that is held: a log only grows."""
        told = strict_json(body)
        keys = told.get("vkeys") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(keys, list):
            raise ValueError("a checkpoint comes with its verification keys")
        folder = self._state / "checkpoints"
        pinned = folder / f"{site}.vkeys"
        if not pinned.is_file():
            write_atomically(pinned, "\n".join(map(str, keys)) + "\n")
        fresh = read_held(pinned, str(told["note"]))
        file = folder / f"{site}.checkpoint"
        if file.is_file() and read_held(pinned, file.read_text()).size > fresh.size:
            raise EvidenceError(
                "Q-PROOF-008", f"{site} shows a shorter journal than the one that is held here",
                "its journal was cut or restored from a backup: verify it", site,
            )  # fmt: skip
        write_atomically(file, str(told["note"]))


def read_held(vkeys: Path, note: str) -> Checkpoint:
    """A checkpoint that a neighbour holds, verified with the keys that it pinned."""
    return open_note(note, [read_key(line) for line in vkeys.read_text().splitlines()])
