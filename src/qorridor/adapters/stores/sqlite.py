"""The default key store: SQLite in WAL mode with synchronous=FULL, one writer thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qorridor.adapters.stores import figures, schema
from qorridor.adapters.stores.blocks import Blocks
from qorridor.adapters.stores.epoch_keys import EpochKeys, epochs_used
from qorridor.adapters.stores.keys import Keys, held_place
from qorridor.adapters.stores.lifetimes import same_clock
from qorridor.adapters.stores.outbox import Outbox, given_up
from qorridor.adapters.stores.rolls import Rolls
from qorridor.adapters.stores.row_store import RowStore
from qorridor.adapters.stores.sealing import Sealer
from qorridor.adapters.stores.writer import Writer
from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import (
    NO_USE,
    Allotment,
    Association,
    Keep,
    KeyCounts,
    LinkStock,
    Pad,
    PadUse,
    Share,
)
from qorridor.ports.rolls import Row
from qorridor.ports.world import Clock
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey, KeyBlock


class SqliteStore(RowStore):
    """KeyStore (ports.key_store) over one SQLite file; see `schema` for its tables.

    Events are numbered after the `journalled` ones: a new store goes on where the journal of an old one ends.
    """

    def __init__(self, folder: Path, root: Sealer, clock: Clock, source: str, *, journalled: int = 0) -> None:
        self._source = source
        self._folder = folder
        database, self._lock = schema.open_database(folder)
        try:
            self._epochs = EpochKeys(folder / "epochs", root, clock, epochs_used(database))
            self.incarnation, self.was_restored = schema.settle_incarnation(database, folder)
        except OutsideError:
            database.close()
            self._lock.close()
            raise
        if self._epochs.missing and not self.was_restored:  # the database is older than its epochs' keys
            self.incarnation, self.was_restored = schema.renew_incarnation(database, folder), True
        rolls = Rolls(database, self._epochs, clock)
        writer = Writer(database, folder, rolls, clock, source, journalled)
        super().__init__(database, rolls, writer, Outbox(database), clock)
        self._blocks = Blocks(database, self._epochs, schema.settle_identity(database, self.incarnation))
        self._keys = Keys(database, self._blocks, self._epochs, self._outbox, clock)
        self._writer.told(self._go_on)

    def _go_on(self) -> None:
        """What a start finds of an earlier life: nothing of a restored copy counts, what was begun is given up."""
        if self.was_restored:
            self._void_everything()
        self._look_at_the_clock()
        unfinished = self._outbox.open()
        if unfinished:
            events = [_voided(txid, "restart") for txid in unfinished]
            with self._writer.transaction(events) as labels:
                for txid in unfinished:
                    labels[txid] = any(self._keys.void("txid = ?", txid, "restart").values())
                    self._outbox.give_up(txid, "restart")
        self._epochs.end_all_but(epochs_used(self._db))

    @property
    def trouble(self) -> OutsideError | None:
        """Why nothing can be written at present; None while the newest write succeeded."""
        return self._writer.trouble

    async def checkpoint(self) -> None:
        """Empty the write-ahead log: erased keys stay in it otherwise, secure_delete or not."""
        await self._run(lambda: self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def close(self) -> None:
        """Checkpoint and close; raises OutsideError when the log could not be emptied, and closes all the same."""
        try:
            await self.checkpoint()
        finally:
            self._writer.close()
            self._db.close()
            self._lock.close()

    def _burn(self, cause: str, bits: int) -> None:
        schema.add_to_total(self._db, f"{schema.BURNT}{cause}", bits)

    def _look_at_the_clock(self) -> None:
        """A clock that was set, or a machine that was started again, while the node was down: how long the open
        keys have waited is not known, so they are over."""
        wall, known = self._keys.lifetimes.mark(), schema.get_meta(self._db, "clock")
        if known is not None and same_clock(known, wall):
            return
        schema.set_meta(self._db, "clock", wall)
        if known is None:
            return
        event = Event("key.clock-unknown", self._source, {"was": known, "is": wall}, severity="P3")
        with self._writer.transaction() as labels:
            labels.update(self._keys.void("expires > ?", 0.0, "clock-unknown"))
            self._writer.record([event], labels)

    def _void_everything(self) -> None:
        with self._writer.transaction([Event("key.store-restored", self._source, severity="P2")]) as labels:
            labels["all"] = self._blocks.any_simulated() or self._keys.any_simulated()
            self._burn("restored", self._blocks.drop_all())
            self._rolls.forget_unreadable(self._epochs.missing)
            self._db.execute(
                "UPDATE key SET state = 'void', cause = 'restored', material = NULL, finished = ?"
                " WHERE state IN ('reserved', 'bound')", (self._clock.now(),),
            )  # fmt: skip

    async def renew_epoch(self) -> bool:
        """Once the epoch's day is over: seal all under a new one's key and destroy the old; whether it was."""

        def work() -> bool:
            if not self._epochs.is_over:
                return False
            self._epochs.begin()
            with self._writer.transaction():
                for part in (self._blocks, self._keys, self._rolls):
                    part.seal_again(self._epochs)
            self._epochs.end_all_but(epochs_used(self._db))
            return True

        return await self._run(work)

    async def quarantine(self) -> None:
        """Void everything under a fresh incarnation: this store lags behind what its node has done."""

        def work() -> None:
            self._void_everything()
            self.incarnation = schema.renew_incarnation(self._db, self._folder)

        await self._run(work)

    # -- blocks -------------------------------------------------------------------------------

    async def ingest(self, block: KeyBlock, *, owned: bool, keep: Keep, also: Sequence[Row] = ()) -> None:
        """Take in a block once; of its atoms the first `keep.atoms` are kept, the rest is burnt."""

        def work() -> None:
            with self._writer.transaction(also):
                surplus = self._blocks.add(block, owned=owned, keep=keep, now=self._keys.lifetimes.now())
                if surplus is not None:
                    schema.add_to_total(self._db, "ingested", len(block.key) * 8)
                    self._burn("surplus", surplus)
                if owned:
                    self._blocks.trim(block.link, keep)
                self._burn("unused", self._blocks.drop_spent(block.link, keep))

        await self._run(work)

    async def stock(self, link: str, each: int = 1) -> LinkStock:
        """What lies in store for one link, for keys of `each` atoms in a row."""
        return await self._run(lambda: self._blocks.stock(link, each))

    # -- agreement ----------------------------------------------------------------------------

    async def reserve(
        self, link: str, association: Association, count: int, txid: str, *,
        share: Share = Share.CORRIDORS, also: Sequence[Row] = (),
    ) -> list[Allotment]:  # fmt: skip
        """Owner end: allot `count` keys of a share, or raise KeySupplyError and allot nothing: Q-KEY-020 when
        there are too few, Q-KEY-028 when only the corridors' share has so many."""

        def work() -> list[Allotment]:
            with self._writer.transaction(also):
                self._outbox.promise(txid, association.path[-1], self._clock.now())
                return [self._keys.reserve(link, association, txid, share) for _ in range(count)]

        return await self._run(work)

    async def bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str,
        also: Sequence[Row] = (),
    ) -> None:  # fmt: skip
        """Other end: check place, ownership and digest, then bind all or raise KeySupplyError."""

        def work() -> None:
            with self._writer.transaction() as labels:
                labels.update(self._keys.bind(link, association, allotments, txid))
                self._writer.record(also if labels else (), labels)  # a repeated call is told once

        await self._run(work)

    async def ready(self, txid: str, also: Sequence[Row] = ()) -> None:
        """Owner end: every peer has acknowledged; reserved becomes bound, all of a transaction or none."""

        def work() -> None:
            with self._writer.transaction(also):
                reserved = self._db.execute(
                    "UPDATE key SET state = 'bound' WHERE txid = ? AND role = 'initiator' AND state = 'reserved'",
                    (txid,),
                )
                others = self._db.execute(
                    "SELECT 1 FROM key WHERE txid = ? AND role = 'initiator' AND state NOT IN ('bound', 'delivered')",
                    (txid,),
                )
                if reserved.rowcount < 1 or others.fetchone() is not None:
                    raise given_up(txid)

        await self._run(work)

    async def hold(
        self, association: Association, key_id: str, key: Secret, txid: str, role: str, *,
        simulated: bool, also: Sequence[Row] = (),
    ) -> None:  # fmt: skip
        """Keep a relayed key at one of its ends (`role` initiator: reserved, target: bound)."""
        state = "reserved" if role == "initiator" else "bound"
        material = self._epochs.seal(key.reveal(), held_place(key_id, role))
        allotment = Allotment(key_id, b"", 0, 0, association.size_bits, b"", simulated)

        def work() -> None:
            with self._writer.transaction(also) as labels:
                labels[key_id] = simulated
                self._outbox.check_not_barred(txid)
                known = self._db.execute(
                    "SELECT txid FROM key WHERE key_id = ? AND role = ?", (key_id, role)
                ).fetchone()
                if known is None:
                    self._keys.insert(allotment, association, txid, role, state, material)
                elif known[0] != txid:
                    raise KeySupplyError("Q-KEY-022", "one key_ID arrived for two transactions",
                                         "look at the peer: it repeats transactions wrongly", key_id)  # fmt: skip

        await self._run(work)

    # -- pads ---------------------------------------------------------------------------------

    async def take_pad(
        self, link: str, count: int, *, share: Share = Share.CORRIDORS, use: PadUse = NO_USE
    ) -> Pad:
        """Owner end: `count` atoms for one-time use, durably gone from the store when returned."""

        def work() -> Pad:
            with self._writer.transaction():
                if use.promised_to:
                    self._outbox.promise(use.txid, use.promised_to, self._clock.now())
                block, first = self._blocks.allot(link, count, share)
                return self._keys.consume(block, first, count, "initiator", use)

        return await self._run(work)

    async def match_pad(
        self, link: str, block_id: bytes, first: int, count: int, *, use: PadUse = NO_USE
    ) -> Pad:
        """Other end: the same atoms, durably gone from the store when returned."""

        def work() -> Pad:
            with self._writer.transaction():
                self._outbox.check_not_barred(use.txid)
                block = self._blocks.find(block_id)
                if (
                    block is None or block.link != link or block.owned or first < 1
                    or first + count > block.atoms or not self._blocks.is_free(block_id, first, count)
                ):  # fmt: skip
                    raise KeySupplyError(
                        "Q-KEY-023", "the peer uses pad that this end does not hold for it",
                        "nothing was relayed; the peer takes a newer block", link,
                    )  # fmt: skip
                return self._keys.consume(block, first, count, "target", use)

        return await self._run(work)

    async def path_of(self, txid: str) -> tuple[str, ...] | None:
        """The path of a transaction that left something here; None for any other."""
        return await self._run(lambda: self._keys.path_of(txid))

    # -- delivery -----------------------------------------------------------------------------

    async def deliver(
        self, key_ids: Sequence[str], to: str, *, as_initiator: bool, partner: str = "",
        also: Sequence[Row] = (),
    ) -> list[DeliveredKey]:  # fmt: skip
        """All keys or none; raises PolicyRefusal for a foreign key, KeySupplyError Q-KEY-024 for a
        missing one. The bytes are returned after the rows are gone."""
        role = "initiator" if as_initiator else "target"

        def work() -> list[DeliveredKey]:
            with self._writer.transaction(also) as labels:
                rows = [self._keys.deliverable(key_id, to, role, partner) for key_id in key_ids]
                if None in rows:
                    raise KeySupplyError(
                        "Q-KEY-024", "one or more keys specified are not found on KME",
                        "fetch each key once, within its lifetime, at the KME of the right site",
                    )  # fmt: skip
                if as_initiator:  # from here on the agreement is complete
                    for txid in self._keys.transactions_of(key_ids, role):
                        self._outbox.settle(txid)
                keys = [self._keys.hand_out(row, role) for row in rows if row is not None]
                labels.update({key.key_id: key.simulated for key in keys})
                return keys

        return await self._run(work)

    # -- ends ---------------------------------------------------------------------------------

    async def void(self, txid: str, cause: str, also: Sequence[Row] = ()) -> list[str]:
        """Burn what a transaction reserved or bound and nobody has fetched, and take nothing of it that comes
        later; returns the key_IDs."""

        def work() -> list[str]:
            with self._writer.transaction() as labels:
                self._outbox.bar(txid, self._clock.now())
                labels.update(self._keys.void("txid = ?", txid, cause))
                self._writer.record(also if labels else (), labels)
                return list(labels)

        return await self._run(work)

    async def expire(self, also: Sequence[Row] = ()) -> list[str]:
        """Void every reserved or bound key whose time is over."""

        def work() -> list[str]:
            with self._writer.transaction() as labels:
                labels.update(self._keys.void("expires < ?", self._keys.lifetimes.now(), "expired"))
                self._writer.record(also if labels else (), labels)
                return list(labels)

        return await self._run(work)

    async def abandon(self, txid: str, cause: str, also: Sequence[Row] = ()) -> str:
        """Owner end: void a transaction and owe its peer the news; returns the peer, empty when none was
        promised any. `also` as for `void`."""

        def work() -> str:
            with self._writer.transaction() as labels:
                labels.update(self._keys.void("txid = ?", txid, cause))
                self._writer.record(also if labels else (), labels)
                return self._outbox.give_up(txid, cause)

        return await self._run(work)

    async def meet(self, site: str, incarnation: str, links: Sequence[str], also: Sequence[Row] = ()) -> bool:
        """Note another node's incarnation; True when its store is another one than before: then every open
        key over it and every block of the common `links` is burnt, and `also` recorded."""

        def work() -> bool:
            with self._writer.transaction() as labels:
                known = self._outbox.met(site)
                self._outbox.meet(site, incarnation, self._clock.now())
                if known in {"", incarnation}:
                    return False
                labels["blocks"] = self._blocks.any_simulated()
                labels.update(self._keys.void("instr(path, ?)", f'"{site}"', "peer-restored"))
                self._burn("peer-restored", sum(self._blocks.burn_link(link) for link in links))
                self._writer.record(also, labels)
                return True

        return await self._run(work)

    async def burn_block(self, block_id: bytes, cause: str, also: Sequence[Row] = ()) -> None:
        """Give up a whole block whose two ends disagree."""

        def work() -> None:
            with self._writer.transaction(also) as labels:
                block = self._blocks.find(block_id)
                labels["block"] = block is not None and block.simulated
                self._db.execute(
                    "UPDATE key SET state = 'void', cause = ?, finished = ?"
                    " WHERE block_id = ? AND state IN ('reserved', 'bound')",
                    (cause, self._clock.now(), block_id),
                )
                self._burn(cause, self._blocks.burn(block_id))

        await self._run(work)

    async def count(self) -> KeyCounts:
        """The bit balance of the whole store."""
        return await self._run(lambda: figures.balance(self._db, self._blocks.available_bits()))

    async def burnt(self) -> dict[str, int]:
        """Bits burnt by cause, voided keys included."""
        return await self._run(lambda: figures.burnt(self._db))

    async def ages(self) -> dict[str, Json]:
        """Seconds: `blocks` gives the oldest and newest stored block of each link, `open` the oldest key
        that is reserved or bound (None without one)."""
        now = self._keys.lifetimes.now()
        return await self._run(lambda: figures.ages(self._db, self._keys.oldest_open(), now))

    def clock_jump(self) -> float:
        """Seconds by which the wall clock was set since the start (lifetimes go on as if it had not been)."""
        return self._keys.lifetimes.jump()


def _voided(txid: str, cause: str) -> Event:
    return Event("key.void", txid, {"cause": cause}, severity="P4")
