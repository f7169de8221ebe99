"""What of a node's store holds no keys: events, roll-overs, states of corridors, what peers are owed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from qorridor.adapters.stores.outbox import Outbox
from qorridor.adapters.stores.retention import prune
from qorridor.adapters.stores.rolls import Rolls
from qorridor.adapters.stores.writer import Writer
from qorridor.ports.key_store import Owed
from qorridor.ports.rolls import RollRow, Row, StateRow
from qorridor.ports.world import Clock


class RowStore:
    """RollStore (ports.rolls) and the journal's leaves, in the database that also holds the keys."""

    def __init__(
        self, database: sqlite3.Connection, rolls: Rolls, writer: Writer, outbox: Outbox, clock: Clock
    ) -> None:
        self._db, self._rolls, self._writer, self._clock = database, rolls, writer, clock
        self._outbox = outbox
        self._run = writer.run

    async def write(self, rows: Sequence[Row]) -> None:
        """Rows that go with no change of keys, in one durable transaction."""

        def work() -> None:
            with self._writer.transaction(rows):
                pass

        await self._run(work)

    async def rolls(self, corridor: str, most: int = 3) -> list[RollRow]:
        """The newest rolls of a corridor, newest first."""
        return await self._run(lambda: self._rolls.newest(corridor, most))

    async def states(self, corridor: str) -> list[StateRow]:
        """All transition records of a corridor that are kept, oldest first."""
        return await self._run(lambda: self._rolls.states(corridor))

    async def last_state(self, corridor: str) -> StateRow | None:
        """The newest transition record of a corridor."""
        return await self._run(lambda: self._rolls.last_state(corridor))

    async def forget_outputs(self, corridor: str, below: int) -> None:
        """Erase the stored outputs of all epochs below `below`."""

        def work() -> None:
            with self._writer.transaction():
                self._rolls.forget_outputs(corridor, below)

        await self._run(work)

    async def unfinished(self, seconds: float) -> list[str]:
        """Transactions that were begun so long ago and neither completed nor given up."""
        return await self._run(lambda: self._outbox.open(before=self._clock.now() - seconds))

    async def owed(self) -> list[Owed]:
        """Transactions given up of which the peer has not heard yet, oldest first."""
        return await self._run(self._outbox.owed)

    async def settle(self, txid: str) -> None:
        """The peer has heard of a transaction's end."""

        def work() -> None:
            with self._writer.transaction():
                self._outbox.settle(txid)

        await self._run(work)

    async def met(self, site: str) -> str:
        """The incarnation of another node's store as last heard, empty before the first time."""
        return await self._run(lambda: self._outbox.met(site))

    async def prune(self, journalled: int) -> None:
        """Forget finished rows that are old enough; `journalled` events are safe in the journal."""

        def work() -> None:
            with self._writer.transaction():
                prune(self._db, self._clock.now(), journalled)

        await self._run(work)

    async def events_after(self, number: int, most: int = 256) -> list[tuple[int, bytes]]:
        """Leaves in order, for the journal's sequencer."""

        def work() -> list[tuple[int, bytes]]:
            return self._db.execute(
                "SELECT n, leaf FROM event WHERE n > ? ORDER BY n LIMIT ?", (number, most)
            ).fetchall()

        return await self._run(work)
