"""What a store owes and has heard: transactions a peer must be told of, transactions given up, peers' stores."""

from __future__ import annotations

import math
import sqlite3

from qorridor.base.errors import KeySupplyError
from qorridor.ports.key_store import Owed

GIVEN_UP = "void"
"""Body of an inbox row whose transaction was given up: nothing that comes of it later is taken."""


class Outbox:
    """Tables `outbox`, `inbox` and `peer`, inside the caller's transaction.

    A row of the outbox is open from the transaction that begins an agreement to the one that completes it
    or gives it up; what was given up stays until its peer has heard of it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def promise(self, txid: str, peer: str, now: float) -> None:
        """From now on `peer` hears how this transaction ends."""
        self._db.execute("INSERT INTO outbox VALUES (?, ?, NULL, ?)", (txid, peer, now))

    def open(self, before: float = math.inf) -> list[str]:
        """Transactions, begun before a time, that neither completed nor were given up."""
        rows = self._db.execute("SELECT txid FROM outbox WHERE cause IS NULL AND at < ?", (before,))
        return [row[0] for row in rows]

    def give_up(self, txid: str, cause: str) -> str:
        """Owe the peer the end of a transaction; returns the peer, empty when it was never promised one."""
        self._db.execute("UPDATE outbox SET cause = ? WHERE txid = ? AND cause IS NULL", (cause, txid))
        row = self._db.execute("SELECT peer FROM outbox WHERE txid = ?", (txid,)).fetchone()
        return "" if row is None else str(row[0])

    def settle(self, txid: str) -> None:
        """The transaction is complete, or its peer has heard that it is not."""
        self._db.execute("DELETE FROM outbox WHERE txid = ?", (txid,))

    def owed(self) -> list[Owed]:
        """What peers have not heard yet, oldest first."""
        rows = self._db.execute(
            "SELECT txid, peer, cause FROM outbox WHERE cause IS NOT NULL ORDER BY at, txid"
        )
        return [Owed(*row) for row in rows]

    # -- heard ------------------------------------------------------------------------------

    def is_repeated(self, txid: str, body: str, now: float) -> bool:
        """Whether this very transaction was heard before, noting it; raises KeySupplyError Q-KEY-022 for one
        id with two contents, Q-KEY-026 for a transaction that was given up before it arrived."""
        row = self._db.execute("SELECT body FROM inbox WHERE txid = ?", (txid,)).fetchone()
        if row is None:
            self._db.execute("INSERT INTO inbox VALUES (?, ?, ?)", (txid, body, now))
        elif row[0] == GIVEN_UP:
            raise given_up(txid)
        elif row[0] != body:
            raise KeySupplyError(
                "Q-KEY-022", "one transaction arrived with two different contents",
                "look at the peer: it repeats transactions wrongly or somebody forges them", txid,
            )  # fmt: skip
        return row is not None

    def bar(self, txid: str, now: float) -> None:
        """A transaction is given up, whether or not it has arrived."""
        self._db.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?, ?)", (txid, GIVEN_UP, now))

    def check_not_barred(self, txid: str) -> None:
        """Raises KeySupplyError Q-KEY-026 for a transaction that was given up before it arrived."""
        row = self._db.execute("SELECT 1 FROM inbox WHERE txid = ? AND body = ?", (txid, GIVEN_UP)).fetchone()
        if row is not None:
            raise given_up(txid)

    # -- peers ------------------------------------------------------------------------------

    def met(self, site: str) -> str:
        """The incarnation of a node's store as last heard, empty before the first time."""
        row = self._db.execute("SELECT incarnation FROM peer WHERE site = ?", (site,)).fetchone()
        return "" if row is None else str(row[0])

    def meet(self, site: str, incarnation: str, now: float) -> None:
        """Note the incarnation of a node's store."""
        self._db.execute(
            "INSERT INTO peer VALUES (?, ?, ?) ON CONFLICT (site) DO UPDATE SET"
            " incarnation = excluded.incarnation, at = excluded.at", (site, incarnation, now),
        )  # fmt: skip


def given_up(txid: str) -> KeySupplyError:
    """What is said of a transaction that does not count any more."""
    return KeySupplyError(
        "Q-KEY-026", "the keys of this transaction were voided meanwhile", "ask again", txid
    )
