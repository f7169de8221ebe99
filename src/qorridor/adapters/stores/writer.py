"""The one writer of a store: a thread, its transactions, and the events that are committed with them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from qorridor.adapters.stores import schema
from qorridor.adapters.stores.rolls import Rolls
from qorridor.base.errors import OutsideError
from qorridor.ports.rolls import RollRow, Row, StateRow
from qorridor.ports.world import Clock
from qorridor.records.events import Event

Result = TypeVar("Result")
ROOM = 128 * 1024
"""Bytes that a disk has left when it is full no longer."""


class Labels(dict[str, bool]):
    """Which keys of a transaction are simulated: only the store knows it, so it labels their events."""

    def on(self, event: Event) -> Event:
        """The event with its truth: of the key that it names, else of any key of the transaction."""
        simulated = self.get(event.subject, any(self.values()))
        return replace(event, simulated=True) if simulated else event


class Writer:
    """Runs work on the database of `folder` one by one; events are numbered after the `journalled` ones."""

    def __init__(
        self, database: sqlite3.Connection, folder: Path, rolls: Rolls, clock: Clock, source: str, journalled: int
    ) -> None:  # fmt: skip
        self._db, self._folder = database, folder
        self._rolls = rolls
        self._clock = clock
        self._source = source
        self._journalled = journalled
        self.trouble: OutsideError | None = None
        """Why the newest write failed; None once one has succeeded and there is room for more."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done in the writer's thread; errors as in `told`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.told, work)

    def told(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, or OutsideError with what the database says."""
        try:
            return work()
        except sqlite3.OperationalError as error:
            self.trouble = OutsideError(
                "Q-KEY-044", f"the key store cannot be used: {error}",
                "free space on its disk; nothing was changed", self._source,
            )  # fmt: skip
            raise self.trouble from error
        except sqlite3.DatabaseError as error:
            raise schema.damaged(error, self._source) from error

    @contextmanager
    def transaction(self, also: Sequence[Row] = ()) -> Iterator[Labels]:
        """All or nothing, `also` included; the work notes in the labels which of its keys are simulated."""
        self._db.execute("BEGIN IMMEDIATE")
        labels, before = Labels(), self._db.total_changes
        try:
            yield labels
            self.record(also, labels)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
            raise
        if self.trouble is not None and self._db.total_changes > before and self._has_room():
            self.trouble = None

    def _has_room(self) -> bool:
        """A write that fitted into the log as it lies there shows nothing on a disk that is still full."""
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize >= ROOM

    def record(self, rows: Sequence[Row], labels: Labels) -> None:
        """Write rows inside the transaction that is open."""
        for row in rows:
            match row:
                case Event():
                    self._record_event(labels.on(row))
                case RollRow():
                    self._rolls.put(row)
                case StateRow():
                    self._rolls.put_state(row)

    def _record_event(self, event: Event) -> None:
        now = self._clock.now()
        newest = self._db.execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0]
        number = max(newest, self._journalled) + 1
        leaf = event.leaf(number, now, self._source)
        self._db.execute("INSERT INTO event VALUES (?, ?, ?)", (number, now, leaf))

    def close(self) -> None:
        """End the thread once its work is done."""
        self._thread.shutdown()
