"""Tables of a node's SQLite store, its start-up checks and its incarnation."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError

VERSION = 3
"""Of the tables; a store of another version is refused, not guessed at."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (
  block_id BLOB PRIMARY KEY, link TEXT, sequence INTEGER, owned INTEGER, atoms INTEGER,
  cursor INTEGER, sold INTEGER, dek BLOB, simulated INTEGER, epsilon TEXT, born REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (block_id BLOB, page INTEGER, sealed BLOB, PRIMARY KEY (block_id, page)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key (
  key_id TEXT, role TEXT, state TEXT, block_id BLOB, first INTEGER, count INTEGER, bits INTEGER,
  initiator TEXT, targets TEXT, path TEXT, txid TEXT, material BLOB, simulated INTEGER,
  expires REAL, finished REAL, cause TEXT, PRIMARY KEY (key_id, role)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS key_txid ON key (txid);
CREATE INDEX IF NOT EXISTS key_open ON key (expires) WHERE state IN ('reserved', 'bound');
CREATE INDEX IF NOT EXISTS key_place ON key (block_id, first);
CREATE TABLE IF NOT EXISTS inbox (txid TEXT PRIMARY KEY, body TEXT, at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (txid TEXT PRIMARY KEY, peer TEXT, cause TEXT, at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peer (site TEXT PRIMARY KEY, incarnation TEXT, at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (name TEXT PRIMARY KEY, bits INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roll (
  corridor TEXT, epoch INTEGER, role TEXT, phase TEXT, sealed BLOB, at REAL,
  PRIMARY KEY (corridor, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
  corridor TEXT, seq INTEGER, record BLOB, at REAL, PRIMARY KEY (corridor, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, leaf BLOB);
"""


def open_database(folder: Path) -> tuple[sqlite3.Connection, IO[str]]:
    """The store of `folder` and the lock that a second process does not get.

    Raises OutsideError Q-KEY-042 when another process holds it, Q-KEY-043 when the file is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / "keys.lock").open("w")
    path = folder / "keys.db"
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise OutsideError(
            "Q-KEY-042", "another process uses this key store", "stop it first", str(path)
        ) from error
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        # Exclusive before WAL: the lock file grants it anyway, and no shared-memory file has to find room.
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "foreign_keys = ON",
        ):
            database.execute(f"PRAGMA {pragma}")
        verdict = database.execute("PRAGMA quick_check").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, VERSION}:
            raise sqlite3.DatabaseError(f"its tables are of version {found}, this program's of {VERSION}")
        database.executescript(_TABLES)
        if found != VERSION:  # a store that is as it should be opens on a full disk too
            database.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.Error as error:
        lock.close()
        raise damaged(error, str(path)) from error
    return database, lock


def damaged(error: sqlite3.Error, where: str) -> OutsideError:
    """What a store says that cannot be read any more."""
    return OutsideError(
        "Q-KEY-043", f"the key store is damaged or cannot be written: {error}",
        "move the file away: keys are made anew, delivered ones are in the journal", where,
    )  # fmt: skip


def settle_incarnation(database: sqlite3.Connection, folder: Path) -> tuple[str, bool]:
    """The store's incarnation, and whether it was restored: the side file disagrees, so every key
    in it may have been spent in another life."""
    side, stored = folder / "incarnation", get_meta(database, "incarnation")
    try:
        noted = side.read_text(errors="replace") if side.exists() else None
    except OSError as error:
        raise OutsideError(
            "Q-KEY-043", f"the store's incarnation cannot be read: {error.strerror}", "correct the file's rights",
            str(side),
        ) from error  # fmt: skip
    if stored is not None and stored == noted:
        return stored, False
    restored = stored is not None or noted is not None
    return renew_incarnation(database, folder), restored


def renew_incarnation(database: sqlite3.Connection, folder: Path) -> str:
    """A fresh incarnation, in the store and beside it: rows of older ones count for nothing."""
    fresh = os.urandom(16).hex()
    write_atomically(folder / "incarnation", fresh)
    set_meta(database, "incarnation", fresh)
    return fresh


def settle_identity(database: sqlite3.Connection, incarnation: str) -> str:
    """The name under which the store seals its pages: its first incarnation."""
    known = get_meta(database, "store")
    if known is None:
        set_meta(database, "store", incarnation)
    return known or incarnation


BURNT = "burnt/"
"""Sums of what was burnt begin so; the cause follows."""


def get_meta(database: sqlite3.Connection, name: str) -> str | None:
    """One value of the meta table."""
    row = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(database: sqlite3.Connection, name: str, value: str) -> None:
    """Set one value of the meta table."""
    database.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                     (name, value))  # fmt: skip


def add_to_total(database: sqlite3.Connection, name: str, bits: int) -> None:
    """Add to one of the sums that outlive their rows: `ingested`, `delivered`, `burnt/CAUSE`."""
    if bits:
        database.execute(
            "INSERT INTO total VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET bits = bits + excluded.bits",
            (name, bits),
        )


def totals(database: sqlite3.Connection) -> dict[str, int]:
    """All of those sums, in bits."""
    return dict(database.execute("SELECT name, bits FROM total"))
