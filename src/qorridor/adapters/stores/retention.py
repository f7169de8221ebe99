"""What a node's store forgets, and when: tombstones outlive every peer's memory, then only their sums stay."""

from __future__ import annotations

import sqlite3

from qorridor.adapters.stores.schema import add_to_total
from qorridor.records.keys import ATOM_BITS

TOMBSTONE_SECONDS = 7 * 86400.0
"""Longest lifetime of a key, the clocks' difference and the longest outage of a peer that is promised
(contract of key agreement, section 4)."""
PROMISE_SECONDS = 600.0
"""What a peer has not heard by now, its own lifetimes (180 s and the clocks' difference) have ended."""
RECORD_SECONDS = 31 * 86400.0
"""Transition records: the time in PQC_ONLY is summed over 30 days."""


def prune(database: sqlite3.Connection, now: float, journalled: int) -> None:
    """Drop finished rows that are old enough, inside the caller's transaction.

    A key's row stays as long as its block: it is what shows that the place was used. Events go only
    once the journal holds them (`journalled` records), and the newest stays: it carries the number.
    """
    _prune_keys(database, now - TOMBSTONE_SECONDS)
    database.execute("DELETE FROM outbox WHERE cause IS NOT NULL AND at < ?", (now - PROMISE_SECONDS,))
    database.execute("DELETE FROM inbox WHERE at < ?", (now - TOMBSTONE_SECONDS,))
    database.execute(
        "DELETE FROM event WHERE at < ? AND n <= ? AND n < (SELECT max(n) FROM event)",
        (now - TOMBSTONE_SECONDS, journalled),
    )
    database.execute(
        "DELETE FROM roll WHERE at < ? AND sealed IS NULL"
        " AND epoch < (SELECT max(epoch) FROM roll AS newest WHERE newest.corridor = roll.corridor)",
        (now - TOMBSTONE_SECONDS,),
    )
    database.execute(
        "DELETE FROM state WHERE at < ?"
        " AND seq < (SELECT max(seq) FROM state AS newest WHERE newest.corridor = state.corridor)",
        (now - RECORD_SECONDS,),
    )


def _prune_keys(database: sqlite3.Connection, before: float) -> None:
    old = (
        "FROM key WHERE state IN ('delivered', 'void') AND coalesce(finished, expires) < ?"
        " AND (block_id IS NULL OR block_id NOT IN (SELECT block_id FROM block))"
    )
    sums = database.execute(
        f"SELECT state, cause, sum(count) {old} AND block_id IS NOT NULL GROUP BY state, cause", (before,)
    ).fetchall()
    for state, cause, atoms in sums:
        add_to_total(database, "delivered" if state == "delivered" else f"burnt/{cause}", atoms * ATOM_BITS)
    database.execute(f"DELETE {old}", (before,))
