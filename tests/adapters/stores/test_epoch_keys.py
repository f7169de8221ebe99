"""The epoch's key: what it seals survives its end, and what old copies hold opens with nothing that is left."""

import asyncio
import os
import shutil

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


def test_an_old_copy_of_the_database_and_the_root_key_open_nothing_once_its_epoch_is_over(tmp_path):
    async def body():
        clock = Clock()
        store = opened(tmp_path, clock)
        await stocked(store)
        await store.checkpoint()
        shutil.copy(tmp_path / "state/keys.db", tmp_path / "old.db")
        clock.time += EPOCH_SECONDS
        await store.renew_epoch()
        await store.close()
        shutil.copy(tmp_path / "old.db", tmp_path / "state/keys.db")
        again = opened(tmp_path, clock)
        sealed = again._db.execute("SELECT dek FROM block").fetchall()
        sealed += again._db.execute("SELECT sealed FROM roll").fetchall()
        sealed += again._db.execute("SELECT material FROM key WHERE material IS NOT NULL").fetchall()
        assert len(sealed) == 3
        for (value,) in sealed:
            with pytest.raises(OutsideError) as gone:
                again._epochs.open(value, "anywhere")
            assert "epoch 1" in gone.value.cause
        await again.close()

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
    keys = EpochKeys(tmp_path, Sealer(os.urandom(32)), Clock())
    (file,) = tmp_path.iterdir()
    size, seen = file.stat().st_size, []
    monkeypatch.setattr(type(file), "unlink", lambda path: seen.append(path.read_bytes()))
    keys.begin()
    keys.end_all_but(set())
    assert seen == [bytes(size)]


def test_what_was_sealed_opens_at_its_place_only(tmp_path):
    keys = EpochKeys(tmp_path, Sealer(os.urandom(32)), Clock())
    sealed = keys.seal(b"secret", "here")
    assert keys.open(sealed, "here") == b"secret"
    assert keys.open(keys.again(sealed, "here"), "here") == b"secret"
    for value, place in ((sealed, "there"), (sealed[:-1], "here"), (sealed[:3], "here"), (b"", "here")):
        with pytest.raises(OutsideError):
            keys.open(value, place)
