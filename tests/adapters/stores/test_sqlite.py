"""The key store on a real file: damage, a full disk, a restored copy, a second process, and what stays of a key."""

import asyncio
import contextlib
import os
import shutil
import sqlite3

import pytest

from qorridor.adapters.stores import lifetimes
from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.adapters.wire.system import SystemClock
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Allotment, Association, Keep, PadUse
from qorridor.records.events import Event
from qorridor.records.keys import KeyBlock

PAIR = Association("a", ("b",), 256, ("london", "hayes"))


class OffClock(SystemClock):
    """Time that goes by (`offset`), and a wall clock that was set (`jump`)."""

    offset = jump = 0.0

    def now(self):
        return super().now() + self.offset + self.jump

    def monotonic(self):
        return super().monotonic() + self.offset


def opened(folder, clock=None):
    return SqliteStore(folder / "state", root_sealer(folder / "root.key"), clock or SystemClock(), "london")


def block(sequence=0, atoms=20, seed=None):
    key = seed or os.urandom(atoms * 32)
    return KeyBlock("lh", bytes([sequence]) * 16, sequence, Secret(key), simulated=True, epsilon="1e-12")


def play(folder, body, clock=None):
    async def outer():
        store = opened(folder, clock)
        try:
            return await body(store)
        finally:
            await store.close()

    return asyncio.run(outer())


async def one_key(store, txid="t"):
    await store.ingest(block(), owned=True, keep=Keep(19))
    (allotment,) = await store.reserve("lh", PAIR, 1, txid)
    await store.ready(txid)
    await store.settle(txid)  # as if nobody had to hear of it any more: a restart leaves it as it is
    return allotment


def test_a_key_is_released_once_and_the_bits_balance(tmp_path):
    async def body(store):
        allotment = await one_key(store)
        (key,) = await store.deliver([allotment.key_id], "a", as_initiator=True)
        with pytest.raises(KeySupplyError) as gone:
            await store.deliver([allotment.key_id], "a", as_initiator=True)
        return key, gone.value, await store.count()

    key, gone, counts = play(tmp_path, body)
    assert len(key.key) == 32
    assert gone.code == "Q-KEY-024"
    assert counts.ingested == 20 * 256
    assert counts.ingested == (
        counts.available + counts.reserved + counts.bound + counts.delivered + counts.void
    )
    assert counts.delivered == 256


def test_a_foreign_sae_gets_nothing_and_takes_nothing_away(tmp_path):
    async def body(store):
        allotment = await one_key(store)
        with pytest.raises(PolicyRefusal):
            await store.deliver([allotment.key_id], "c", as_initiator=True)
        return await store.deliver([allotment.key_id], "a", as_initiator=True)

    assert len(play(tmp_path, body)) == 1


def test_of_a_delivered_key_nothing_stays_that_the_root_key_could_open(tmp_path):
    seed = os.urandom(20 * 32)

    async def body(store):
        await store.ingest(block(seed=seed), owned=True, keep=Keep(19))
        (allotment,) = await store.reserve("lh", PAIR, 1, "t")
        await store.ready("t")
        (key,) = await store.deliver([allotment.key_id], "a", as_initiator=True)
        again = store._blocks.read(allotment.block_id, allotment.first, 1)
        other = store._blocks.read(allotment.block_id, allotment.first + 1, 1)
        return bytes(key.key.reveal()), bytes(again), bytes(other)

    key, again, other = play(tmp_path, body)
    assert key in seed
    assert other in seed
    assert again == bytes(32)
    assert all(key not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_more_keys_than_there_are_leave_the_stock_as_it_was(tmp_path):
    async def body(store):
        await store.ingest(block(atoms=5), owned=True, keep=Keep(4))
        before = await store.count()
        with pytest.raises(KeySupplyError) as short:
            await store.reserve("lh", PAIR, 5, "t")
        return short.value, before, await store.count()

    short, before, after = play(tmp_path, body)
    assert short.code == "Q-KEY-020"
    assert before == after


def test_the_other_end_binds_only_what_agrees(tmp_path):
    seed = os.urandom(20 * 32)

    async def owner(store):
        await store.ingest(block(seed=seed), owned=True, keep=Keep(19))
        return (await store.reserve("lh", PAIR, 1, "t"))[0]

    allotment = play(tmp_path / "a", owner)

    async def peer(store):
        await store.ingest(block(seed=seed), owned=False, keep=Keep(19))
        wrong = Allotment(allotment.key_id, allotment.block_id, 7, 1, 256, allotment.digest)
        with pytest.raises(KeySupplyError):
            await store.bind("lh", PAIR, [wrong], "x")
        await store.bind("lh", PAIR, [allotment], "t")
        await store.bind("lh", PAIR, [allotment], "t")  # repeated: the same answer, nothing changed
        with pytest.raises(KeySupplyError):
            await store.bind("lh", PAIR, [allotment], "another")
        return await store.count()

    assert play(tmp_path / "b", peer).bound == 256


def test_a_key_whose_time_is_over_is_void_at_its_end(tmp_path):
    clock = OffClock()

    async def body(store):
        allotment = await one_key(store)
        clock.offset = 121.0
        voided = await store.expire([Event("key.expired", "london")])
        with pytest.raises(KeySupplyError):
            await store.deliver([allotment.key_id], "a", as_initiator=True)
        return allotment.key_id, voided, await store.count()

    key_id, voided, counts = play(tmp_path, body, clock)
    assert voided == [key_id]
    assert (counts.reserved, counts.bound) == (0, 0)


@pytest.mark.parametrize("jump", [-86400.0, -600.0, 600.0, 86400.0])
def test_a_wall_clock_that_is_set_ends_no_key_and_keeps_none_alive(tmp_path, jump):
    clock = OffClock()

    async def body(store):
        allotment = await one_key(store)
        clock.jump = jump
        assert await store.expire() == []
        assert store.clock_jump() == pytest.approx(jump, abs=1)
        assert await store.deliver([allotment.key_id], "a", as_initiator=True)
        (late,) = await store.reserve("lh", PAIR, 1, "u")
        clock.offset = 121.0
        return late.key_id, await store.expire()

    key_id, voided = play(tmp_path, body, clock)
    assert voided == [key_id]


def test_a_wall_clock_that_keeps_its_way_within_seconds_was_not_set(tmp_path):
    clock = OffClock()

    async def body(store):
        clock.jump, clock.offset = 4.0, 86400.0
        return store.clock_jump()

    assert play(tmp_path, body, clock) == 0.0


def test_a_restored_copy_gives_out_nothing(tmp_path):
    async def fill(store):
        return await one_key(store), store.incarnation

    allotment, incarnation = play(tmp_path, fill)
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    play(tmp_path, lambda store: store.deliver([allotment.key_id], "a", as_initiator=True))
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "backup", tmp_path / "state")
    (tmp_path / "state" / "incarnation").unlink()  # a backup holds the database, not what lies beside it

    async def use(store):
        with pytest.raises(KeySupplyError):
            await store.deliver([allotment.key_id], "a", as_initiator=True)
        return store.was_restored, store.incarnation, await store.stock("lh")

    restored, fresh, stock = play(tmp_path, use)
    assert restored
    assert fresh != incarnation
    assert stock.corridors == 0


def test_a_second_process_does_not_get_the_store(tmp_path):
    async def body(store):
        with pytest.raises(OutsideError) as refused:
            opened(tmp_path)
        return refused.value.code

    assert play(tmp_path, body) == "Q-KEY-042"


@pytest.mark.parametrize("damage", [b"this is no database" * 300, b""])
def test_a_damaged_store_is_named_and_nothing_else_happens(tmp_path, damage):
    play(tmp_path, one_key)
    file = tmp_path / "state" / "keys.db"
    for side in ("keys.db-wal", "keys.db-shm"):
        (tmp_path / "state" / side).unlink(missing_ok=True)
    file.write_bytes(damage)
    if not damage:
        assert play(tmp_path, lambda store: store.stock("lh")).corridors == 0
        return
    with pytest.raises(OutsideError) as refused:
        opened(tmp_path)
    assert refused.value.code == "Q-KEY-043"
    assert file.read_bytes() == damage


def test_a_full_disk_changes_nothing_and_the_store_goes_on_afterwards(tmp_path):
    async def body(store):
        await one_key(store)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        before = await store.count()
        with pytest.raises(QorridorError) as full:
            for sequence in range(1, 20):
                await store.ingest(block(sequence, atoms=2000), owned=True, keep=Keep(1999))
        seen = await store.count()
        store._db.execute("PRAGMA max_page_count = 1000000")
        await store.ingest(block(30), owned=True, keep=Keep(19))
        return full.value, before, seen

    full, before, seen = play(tmp_path, body)
    assert full.code == "Q-KEY-044"
    assert "full" in full.cause
    assert seen == before


def test_the_wrong_root_key_opens_nothing(tmp_path):
    play(tmp_path, one_key)
    key = (tmp_path / "root.key").read_bytes()
    (tmp_path / "root.key").write_bytes(os.urandom(32))
    with pytest.raises(OutsideError) as refused:
        opened(tmp_path)
    assert refused.value.code == "Q-KEY-040"
    (tmp_path / "root.key").write_bytes(key)
    assert play(tmp_path, lambda store: store.count()).bound == 256, "nothing was lost, and nothing is locked"


def test_events_are_numbered_without_gaps_with_what_they_tell_of(tmp_path):
    async def body(store):
        await store.write([Event("self.start", "london"), Event("self.note", "london")])
        with pytest.raises(KeySupplyError):
            await store.ready("nothing", [Event("never", "london")])
        await store.write([Event("self.stop", "london")])
        return await store.events_after(0)

    events = play(tmp_path, body)
    assert [number for number, _ in events] == [1, 2, 3]
    assert all(b"never" not in leaf for _, leaf in events)


WEEK = 7 * 86400.0


def test_old_tombstones_go_and_the_bits_still_balance(tmp_path):
    clock = OffClock()

    async def body(store):
        allotment = await one_key(store)
        await store.deliver([allotment.key_id], "a", as_initiator=True)
        await store.reserve("lh", PAIR, 1, "never-ready")
        await store.void("never-ready", "operator")
        before = await store.count(), await store.burnt()
        clock.offset = WEEK + 3600
        await store.prune(journalled=0)
        assert rows(store, "key") == 2, "their block is still here: the rows show which places are used"
        await store.burn_block(bytes(16), "operator")
        burnt = await store.count(), await store.burnt()
        await store.prune(journalled=0)
        assert rows(store, "key") == rows(store, "inbox") == 0
        return before, burnt, (await store.count(), await store.burnt())

    before, burnt, after = play(tmp_path, body, clock)
    assert before[0].missing == 0
    assert before[0].delivered == 256
    assert before[1] == {"operator": 256}
    assert burnt == after
    assert after[0].missing == 0
    assert after[0].delivered == 256


def rows(store, table):
    return store._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_bit_that_is_lost_or_doubled_shows_in_the_balance(tmp_path):
    async def body(store):
        await one_key(store)
        store._db.execute("UPDATE block SET atoms = atoms - 2")
        lost = (await store.count()).missing
        store._db.execute("UPDATE block SET atoms = atoms + 3")
        return lost, (await store.count()).missing

    assert play(tmp_path, body) == (2 * 256, -256)


def test_events_go_only_once_the_journal_holds_them_and_their_numbers_go_on(tmp_path):
    clock = OffClock()

    async def body(store):
        for number in range(5):
            await store.write([Event("test", str(number))])
        clock.offset = WEEK + 60
        await store.prune(journalled=3)
        left = [number for number, _ in await store.events_after(0)]
        await store.prune(journalled=5)
        newest = [number for number, _ in await store.events_after(0)]
        await store.write([Event("test", "6")])
        return left, newest, [number for number, _ in await store.events_after(0)]

    assert play(tmp_path, body, clock) == ([4, 5], [5], [5, 6])


def test_a_new_store_numbers_its_events_after_those_of_the_journal(tmp_path):
    async def body():
        store = SqliteStore(
            tmp_path / "s", root_sealer(tmp_path / "root.key"), SystemClock(), "x", journalled=500
        )
        await store.write([Event("test", "a"), Event("test", "b")])
        numbers = [number for number, _ in await store.events_after(500)]
        await store.close()
        return numbers

    assert asyncio.run(body()) == [501, 502]


def test_a_store_that_is_damaged_while_it_is_open_says_so(tmp_path):
    async def body(store):
        for sequence in range(20):
            await store.ingest(block(sequence), owned=True, keep=Keep(399))
        await store.checkpoint()
        file = tmp_path / "state" / "keys.db"
        size = file.stat().st_size
        with file.open("r+b") as out:
            out.seek(4096)
            out.write(os.urandom(size - 4096))
        store._db.execute("PRAGMA shrink_memory")
        with pytest.raises(OutsideError) as damaged:
            await store.reserve("lh", PAIR, 1, "t")
        return damaged.value.code

    async def outer():
        store = opened(tmp_path)
        try:
            return await body(store)
        finally:
            store._writer.close()
            store._db.close()
            store._lock.close()

    assert asyncio.run(outer()) == "Q-KEY-043"


def test_a_store_of_another_version_is_refused_and_left_as_it_is(tmp_path):
    play(tmp_path, one_key)
    file = tmp_path / "state" / "keys.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    with pytest.raises(OutsideError) as refused:
        opened(tmp_path)
    assert refused.value.code == "Q-KEY-043"
    assert "version 99" in refused.value.cause
    assert file.read_bytes() == before


@contextlib.contextmanager
def full_disk(store):
    """The database may not grow by a page."""
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    yield
    store._db.execute("PRAGMA max_page_count = 1000000")


def test_the_store_knows_that_it_cannot_write_until_a_write_succeeds(tmp_path):
    async def body(store):
        with full_disk(store):
            with pytest.raises(OutsideError):
                for _ in range(200):
                    await store.write([Event("self.note", "x" * 4000)])
            assert store.trouble.code == "Q-KEY-044"
            await store.count()
            await store.expire()
            assert store.trouble is not None, "what writes nothing proves nothing"
        await store.write([Event("self.note", "london")])
        return store.trouble

    assert play(tmp_path, body) is None


def test_a_store_that_is_as_it_should_be_opens_without_a_write(tmp_path, monkeypatch):
    play(tmp_path, one_key)
    written = []
    monkeypatch.setattr("qorridor.adapters.stores.schema.set_meta", lambda *told: written.append(told))
    store = opened(tmp_path)
    assert (store._db.total_changes, written) == (0, [])
    assert not (tmp_path / "state" / "keys.db-shm").exists(), "no shared memory has to find room"
    asyncio.run(store.close())


def test_a_store_whose_log_cannot_be_emptied_closes_all_the_same(tmp_path, monkeypatch):
    async def body():
        store = opened(tmp_path)

        async def full():
            raise OutsideError("Q-KEY-044", "full", "free space")

        monkeypatch.setattr(store, "checkpoint", full)
        with pytest.raises(OutsideError):
            await store.close()
        await opened(tmp_path).close()

    asyncio.run(body())


def test_a_relayed_key_that_was_given_up_between_its_pad_and_its_arrival_is_not_held(tmp_path):
    async def body(store):
        await store.ingest(block(), owned=False, keep=Keep(19))
        await store.match_pad("lh", bytes([0]) * 16, 1, 2, use=PadUse("t", ("a", "b", "c")))
        await store.void("t", "late")
        with pytest.raises(KeySupplyError) as refused:
            await store.hold(PAIR, "k", Secret(bytes(32)), "t", "target", simulated=True)
        return refused.value.code

    assert play(tmp_path, body) == "Q-KEY-026"


class Machine(OffClock):
    """A machine that can be started again."""

    def __init__(self, monkeypatch):
        self.boot = "one"
        monkeypatch.setattr(lifetimes, "_boot", lambda: self.boot)


@pytest.mark.parametrize("what", ["clock", "boot", "nothing"])
def test_keys_whose_waiting_time_is_not_known_after_a_restart_are_over(tmp_path, monkeypatch, what):
    clock = Machine(monkeypatch)

    async def wait(store):
        await one_key(store)
        return await store.count()

    assert play(tmp_path, wait, clock).bound == 256
    clock.jump = -3600.0 if what == "clock" else 2.0
    clock.boot = "two" if what == "boot" else "one"

    async def look(store):
        leaves = b"".join(leaf for _, leaf in await store.events_after(0))
        return (await store.count()).bound, b"key.clock-unknown" in leaves, store.clock_jump()

    known = what == "nothing"
    assert play(tmp_path, look, clock) == (256 if known else 0, not known, 0.0)
    assert play(tmp_path, look, clock)[2] == 0.0


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"", b"other"])
def test_a_side_file_that_cannot_be_read_as_it_was_makes_the_store_a_restored_one(tmp_path, damage):
    play(tmp_path, one_key)
    (tmp_path / "state/incarnation").write_bytes(damage)

    async def look(store):
        return store.was_restored, (await store.count()).bound

    assert play(tmp_path, look) == (True, 0)


def test_a_side_file_that_cannot_be_opened_is_named(tmp_path):
    play(tmp_path, one_key)
    (tmp_path / "state/incarnation").unlink()
    (tmp_path / "state/incarnation").mkdir()
    with pytest.raises(OutsideError) as refused:
        opened(tmp_path)
    assert refused.value.where.endswith("incarnation")
    (tmp_path / "state/incarnation").rmdir()
    asyncio.run(opened(tmp_path).close())
