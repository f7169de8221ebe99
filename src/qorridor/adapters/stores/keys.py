"""Rows of keys in the store: allotted, bound, handed out, voided; inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from qorridor.adapters.stores.blocks import BlockRow, Blocks
from qorridor.adapters.stores.epoch_keys import EpochKeys
from qorridor.adapters.stores.lifetimes import KEY_LIFETIME, TARGET_MARGIN, Lifetimes
from qorridor.adapters.stores.outbox import Outbox
from qorridor.base.errors import KeySupplyError, PolicyRefusal
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Allotment, Association, Pad, PadUse, Share
from qorridor.ports.world import Clock
from qorridor.records.keys import ATOM_BITS, DeliveredKey
from qorridor.run.agreement import association_bytes, atoms_for

_PAD = "pad"


class Keys:
    """The key table; `role` says on which side of its association a row stands."""

    def __init__(
        self, database: sqlite3.Connection, blocks: Blocks, epochs: EpochKeys, outbox: Outbox, clock: Clock
    ) -> None:
        self._db, self._blocks, self._epochs = database, blocks, epochs
        self._outbox, self._clock, self.lifetimes = outbox, clock, Lifetimes(clock)

    def reserve(self, link: str, association: Association, txid: str, share: Share) -> Allotment:
        """Allot one key of a share from the oldest own block of `link` and note it as reserved."""
        atoms = atoms_for(association.size_bits)
        block, first = self._blocks.allot(link, atoms, share)
        keys = self._blocks.keys_of(block.block_id)
        key_id = keys.key_id(link, block.block_id, first)
        with Secret(self._blocks.read(block.block_id, first, atoms)) as key:
            digest = keys.digest(key_id, association, key.reveal()[: association.size_bits // 8])
        allotment = Allotment(
            key_id, block.block_id, first, atoms, association.size_bits, digest, block.simulated
        )
        self.insert(allotment, association, txid, "initiator", "reserved")
        return allotment

    def insert(
        self, allotment: Allotment, association: Association, txid: str, role: str, state: str,
        material: bytes | None = None,
    ) -> None:  # fmt: skip
        """Note one key; a target's row outlives the initiator's."""
        self._db.execute(
            "INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (allotment.key_id, role, state, allotment.block_id or None, allotment.first, allotment.count,
             allotment.size_bits, association.initiator, json.dumps(list(association.targets)),
             json.dumps(list(association.path)), txid, material, allotment.simulated,
             self.lifetimes.end(role)),
        )  # fmt: skip

    def bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str
    ) -> dict[str, bool]:
        """Bind all after every check, or raise; a repeated transaction changes nothing.

        Returns which of the keys that it bound are simulated.
        """
        bound: dict[str, bool] = {}
        body = association_bytes(association).decode() + "".join(item.key_id for item in allotments)
        if self._outbox.is_repeated(txid, body, self._clock.now()):
            return bound
        for allotment in allotments:
            simulated = self._check_place(link, association, allotment)
            placed = Allotment(
                allotment.key_id, allotment.block_id, allotment.first, allotment.count,
                allotment.size_bits, b"", simulated,
            )  # fmt: skip
            self.insert(placed, association, txid, "target", "bound")
            self._blocks.advance(allotment.block_id, allotment.first + allotment.count)
            bound[allotment.key_id] = simulated
        return bound

    def _check_place(self, link: str, association: Association, allotment: Allotment) -> bool:
        """Whether the block is simulated, once everything about the place agrees."""
        block = self._blocks.find(allotment.block_id)
        count = atoms_for(association.size_bits)
        agreed = (
            block is not None and block.link == link and not block.owned and allotment.count == count
            and allotment.first >= 1 and allotment.first + count <= block.atoms
        )  # fmt: skip
        if (
            not agreed
            or block is None
            or not self._blocks.is_free(allotment.block_id, allotment.first, count)
        ):
            raise KeySupplyError(
                "Q-KEY-023", "the peer binds key that this end does not hold for it",
                "nothing was bound; the peer voids the key and takes a newer block", allotment.key_id,
            )  # fmt: skip
        keys = self._blocks.keys_of(allotment.block_id)
        with Secret(self._blocks.read(allotment.block_id, allotment.first, count)) as key:
            own = keys.digest(allotment.key_id, association, key.reveal()[: association.size_bits // 8])
        named = keys.key_id(link, allotment.block_id, allotment.first)
        if named != allotment.key_id or own != allotment.digest:
            raise KeySupplyError(
                "Q-KEY-025", "the two ends of a link hold different bits under one key_ID",
                "the whole block is burnt at both ends; look at the link's distillation", allotment.key_id,
            )  # fmt: skip
        return block.simulated

    def consume(self, block: BlockRow, first: int, count: int, role: str, use: PadUse) -> Pad:
        """Take atoms out of the store for one-time use: noted as delivered, erased at once."""
        key_id = self._blocks.keys_of(block.block_id).key_id(block.link, block.block_id, first)
        key = Secret(self._blocks.read(block.block_id, first, count))
        allotment = Allotment(key_id, block.block_id, first, count, count * ATOM_BITS, b"", block.simulated)
        self.insert(
            allotment,
            Association(_PAD, (), count * ATOM_BITS, use.path),
            use.txid or key_id,
            role,
            "delivered",
        )
        self._blocks.advance(block.block_id, first + count)
        self._blocks.erase(block.block_id, first, count)
        return Pad(allotment, key)

    def transactions_of(self, key_ids: Sequence[str], role: str) -> set[str]:
        """The transactions that these keys came from."""
        found = (
            self._db.execute("SELECT txid FROM key WHERE key_id = ? AND role = ?", (key_id, role)).fetchone()
            for key_id in key_ids
        )
        return {row[0] for row in found if row is not None}

    def path_of(self, txid: str) -> tuple[str, ...] | None:
        """The path of a transaction that reserved, bound or relayed something here."""
        row = self._db.execute(
            "SELECT path FROM key WHERE txid = ? AND path <> '[]' LIMIT 1", (txid,)
        ).fetchone()
        return None if row is None else tuple(json.loads(row[0]))

    def deliverable(self, key_id: str, to: str, role: str, partner: str) -> sqlite3.Row | None:
        """The row of a key that may go to `to` now, None when there is none; refuses foreign keys."""
        row = self._db.execute(
            "SELECT key_id, state, block_id, first, count, bits, initiator, targets, path, material,"
            " simulated, expires FROM key WHERE key_id = ? AND role = ?", (key_id, role),
        ).fetchone()  # fmt: skip
        if row is None:
            self._refuse_at_first_end(key_id, to, role)
            return None
        mine = row[6] == to if role == "initiator" else to in json.loads(row[7])
        if not mine:
            raise _foreign(key_id)
        wrong_partner = partner and partner != row[6]
        if wrong_partner or row[1] != "bound" or row[11] < self.lifetimes.now():
            return None
        return row  # type: ignore[no-any-return]

    def _refuse_at_first_end(self, key_id: str, to: str, role: str) -> None:
        """A key known here as its initiator's only is foreign to everybody but its targets."""
        other = self._db.execute(
            f"SELECT targets FROM key WHERE key_id = ? AND role <> ? AND initiator <> '{_PAD}'",
            (key_id, role),
        ).fetchone()
        if role == "target" and other is not None and to not in json.loads(other[0]):
            raise _foreign(key_id)

    def hand_out(self, row: sqlite3.Row, role: str) -> DeliveredKey:
        """Note a row as delivered, erase its bytes from the store and return them."""
        key_id, _, block_id, first, count, bits, _, _, path, material, simulated, _ = row
        changed = self._db.execute(
            "UPDATE key SET state = 'delivered', material = NULL, finished = ?"
            " WHERE key_id = ? AND role = ? AND state = 'bound'", (self._clock.now(), key_id, role),
        )  # fmt: skip
        if changed.rowcount != 1:
            raise KeySupplyError("Q-KEY-024", "one or more keys specified are not found on KME",
                                 "fetch each key once", key_id)  # fmt: skip
        if block_id is None:
            key = Secret(self._epochs.open(material, held_place(key_id, role)))
        else:
            with Secret(self._blocks.read(block_id, first, count)) as atoms:
                key = Secret(atoms.reveal()[: bits // 8])
            self._blocks.erase(block_id, first, count)
        return DeliveredKey(key_id, key, bool(simulated), tuple(json.loads(path)))

    def void(self, where: str, argument: str | float, cause: str) -> dict[str, bool]:
        """Burn the open keys that a condition names; returns which of them were simulated."""
        rows = self._db.execute(
            f"SELECT key_id, role, block_id, first, count, simulated FROM key"
            f" WHERE {where} AND state IN ('reserved', 'bound')", (argument,),
        ).fetchall()  # fmt: skip
        for key_id, role, block_id, first, count, _ in rows:
            self._db.execute(
                "UPDATE key SET state = 'void', cause = ?, material = NULL, finished = ?"
                " WHERE key_id = ? AND role = ?", (cause, self._clock.now(), key_id, role),
            )  # fmt: skip
            if block_id is not None and self._blocks.find(block_id) is not None:
                self._blocks.erase(block_id, first, count)
        return {row[0]: bool(row[5]) for row in rows}

    def seal_again(self, epochs: EpochKeys) -> None:
        """Bring all held keys under the newest epoch's key."""
        rows = self._db.execute(
            "SELECT key_id, role, material FROM key WHERE material IS NOT NULL"
        ).fetchall()
        for key_id, role, material in rows:
            fresh = epochs.again(material, held_place(key_id, role))
            self._db.execute(
                "UPDATE key SET material = ? WHERE key_id = ? AND role = ?", (fresh, key_id, role)
            )

    def any_simulated(self) -> bool:
        """Whether a key that is reserved or bound is simulated."""
        return bool(self._db.execute(
            "SELECT coalesce(max(simulated), 0) FROM key WHERE state IN ('reserved', 'bound')"
        ).fetchone()[0])  # fmt: skip

    def oldest_open(self) -> float | None:
        """When the oldest key was made that is reserved or bound, in seconds since the epoch."""
        born: float | None = self._db.execute(
            "SELECT min(expires - CASE role WHEN 'target' THEN ? ELSE ? END) FROM key"
            " WHERE state IN ('reserved', 'bound')", (KEY_LIFETIME + TARGET_MARGIN, KEY_LIFETIME),
        ).fetchone()[0]  # fmt: skip
        return born


def held_place(key_id: str, role: str) -> str:
    """Where the bytes of a relayed key are sealed."""
    return f"held/{key_id}/{role}"


def _foreign(key_id: str) -> PolicyRefusal:
    return PolicyRefusal(
        "Q-POLICY-010", "the key was not made for this SAE", "ask with the certificate of its SAE", key_id
    )
