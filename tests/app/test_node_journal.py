"""A node's events reach its journal in order, and nothing is numbered twice or left out."""

import pytest

from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.app.node_journal import NodeJournal
from qorridor.app.node_notes import Notes
from qorridor.base.canonical import canonical_json
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.records.events import Event
from tests.support.loop import run
from tests.support.world import Clock


def opened(folder, clock=None, store="store"):
    journal = Journal(folder / "journal", "test/qorridor/london")
    kept = SqliteStore(
        folder / store, root_sealer(folder / "root.key"), clock or Clock(), "london", journalled=journal.size
    )
    return kept, NodeJournal(folder, journal, kept, Notes(kept, "london", Clock()))


async def noted(store, *names):
    await store.write([Event("test", name) for name in names])


def test_events_become_records_in_their_order(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        await noted(store, *map(str, range(600)))
        await journal.sequence()
        assert journal.size == 600
        await store.close()

    run(main())
    entries, _ = Journal(tmp_path / "journal", "test/qorridor/london").files.read()
    assert [b'"subject":"%d"' % number in entry for number, entry in enumerate(entries)] == [True] * 600


def test_a_new_store_goes_on_in_the_old_journal_and_loses_no_event(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        await noted(store, "a", "b", "c")
        await journal.close()
        await store.close()
        store, journal = opened(tmp_path, store="new")
        await noted(store, "d")
        await journal.sequence()
        await store.close()
        return journal.size

    assert run(main()) == 4


def test_a_journal_that_was_removed_is_written_again_from_what_the_store_still_holds(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        await noted(store, "a", "b")
        await journal.sequence()
        again = NodeJournal(tmp_path, Journal(tmp_path / "other", "test/qorridor/london"), store, None)
        await again.sequence()
        await store.close()
        return again.size

    assert run(main()) == 2


def test_records_that_are_in_no_place_any_more_stop_the_journal_and_nothing_is_numbered_twice(tmp_path):
    async def main():
        clock = Clock()
        store, journal = opened(tmp_path, clock)
        await noted(store, "a", "b", "c")
        await journal.sequence()
        clock.time += 8 * 86400
        await store.prune(journal.size)
        await noted(store, "d")
        again = NodeJournal(tmp_path, Journal(tmp_path / "other", "test/qorridor/london"), store, None)
        with pytest.raises(OutsideError) as missing:
            await again.sequence()
        await store.close()
        return missing.value.code, again.size

    assert run(main()) == ("Q-PROOF-010", 0)


def test_a_neighbour_keeps_the_longest_checkpoint_under_the_keys_that_it_saw_first(tmp_path):
    def told(journal, note):
        return canonical_json({"vkeys": [*journal.verification_keys], "note": note})

    async def main():
        store, holder = opened(tmp_path / "hayes")
        journal = Journal(tmp_path / "london", "test/qorridor/london")
        journal.append([b"a"])
        short = journal.checkpoint()
        journal.append([b"b"])
        long = journal.checkpoint()
        holder.keep("london", told(journal, long))
        with pytest.raises(EvidenceError) as older:
            holder.keep("london", told(journal, short))
        other = Journal(tmp_path / "forger", "test/qorridor/london")
        other.append([b"a", b"x", b"y"])
        with pytest.raises(EvidenceError):
            holder.keep("london", told(other, other.checkpoint()))
        with pytest.raises(ValueError, match="verification keys"):
            holder.keep("london", b'{"note":"x"}')
        await store.close()
        return older.value.code, (
            tmp_path / "hayes" / "checkpoints" / "london.checkpoint"
        ).read_text() == long

    assert run(main()) == ("Q-PROOF-008", True)
