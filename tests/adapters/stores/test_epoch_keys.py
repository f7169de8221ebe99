"""The epoch's key: what it seals survives its end, and what old copies hold opens with nothing that is left."""

import asyncio
import os
import shutil
import sqlite3

import pytest

from qorridor.adapters.stores import epoch_keys
from qorridor.adapters.stores.epoch_keys import EPOCH_SECONDS, EpochKeys
from qorridor.adapters.stores.sealing import Sealer, root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Association, Keep
from qorridor.ports.rolls import RollRow
from qorridor.records.keys import KeyBlock
from tests.support.world import Clock

PAIR = Association("a", ("b",), 256, ("london", "hayes"))
KEY = bytes(range(32)) * 20


def opened(folder, clock):
    return SqliteStore(folder / "state", root_sealer(folder / "root.key"), clock, "london")


async def stocked(store):
    """A block with a bound key, a key that was relayed, the outputs of a roll: all that is sealed."""
    made = KeyBlock("lh", b"b" * 16, 0, Secret(KEY), simulated=True, epsilon="0")
    await store.ingest(made, owned=True, keep=Keep(19))
    (allotment,) = await store.reserve("lh", PAIR, 1, "t")
    await store.ready("t")
    await store.settle("t")
    await store.hold(PAIR, "held", Secret(b"h" * 32), "u", "target", simulated=True)
    await store.write([RollRow("thames", 1, "i", "committed", Secret(b"o" * 32))])
    return allotment.key_id


async def delivered(store, key_id):
    """The three of them in clear."""
    (bound,) = await store.deliver([key_id], "a", as_initiator=True)
    (held,) = await store.deliver(["held"], "b", as_initiator=False)
    (roll,) = await store.rolls("thames")
    return bytes(bound.key.reveal()), bytes(held.key.reveal()), bytes(roll.outputs.reveal())


WHOLE = (KEY[32:64], b"h" * 32, b"o" * 32)


def test_nothing_happens_before_the_day_is_over(tmp_path):
    async def body():
        clock = Clock()
        store = opened(tmp_path, clock)
        clock.time += EPOCH_SECONDS - 1
        assert not await store.renew_epoch()
        await store.close()

    asyncio.run(body())


@pytest.mark.parametrize("restart", [False, True])
def test_all_that_was_sealed_opens_under_the_next_epochs_key_and_the_old_one_is_gone(tmp_path, restart):
    async def body():
        clock = Clock()
        store = opened(tmp_path, clock)
        key_id = await stocked(store)
        (old,) = (tmp_path / "state/epochs").iterdir()
        clock.time += EPOCH_SECONDS
        assert await store.renew_epoch()
        assert not old.exists()
        assert len(list((tmp_path / "state/epochs").iterdir())) == 1
        if restart:
            await store.close()
            store = opened(tmp_path, clock)
        opens = epoch_keys.epochs_used(store._db)
        assert opens == {2}
        clock.time -= EPOCH_SECONDS  # the keys' own lifetimes are another matter
        assert await delivered(store, key_id) == WHOLE
        await store.close()

    asyncio.run(body())


async def exchanged_for_an_old_copy(folder, clock):
    """A store whose database is put back as it was before its epoch's key changed."""
    store = opened(folder, clock)
    await stocked(store)
    await store.checkpoint()
    shutil.copy(folder / "state/keys.db", folder / "old.db")
    clock.time += EPOCH_SECONDS
    await store.renew_epoch()
    await store.close()
    for file in ("keys.db", "keys.db-wal"):
        (folder / "state" / file).unlink(missing_ok=True)
    shutil.copy(folder / "old.db", folder / "state/keys.db")


def test_an_old_copy_of_the_database_and_the_root_key_open_nothing_once_its_epoch_is_over(tmp_path):
    async def body():
        await exchanged_for_an_old_copy(tmp_path, Clock())
        database = sqlite3.connect(tmp_path / "state/keys.db")
        sealed = [row[0] for row in database.execute("SELECT dek FROM block")]
        sealed += [row[0] for row in database.execute("SELECT sealed FROM roll")]
        sealed += [row[0] for row in database.execute("SELECT material FROM key WHERE material IS NOT NULL")]
        database.close()
        assert len(sealed) == 3
        keys = EpochKeys(tmp_path / "state/epochs", root_sealer(tmp_path / "root.key"), Clock(), {1})
        for value in sealed:
            with pytest.raises(OutsideError) as gone:
                keys.open(value, "anywhere")
            assert "epoch 1" in gone.value.cause

    asyncio.run(body())


@pytest.mark.parametrize("how", ["an old database", "no epochs"])
def test_a_database_whose_epochs_keys_are_gone_is_a_restored_one_and_the_store_goes_on(tmp_path, how):
    """The side file agrees, as after a copy of the whole folder but `epochs`."""

    async def body():
        clock = Clock()
        if how == "an old database":
            await exchanged_for_an_old_copy(tmp_path, clock)
        else:
            store = opened(tmp_path, clock)
            await stocked(store)
            before = store.incarnation
            await store.close()
            shutil.rmtree(tmp_path / "state/epochs")
        store = opened(tmp_path, clock)
        assert store.was_restored
        assert how == "an old database" or store.incarnation != before
        counts = await store.count()
        assert (counts.available, counts.bound, counts.missing) == (0, 0, 0)
        assert [roll.outputs for roll in await store.rolls("thames")] == [None]
        leaves = b"".join(leaf for _, leaf in await store.events_after(0))
        assert b"key.store-restored" in leaves
        clock.time += EPOCH_SECONDS
        assert await store.renew_epoch(), "nothing stands in the way of the next epoch"
        await store.close()
        again = opened(tmp_path, clock)
        assert not again.was_restored
        await again.close()

    asyncio.run(body())


def test_a_destruction_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path):
    async def body():
        clock = Clock()
        store = opened(tmp_path, clock)
        key_id = await stocked(store)
        await store.close()
        (tmp_path / "state/epochs/00000000").write_bytes(bytes(72))
        (tmp_path / "state/epochs/notes.txt").write_text("not ours")
        store = opened(tmp_path, clock)
        assert sorted(file.name for file in (tmp_path / "state/epochs").iterdir()) == [
            "00000001",
            "notes.txt",
        ]
        assert await delivered(store, key_id) == WHOLE
        await store.close()

    asyncio.run(body())


@pytest.mark.parametrize("damage", ["folder", "garbage", "short"])
def test_a_key_file_that_cannot_be_used_is_named_and_frees_the_store(tmp_path, damage):
    async def body():
        clock = Clock()
        await opened(tmp_path, clock).close()
        file = tmp_path / "state/epochs/00000001"
        kept = file.read_bytes()
        file.unlink()
        if damage == "folder":
            file.mkdir()
        else:
            file.write_bytes(b"garbage" if damage == "short" else os.urandom(len(kept)))
        with pytest.raises(OutsideError) as refused:
            opened(tmp_path, clock)
        assert refused.value.where == str(file)
        assert refused.value.code == ("Q-KEY-043" if damage == "folder" else "Q-KEY-040")
        assert damage == "folder" or "epochs/" in refused.value.remedy
        file.rmdir() if damage == "folder" else file.unlink()
        file.write_bytes(kept)
        await opened(tmp_path, clock).close()

    asyncio.run(body())


@pytest.mark.parametrize("step", ["seal_again", "end_all_but"])
def test_a_store_that_ends_while_it_changes_its_key_loses_nothing(tmp_path, monkeypatch, step):
    class CrashError(BaseException):
        pass

    def ended(*_):
        raise CrashError

    async def body():
        clock = Clock()
        store = opened(tmp_path, clock)
        key_id = await stocked(store)
        clock.time += EPOCH_SECONDS
        with monkeypatch.context() as patch:
            part = store._keys if step == "seal_again" else store._epochs
            patch.setattr(type(part), step, ended)
            with pytest.raises(CrashError):
                await store.renew_epoch()
        assert len(list((tmp_path / "state/epochs").iterdir())) == 2, "both keys are there"
        await store.close()
        clock.time -= EPOCH_SECONDS
        store = opened(tmp_path, clock)
        assert len(list((tmp_path / "state/epochs").iterdir())) == (2 if step == "seal_again" else 1)
        assert await delivered(store, key_id) == WHOLE
        await store.close()

    asyncio.run(body())


def test_a_key_file_is_overwritten_before_it_is_removed(tmp_path, monkeypatch):
    keys = EpochKeys(tmp_path, Sealer(os.urandom(32)), Clock(), set())
    (file,) = tmp_path.iterdir()
    size, seen = file.stat().st_size, []
    monkeypatch.setattr(type(file), "unlink", lambda path: seen.append(path.read_bytes()))
    keys.begin()
    keys.end_all_but(set())
    assert seen == [bytes(size)]


def test_what_was_sealed_opens_at_its_place_only(tmp_path):
    keys = EpochKeys(tmp_path, Sealer(os.urandom(32)), Clock(), set())
    sealed = keys.seal(b"secret", "here")
    assert keys.open(sealed, "here") == b"secret"
    assert keys.open(keys.again(sealed, "here"), "here") == b"secret"
    for value, place in ((sealed, "there"), (sealed[:-1], "here"), (sealed[:3], "here"), (b"", "here")):
        with pytest.raises(OutsideError):
            keys.open(value, place)
