"""What a node has to say waits for its disk, is bounded, and is written in order once it can be."""

import asyncio
import json

import pytest

from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.app import node_notes
from qorridor.app.node_notes import MOST_KEPT, Notes, Refusals
from qorridor.base.errors import OutsideError
from qorridor.records.events import Event
from tests.support.loop import run, until
from tests.support.world import Clock


class Frail(SqliteStore):
    """A store on a disk that is full while `full` says so."""

    full = False

    async def write(self, rows):
        if self.full:
            self._writer.trouble = OutsideError("Q-KEY-044", "the disk is full", "free space")
            raise self._writer.trouble
        await super().write(rows)


def played(folder, body, monkeypatch):
    monkeypatch.setattr(node_notes, "RETRY_SECONDS", 0.01)

    async def main():
        clock = Clock()
        store = Frail(folder, root_sealer(folder / "root.key"), clock, "london")
        notes = Notes(store, "london", clock)
        task = asyncio.create_task(notes.run())
        try:
            await body(store, notes, clock)
            leaves = await store.events_after(0, 10_000)
        finally:
            task.cancel()
            await store.close()
        return [json.loads(leaf) for _, leaf in leaves]

    return run(main())


def test_events_of_a_full_disk_are_written_when_space_returns(folder, monkeypatch):
    async def body(store, notes, clock):
        await notes.record(Event("self.note", "before"))
        store.full = True
        await notes.record(Event("self.note", "during"))
        assert [alarm["alarm"] for alarm in notes.status()] == ["store"]
        clock.time += 7
        store.full = False
        await until(lambda: not notes.alarms)
        await until(lambda: not notes._kept)
        await notes.record(Event("self.note", "after"))

    records = played(folder, body, monkeypatch)
    told = [(record["type"], record["subject"]) for record in records]
    assert told == [("self.note", "before"), ("self.note", "during"), ("self.alarm", "london"),
                    ("self.alarm-over", "london"), ("self.note", "after")]  # fmt: skip
    assert (records[2]["severity"], records[2]["body"]["code"]) == ("P2", "Q-KEY-044")
    assert records[3]["body"]["seconds"] == 7


def test_a_flood_of_events_is_bounded_and_the_lost_ones_are_counted(folder, monkeypatch):
    async def body(store, notes, clock):
        store.full = True
        for number in range(MOST_KEPT + 50):
            notes.put(Event("auth.refused", str(number)))
        assert len(notes._kept) == MOST_KEPT
        await until(lambda: notes.alarms)
        store.full = False
        await until(lambda: not notes.alarms and not notes._kept)

    records = played(folder, body, monkeypatch)
    lost = [record["body"]["count"] for record in records if record["type"] == "self.events-lost"]
    assert sum(lost) == 50 + 1, "the alarm itself found no room"
    assert [r["subject"] for r in records if r["type"] == "auth.refused"] == [
        str(n) for n in range(MOST_KEPT)
    ]


def test_an_alarm_that_comes_and_goes_is_journalled_once_a_minute(folder, monkeypatch):
    async def body(store, notes, clock):
        for _ in range(5):
            notes.alarm("journal", OutsideError("Q-KME-040", "cannot write", "free space"))
            notes.over("journal")
            clock.time += 10
        await until(lambda: not notes._kept)

    records = played(folder, body, monkeypatch)
    assert [record["type"] for record in records].count("self.alarm") == 1


@pytest.mark.parametrize("rounds", [1, 3])
def test_trouble_that_nobody_has_told_of_shows_all_the_same(folder, monkeypatch, rounds):
    """A key that could not be written raises the alarm, whoever asked for it."""

    async def body(store, notes, clock):
        for _ in range(rounds):
            store.full = True
            with pytest.raises(OutsideError):
                await store.write([Event("never", "x")])
            await until(lambda: "store" in notes.alarms)
            store.full = False
            await until(lambda: not notes.alarms and not notes._kept)

    assert played(folder, body, monkeypatch)


def test_a_flood_of_refusals_is_one_record_for_each_address_and_cause(folder, monkeypatch):
    async def body(store, notes, clock):
        refusals = Refusals(notes, clock)
        for port in range(500):
            refusals.refused("kme", f"192.0.2.1:{port}", "no handshake in time")
        refusals.refused("kme", "192.0.2.2:7", "no handshake in time")
        clock.time += 11
        refusals.refused("kme", "192.0.2.1:9", "no handshake in time")
        await until(lambda: not notes._kept)

    records = played(folder, body, monkeypatch)
    assert [(record["subject"], record["body"]["more"]) for record in records] == [
        ("192.0.2.1:0", 0), ("192.0.2.2:7", 0), ("192.0.2.1:9", 499),
    ]  # fmt: skip


def test_an_alarm_lasts_as_long_as_it_does_whatever_the_wall_clock_says(folder, monkeypatch):
    async def body(store, notes, clock):
        real = clock.now
        notes.alarm("clock", OutsideError("Q-KME-072", "the clock was set", "set it right"))
        clock.time += 30
        monkeypatch.setattr(clock, "now", lambda: real() - 3600)
        notes.over("clock")
        clock.time += 61
        notes.alarm("clock", OutsideError("Q-KME-072", "the clock was set again", "set it right"))
        await until(lambda: not notes._kept)

    records = played(folder, body, monkeypatch)
    assert [record["type"] for record in records] == ["self.alarm", "self.alarm-over", "self.alarm"]
    assert records[1]["body"]["seconds"] == 30
