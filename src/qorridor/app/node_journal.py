"""The journal of a node: leaves from the store's event rows, checkpoints signed and left with neighbours.

Before the first signature after a start, each neighbour is asked for the newest checkpoint that it holds of
this log: a journal that does not go on from there was cut or exchanged, and nothing more is signed.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping

from qorridor.adapters.peers.client import PeerClient
from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.app.node_notes import Notes
from qorridor.base.canonical import Json
from qorridor.base.errors import EvidenceError, KeySupplyError, OutsideError
from qorridor.prove.note import open_note, read_key
from qorridor.records.events import Event

JOURNAL = "journal"
FORK = "journal-fork"
SEQUENCE_SECONDS = 0.25
ASK_SECONDS = 1.0
CHECKPOINT_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
"""A neighbour that cannot be reached holds up the first signature this long; it is asked all the same later."""


class _OldCopyError(ValueError):
    """A note that this very log has signed, and from which it does not go on."""


class NodeJournal:
    """Sequences one node's events, signs them, and leaves the checkpoints with its neighbours."""

    def __init__(self, journal: Journal, store: SqliteStore, notes: Notes) -> None:
        self._journal = journal
        self._store = store
        self._notes = notes
        self._held: dict[str, int] = {}
        """Records of this log that each neighbour holds; who has not answered yet is missing."""
        self._note, self._noted = "", 0
        self._is_fork = self._alone = False
        self._started = time.monotonic()
        self._may_sign = False

    @property
    def size(self) -> int:
        """Records in the journal."""
        return self._journal.size

    def is_compared(self) -> bool:
        """Whether a neighbour has said what it holds of this log, or none could be asked for half a minute."""
        return bool(self._held) or self._alone or time.monotonic() - self._started > PATIENCE_SECONDS

    async def run(self, peers: Mapping[str, PeerClient]) -> None:
        """Sequence, ask and sign until cancelled."""
        started, asked_at, signed_at = time.monotonic(), 0.0, 0.0
        self._alone = not peers
        while True:
            await asyncio.sleep(SEQUENCE_SECONDS)
            now = time.monotonic()
            try:
                await self.sequence()
                if now - asked_at >= ASK_SECONDS:
                    asked_at = now
                    await self.ask(peers)
                self._may_sign = self._held.keys() >= peers.keys() or now - started > PATIENCE_SECONDS
                if self._may_sign and now - signed_at >= CHECKPOINT_SECONDS:
                    signed_at = now
                    await self.sign(peers)
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
                    "restore the journal's files forward: the records between are in no other place",
                    self._journal.origin,
                )  # fmt: skip
            await asyncio.to_thread(self._journal.append, [leaf for _, leaf in rows])

    async def sign(self, peers: Mapping[str, PeerClient]) -> None:
        """Sign what there is and leave it with each neighbour; nothing is signed over a fork."""
        if self._is_fork:
            return
        fresh = await asyncio.to_thread(self._journal.checkpoint)
        if fresh is not None:
            self._note, self._noted = fresh, self._journal.size
        await asyncio.gather(*(self._leave(site, peer) for site, peer in peers.items()))

    async def close(self) -> None:
        """Sequence what is left and sign it."""
        await self.sequence()
        if self._may_sign and not self._is_fork:
            await asyncio.to_thread(self._journal.checkpoint)

    # -- the neighbours -----------------------------------------------------------------------

    async def ask(self, peers: Mapping[str, PeerClient]) -> None:
        """Ask each neighbour that has not answered yet what it holds of this log."""
        await asyncio.gather(
            *(self._ask(site, peer) for site, peer in peers.items() if site not in self._held)
        )

    async def _ask(self, site: str, peer: PeerClient) -> None:
        try:
            note = await peer.held_checkpoint()
        except (OutsideError, KeySupplyError):
            return  # asked again in a moment
        try:
            self._held[site] = self._checked(note)
        except (EvidenceError, ValueError) as error:
            if isinstance(
                error, _OldCopyError
            ):  # an old copy of this node: its keys may have been spent since
                await self._store.quarantine()
            self._held[site] = -1
            self._stop_signing(site, note, error)

    def _checked(self, note: str) -> int:
        """The size of a note that this journal goes on from; raises EvidenceError or ValueError otherwise."""
        if not note:
            return 0
        held = open_note(note, [read_key(key) for key in self._journal.verification_keys])
        if held.size > self._journal.size or self._journal.root_at(held.size) != held.root:
            raise _OldCopyError(f"it ends at record {held.size}, this journal has {self._journal.size}")
        return held.size

    def _stop_signing(self, site: str, note: str, error: Exception) -> None:
        self._is_fork = True
        told = EvidenceError(
            "Q-PROOF-044", f"this journal does not go on from the checkpoint that {site} holds of it: {error}",
            "restore the journal's files forward, or begin a new journal in a new state directory",
            self._journal.origin,
        )  # fmt: skip
        self._notes.alarm(FORK, told, "P1")
        body: dict[str, Json] = {
            "holder": site,
            "held": note[:16384],
            "records": self._journal.size,
            "code": told.code,
        }
        self._notes.put(Event("ledger.fork", self._journal.origin, body, severity="P1"))

    async def _leave(self, site: str, peer: PeerClient) -> None:
        held, size = self._held.get(site, -1), self._noted
        if not self._note or held < 0 or held >= size:
            return
        proof = await asyncio.to_thread(self._journal.proof, held, size)
        try:
            await peer.keep_checkpoint({
                "vkeys": [*self._journal.verification_keys], "note": self._note, "old": held,
                "proof": [base64.b64encode(item).decode() for item in proof],
            })  # fmt: skip
        except KeySupplyError:
            self._held.pop(site, None)  # it holds another one than we think: ask, and judge by that
        except OutsideError:
            return  # told again at the next checkpoint
        else:
            self._held[site] = size
