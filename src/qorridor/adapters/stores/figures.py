"""What a store can say in figures: its bit balance, what was burnt and why, how old things are."""

from __future__ import annotations

import sqlite3

from qorridor.adapters.stores import schema
from qorridor.base.canonical import Json
from qorridor.ports.key_store import KeyCounts
from qorridor.records.keys import ATOM_BITS


def balance(database: sqlite3.Connection, available: int) -> KeyCounts:
    """The bit balance; `available` bits lie in blocks and belong to no key."""
    states = dict(
        database.execute("SELECT state, sum(count) FROM key WHERE block_id IS NOT NULL GROUP BY state")
    )
    bits = {state: atoms * ATOM_BITS for state, atoms in states.items()}
    sums = schema.totals(database)
    lost = sum(value for name, value in sums.items() if name.startswith(schema.BURNT))
    return KeyCounts(
        sums.get("ingested", 0), available, bits.get("reserved", 0), bits.get("bound", 0),
        bits.get("delivered", 0) + sums.get("delivered", 0), bits.get("void", 0) + lost,
    )  # fmt: skip


def burnt(database: sqlite3.Connection) -> dict[str, int]:
    """Bits burnt by cause, voided keys included."""
    result = {
        name.removeprefix(schema.BURNT): bits
        for name, bits in schema.totals(database).items()
        if name.startswith(schema.BURNT)
    }
    voided = database.execute(
        "SELECT cause, sum(count) FROM key WHERE state = 'void' AND block_id IS NOT NULL GROUP BY cause"
    )
    for cause, atoms in voided:
        result[cause] = result.get(cause, 0) + atoms * ATOM_BITS
    return result


def ages(database: sqlite3.Connection, oldest_open: float | None, now: float) -> dict[str, Json]:
    """Seconds since the oldest and newest stored block of each link was made, and since the oldest open key."""
    blocks: dict[str, Json] = {
        link: [round(now - oldest, 1), round(now - newest, 1)]
        for link, oldest, newest in database.execute(
            "SELECT link, min(born), max(born) FROM block GROUP BY link"
        )
    }
    return {"blocks": blocks, "open": None if oldest_open is None else round(now - oldest_open, 1)}
