"""Rows of roll-overs and corridor states, inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from qorridor.adapters.stores.epoch_keys import EpochKeys
from qorridor.base.secret import Secret
from qorridor.ports.rolls import RollRow, StateRow
from qorridor.ports.world import Clock


class Rolls:
    """The tables `roll` and `state`; outputs are sealed with the epoch's key at their place."""

    def __init__(self, database: sqlite3.Connection, epochs: EpochKeys, clock: Clock) -> None:
        self._db = database
        self._epochs = epochs
        self._clock = clock

    def put(self, row: RollRow) -> None:
        """Insert or advance one epoch's row."""
        sealed = (
            None
            if row.outputs is None
            else self._epochs.seal(row.outputs.reveal(), _place(row.corridor, row.epoch))
        )
        self._db.execute(
            "INSERT INTO roll VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (corridor, epoch) DO UPDATE SET"
            " phase = excluded.phase, sealed = excluded.sealed, at = excluded.at",
            (row.corridor, row.epoch, row.role, row.phase, sealed, self._clock.now()),
        )

    def newest(self, corridor: str, most: int) -> list[RollRow]:
        """The newest epochs of a corridor, newest first."""
        rows = self._db.execute(
            "SELECT corridor, epoch, role, phase, sealed, at FROM roll WHERE corridor = ? ORDER BY epoch DESC LIMIT ?",
            (corridor, most),
        ).fetchall()
        return [
            RollRow(name, epoch, role, phase, self._opened(name, epoch, sealed), at)
            for name, epoch, role, phase, sealed, at in rows
        ]

    def _opened(self, corridor: str, epoch: int, sealed: bytes | None) -> Secret | None:
        return None if sealed is None else Secret(self._epochs.open(sealed, _place(corridor, epoch)))

    def forget_outputs(self, corridor: str, below: int) -> None:
        """Erase sealed outputs of older epochs."""
        self._db.execute("UPDATE roll SET sealed = NULL WHERE corridor = ? AND epoch < ?", (corridor, below))

    def seal_again(self, epochs: EpochKeys) -> None:
        """Bring all stored outputs under the newest epoch's key."""
        rows = self._db.execute(
            "SELECT corridor, epoch, sealed FROM roll WHERE sealed IS NOT NULL"
        ).fetchall()
        for corridor, epoch, sealed in rows:
            fresh = epochs.again(sealed, _place(corridor, epoch))
            self._db.execute(
                "UPDATE roll SET sealed = ? WHERE corridor = ? AND epoch = ?", (fresh, corridor, epoch)
            )

    def forget_unreadable(self, epochs: set[int]) -> None:
        """Drop outputs that lie under keys of the store which are gone."""
        for epoch in epochs:
            self._db.execute(
                "UPDATE roll SET sealed = NULL WHERE substr(sealed, 1, 4) = ?", (epoch.to_bytes(4, "big"),)
            )

    def put_state(self, row: StateRow) -> None:
        """Append a transition record; the same one may come again with its second signature."""
        self._db.execute(
            "INSERT INTO state VALUES (?, ?, ?, ?) ON CONFLICT (corridor, seq) DO UPDATE SET record = excluded.record",
            (row.corridor, row.seq, row.record, self._clock.now()),
        )

    def last_state(self, corridor: str) -> StateRow | None:
        """The newest transition record."""
        row = self._db.execute(
            "SELECT corridor, seq, record FROM state WHERE corridor = ? ORDER BY seq DESC LIMIT 1",
            (corridor,),
        ).fetchone()
        return None if row is None else StateRow(*row)

    def states(self, corridor: str) -> list[StateRow]:
        """All transition records that are kept, oldest first."""
        rows = self._db.execute(
            "SELECT corridor, seq, record FROM state WHERE corridor = ? ORDER BY seq", (corridor,)
        )
        return [StateRow(*row) for row in rows]


def _place(corridor: str, epoch: int) -> str:
    return f"roll/{corridor}/{epoch}"
