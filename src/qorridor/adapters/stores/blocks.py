"""Blocks and their atoms in the store: sealed pages of 64 atoms, a cursor that only moves forward."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from qorridor.adapters.stores.epoch_keys import EpochKeys
from qorridor.adapters.stores.sealing import Sealer
from qorridor.base.errors import KeySupplyError
from qorridor.ports.key_store import Keep, LinkStock, Share
from qorridor.records.keys import ATOM_BITS, KeyBlock
from qorridor.run.agreement import ATOM_BYTES, FIRST_SOLD, BlockKeys

PAGE_ATOMS = 64
_OWNERS = 2
"""An owner keeps `Keep.atoms` of a link, the newest of each share; nothing of it lies behind twice as many."""
_LEFT = {Share.CORRIDORS: "atoms - cursor - sold", Share.SOLD: "sold"}


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block as the store knows it; of an own one the last `sold` free atoms are the SAEs' share."""

    block_id: bytes
    link: str
    owned: bool
    atoms: int
    cursor: int
    simulated: bool


class Blocks:
    """Reads and writes atoms inside the caller's transaction."""

    def __init__(self, database: sqlite3.Connection, epochs: EpochKeys, store_id: str) -> None:
        self._db = database
        self._epochs = epochs
        self._id = store_id

    def add(self, block: KeyBlock, *, owned: bool, keep: Keep, now: float) -> int | None:
        """Store a block's first `keep.atoms` atoms; returns the bits of the rest, None when the block is known."""
        known = self._db.execute("SELECT 1 FROM block WHERE block_id = ?", (block.block_id,)).fetchone()
        if known is not None:
            return None
        atoms = min(len(block.key) // ATOM_BYTES, keep.atoms)
        sold = self._sold_of(block.link, atoms - FIRST_SOLD, keep) if owned else 0
        dek = os.urandom(32)
        place = self._place(block.block_id)
        self._db.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (block.block_id, block.link, block.sequence, owned, atoms, FIRST_SOLD, sold,
             self._epochs.seal(dek, place), block.simulated, block.epsilon, now),
        )  # fmt: skip
        sealer = Sealer(dek)
        view = block.key.reveal()
        for page in range(-(-atoms // PAGE_ATOMS)):
            start, end = page * PAGE_ATOMS, min((page + 1) * PAGE_ATOMS, atoms)
            sealed = sealer.seal(view[start * ATOM_BYTES : end * ATOM_BYTES], f"{place}/{page}")
            self._db.execute("INSERT INTO page VALUES (?, ?, ?)", (block.block_id, page, sealed))
        return len(block.key) * 8 - atoms * ATOM_BITS

    def _sold_of(self, link: str, free: int, keep: Keep) -> int:
        """How many atoms of a new block are the SAEs' share: the corridors lack theirs first, then they; what
        neither lacks replaces older atoms of both alike, so that no share is left behind in old blocks."""
        stock = self.stock(link, 1)
        lacked = min(free, max(0, keep.corridors - stock.corridors))
        sold = min(free - lacked, max(0, keep.sold - stock.sold))
        rest = free - lacked - sold
        both = keep.corridors + keep.sold
        return sold + (-(-rest * keep.sold // both) if both else 0)

    def find(self, block_id: bytes) -> BlockRow | None:
        """One block, or None."""
        row = self._db.execute(
            "SELECT block_id, link, owned, atoms, cursor, simulated FROM block WHERE block_id = ?",
            (block_id,),
        ).fetchone()
        return None if row is None else BlockRow(row[0], row[1], bool(row[2]), row[3], row[4], bool(row[5]))

    def allot(self, link: str, count: int, share: Share) -> tuple[BlockRow, int]:
        """Advance the cursor of the oldest own block whose `share` still has `count` atoms in a row.

        Returns the block and the first atom; raises KeySupplyError Q-KEY-020 when there is none, Q-KEY-028
        when only the corridors' share has one.
        """
        block = self._oldest_with(link, count, share)
        if block is None:
            raise self._insufficient(link, count, share)
        moved = self._db.execute(
            "UPDATE block SET cursor = cursor + ?, sold = sold - ? WHERE block_id = ? AND cursor = ?",
            (count, count if share is Share.SOLD else 0, block.block_id, block.cursor),
        )
        if moved.rowcount != 1:
            raise KeySupplyError(
                "Q-KEY-021", "two allotments met in one block", "this is a defect: report it"
            )
        return block, block.cursor

    def _oldest_with(self, link: str, count: int, share: Share) -> BlockRow | None:
        row = self._db.execute(
            f"SELECT block_id FROM block WHERE link = ? AND owned AND {_LEFT[share]} >= ? ORDER BY sequence LIMIT 1",
            (link, count),
        ).fetchone()
        return None if row is None else self.find(row[0])

    def _insufficient(self, link: str, count: int, share: Share) -> KeySupplyError:
        remedy = "wait for the next block of the link, or ask for fewer keys"
        if share is Share.SOLD and self._oldest_with(link, count, Share.CORRIDORS) is not None:
            return KeySupplyError(
                "Q-KEY-028", f"insufficient keys: link {link} has not {count} atoms left beside those that its "
                "corridors hold back", remedy, link,
            )  # fmt: skip
        return KeySupplyError(
            "Q-KEY-020", f"insufficient keys: link {link} has not {count} atoms of its own left", remedy, link
        )

    def advance(self, block_id: bytes, past: int) -> None:
        """Other end: atoms before `past` were bound or taken, or given up where the owner skipped them."""
        self._db.execute("UPDATE block SET cursor = max(cursor, ?) WHERE block_id = ?", (past, block_id))

    def is_free(self, block_id: bytes, first: int, count: int) -> bool:
        """Other end: whether nothing was ever bound or taken at these atoms."""
        row = self._db.execute(
            "SELECT 1 FROM key WHERE block_id = ? AND first < ? AND first + count > ? LIMIT 1",
            (block_id, first + count, first),
        ).fetchone()
        return row is None

    def keys_of(self, block_id: bytes) -> BlockKeys:
        """The naming and binding keys of a block."""
        return BlockKeys.of(memoryview(self._atoms(block_id, 0, 1)))

    def read(self, block_id: bytes, first: int, count: int) -> bytearray:
        """Atoms in clear; the caller wipes them."""
        return self._atoms(block_id, first, count)

    def _sealer(self, block_id: bytes) -> Sealer:
        row = self._db.execute("SELECT dek FROM block WHERE block_id = ?", (block_id,)).fetchone()
        return Sealer(self._epochs.open(row[0], self._place(block_id)))

    def _place(self, block_id: bytes) -> str:
        return f"{self._id}/{block_id.hex()}"

    def _atoms(self, block_id: bytes, first: int, count: int) -> bytearray:
        sealer, place, out = self._sealer(block_id), self._place(block_id), bytearray()
        for page in range(first // PAGE_ATOMS, (first + count - 1) // PAGE_ATOMS + 1):
            row = self._db.execute(
                "SELECT sealed FROM page WHERE block_id = ? AND page = ?", (block_id, page)
            ).fetchone()
            plain = sealer.open(row[0], f"{place}/{page}")
            start = max(first - page * PAGE_ATOMS, 0)
            end = min(first + count - page * PAGE_ATOMS, PAGE_ATOMS)
            out += plain[start * ATOM_BYTES : end * ATOM_BYTES]
            plain[:] = bytes(len(plain))
        return out

    def erase(self, block_id: bytes, first: int, count: int) -> None:
        """Zero atoms in their pages under fresh nonces; drop the block and its key once all are spent."""
        sealer, place = self._sealer(block_id), self._place(block_id)
        for page in range(first // PAGE_ATOMS, (first + count - 1) // PAGE_ATOMS + 1):
            row = self._db.execute(
                "SELECT sealed FROM page WHERE block_id = ? AND page = ?", (block_id, page)
            ).fetchone()
            plain = sealer.open(row[0], f"{place}/{page}")
            start = max(first - page * PAGE_ATOMS, 0) * ATOM_BYTES
            end = min(first + count - page * PAGE_ATOMS, PAGE_ATOMS) * ATOM_BYTES
            plain[start:end] = bytes(end - start)
            self._db.execute(
                "UPDATE page SET sealed = ? WHERE block_id = ? AND page = ?",
                (sealer.seal(plain, f"{place}/{page}"), block_id, page),
            )

    def trim(self, link: str, keep: Keep) -> None:
        """Give up the oldest own atoms of each share beyond what is kept: what is not needed is not stored."""
        rows = self._db.execute(
            f"SELECT block_id, {_LEFT[Share.CORRIDORS]}, sold FROM block WHERE link = ? AND owned"
            " ORDER BY sequence DESC", (link,),
        ).fetchall()  # fmt: skip
        room, room_sold = keep.corridors, keep.sold
        for block_id, left, sold in rows:
            over, over_sold = max(0, left - room), max(0, sold - room_sold)
            if over or over_sold:
                self._db.execute(
                    "UPDATE block SET cursor = cursor + ?, sold = sold - ? WHERE block_id = ?",
                    (over + over_sold, over_sold, block_id),
                )
            room, room_sold = room - (left - over), room_sold - (sold - over_sold)

    def drop_spent(self, link: str, keep: Keep) -> int:
        """Destroy blocks that nothing can be taken from any more, their keys first (crypto-erasure): those that
        are used up, and foreign ones behind so many newer atoms that their owner has given them up.

        Returns the bits that were never allotted.
        """
        spent = "SELECT block_id FROM block WHERE link = ? AND cursor >= atoms"
        ids = [row[0] for row in self._db.execute(spent, (link,))]
        newer = 0
        foreign = self._db.execute(
            "SELECT block_id, atoms - cursor FROM block WHERE link = ? AND NOT owned AND cursor < atoms"
            " ORDER BY sequence DESC", (link,),
        ).fetchall()  # fmt: skip
        for block_id, left in foreign:
            if newer > _OWNERS * keep.atoms:
                ids.append(block_id)
            newer += left
        return sum(self._drop(block_id) for block_id in ids)

    def _drop(self, block_id: bytes) -> int:
        busy = self._db.execute(
            "SELECT 1 FROM key WHERE block_id = ? AND state IN ('reserved', 'bound') LIMIT 1", (block_id,)
        ).fetchone()
        if busy is not None:
            return 0
        return self.burn(block_id)

    def burn(self, block_id: bytes) -> int:
        """Destroy one block whatever its state; returns the bits that were never allotted."""
        left = self._unallotted("WHERE block_id = ?", (block_id,))
        self._db.execute("DELETE FROM page WHERE block_id = ?", (block_id,))
        self._db.execute("DELETE FROM block WHERE block_id = ?", (block_id,))
        return left

    def burn_link(self, link: str) -> int:
        """Destroy all blocks of a link; returns the bits that were never allotted."""
        rows = self._db.execute("SELECT block_id FROM block WHERE link = ?", (link,)).fetchall()
        return sum(self.burn(row[0]) for row in rows)

    def seal_again(self, epochs: EpochKeys) -> None:
        """Bring the keys of all blocks under the newest epoch's key; their pages stay as they are."""
        for block_id, dek in self._db.execute("SELECT block_id, dek FROM block").fetchall():
            fresh = epochs.again(dek, self._place(block_id))
            self._db.execute("UPDATE block SET dek = ? WHERE block_id = ?", (fresh, block_id))

    def drop_all(self) -> int:
        """Destroy every block: the store was restored and nothing in it is provably unspent."""
        left = self.available_bits()
        self._db.execute("DELETE FROM page")
        self._db.execute("DELETE FROM block")
        return left

    def stock(self, link: str, each: int) -> LinkStock:
        """Atoms of a link by ownership and share; a tail too short for `each` in a row counts for nothing."""
        corridors, sold, foreign, blocks, simulated = self._db.execute(
            f"SELECT coalesce(sum(CASE WHEN owned THEN ({_LEFT[Share.CORRIDORS]}) / :each * :each END), 0),"
            " coalesce(sum(CASE WHEN owned THEN sold / :each * :each END), 0),"
            " coalesce(sum(CASE WHEN owned THEN 0 ELSE (atoms - cursor) / :each * :each END), 0), count(*),"
            " coalesce(max(simulated), 0) FROM block WHERE link = :link", {"link": link, "each": each},
        ).fetchone()  # fmt: skip
        return LinkStock(corridors, sold, foreign, blocks, bool(simulated))

    def any_simulated(self) -> bool:
        """Whether a stored block is simulated."""
        return bool(self._db.execute("SELECT coalesce(max(simulated), 0) FROM block").fetchone()[0])

    def available_bits(self) -> int:
        """Bits in all blocks that no key or pad was made of."""
        return self._unallotted("", ())

    def _unallotted(self, where: str, arguments: tuple[bytes, ...]) -> int:
        atoms = self._db.execute(f"SELECT coalesce(sum(atoms), 0) FROM block {where}", arguments).fetchone()[
            0
        ]
        used = self._db.execute(
            f"SELECT coalesce(sum(count), 0) FROM key WHERE block_id IN (SELECT block_id FROM block {where})",
            arguments,
        ).fetchone()[0]
        return int(atoms - used) * ATOM_BITS
