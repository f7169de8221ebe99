"""A node's events reach its journal in order, and nothing is numbered twice or left out."""

import asyncio
import base64
import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.app import node_journal
from qorridor.app.node_checkpoints import Checkpoints
from qorridor.app.node_journal import NodeJournal
from qorridor.app.node_notes import Notes
from qorridor.base.canonical import canonical_json
from qorridor.base.errors import EvidenceError, KeySupplyError, OutsideError
from qorridor.base.secret import Secret
from qorridor.ports.key_store import Association, Keep
from qorridor.records.events import Event
from qorridor.records.keys import KeyBlock
from tests.support.loop import run, until
from tests.support.world import Clock


def opened(folder, clock=None, store="store"):
    journal = Journal(folder / "journal", "test/qorridor/london")
    kept = SqliteStore(
        folder / store, root_sealer(folder / "root.key"), clock or Clock(), "london", journalled=journal.size
    )
    return kept, NodeJournal(journal, kept, Notes(kept, "london", Clock()))


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
        again = NodeJournal(Journal(tmp_path / "other", "test/qorridor/london"), store, None)
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
        again = NodeJournal(Journal(tmp_path / "other", "test/qorridor/london"), store, None)
        with pytest.raises(OutsideError) as missing:
            await again.sequence()
        await store.close()
        return missing.value.code, again.size

    assert run(main()) == ("Q-PROOF-010", 0)


class Neighbour:
    """Another node's end of the calls, without the wire."""

    def __init__(self, folder, notes=None):
        self.keeper = Checkpoints(folder, "test/qorridor", ("london",), notes)
        self.reachable = True

    async def held_checkpoint(self):
        if not self.reachable:
            raise OutsideError("Q-KME-042", "nobody answers", "start it")
        return self.keeper.held("london")

    async def keep_checkpoint(self, told):
        if not self.reachable:
            raise OutsideError("Q-KME-042", "nobody answers", "start it")
        try:
            self.keeper.keep("london", canonical_json(told))
        except EvidenceError as error:
            raise KeySupplyError(error.code, error.cause, error.remedy) from error


async def grown(store, journal, neighbours, *names):
    """Some events later, asked, signed and left."""
    await noted(store, *names)
    await journal.sequence()
    await journal.ask(neighbours)
    await journal.sign(neighbours)


def lines(neighbour):
    return neighbour.keeper.held("london").splitlines()[1:2]


def test_neighbours_follow_a_log_that_grows_and_one_that_was_away_comes_after(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        near, far = Neighbour(tmp_path / "near"), Neighbour(tmp_path / "far")
        both = {"near": near, "far": far}
        await grown(store, journal, both, "a")
        far.reachable = False
        await grown(store, journal, both, *map(str, range(700)))
        far.reachable = True
        await grown(store, journal, both, "b")
        sizes = lines(near), lines(far)
        await store.close()
        store, journal = opened(tmp_path)
        await grown(store, journal, both, "c")
        await store.close()
        return sizes, lines(near), lines(far)

    assert run(main()) == ((["702"], ["702"]), ["703"], ["703"])


def copied(tmp_path, keep):
    """The journal's folder with its keys and only the first `keep` records, as a backup brings it back."""
    old = Journal(tmp_path / "journal", "test/qorridor/london")
    entries, _ = old.files.read()
    folder = tmp_path / "restored"
    folder.mkdir()
    shutil.copy(tmp_path / "journal" / "log.key", folder)
    restored = Journal(folder, "test/qorridor/london")
    restored.append(entries[:keep])
    return restored


@pytest.mark.parametrize("change", ["shorter", "other", "removed"])
def test_a_journal_that_does_not_go_on_from_what_a_neighbour_holds_is_not_signed_again(tmp_path, change):
    async def main():
        store, journal = opened(tmp_path)
        neighbours = {"near": Neighbour(tmp_path / "near")}
        await grown(store, journal, neighbours, "a", "b", "c")
        await store.close()
        shutil.rmtree(tmp_path / "store")
        fresh = tmp_path / "new"
        later = Journal(fresh, "test/qorridor/london") if change == "removed" else copied(tmp_path, 1)
        kept = SqliteStore(tmp_path / "store", root_sealer(tmp_path / "root.key"), Clock(), "london",
                           journalled=later.size)  # fmt: skip
        notes = Notes(kept, "london", Clock())
        again = NodeJournal(later, kept, notes)
        if change == "other":
            await noted(kept, *"wxyz")
        await grown(kept, again, neighbours)
        signed = (later._folder / "checkpoint").exists()
        await noted(kept, "goes on")
        await again.close()
        size = again.size
        await notes.drain()
        leaves = [json.loads(leaf) for _, leaf in await kept.events_after(0)]
        await kept.close()
        forks = [leaf for leaf in leaves if leaf["type"] == "ledger.fork"]
        return (
            signed,
            (later._folder / "checkpoint").exists(),
            list(notes.alarms),
            forks,
            size,
            lines(neighbours["near"]),
        )

    before, after, alarms, forks, size, held = run(main())
    assert (before, after) == (False, False), "nothing is signed, not at the end either"
    assert alarms == ["journal-fork"]
    assert [(fork["severity"], fork["body"]["holder"]) for fork in forks] == [("P1", "near")]
    assert size > 0, "the records are written all the same"
    assert held == ["3"]


def test_the_first_signature_waits_for_the_neighbours_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(node_journal, "SEQUENCE_SECONDS", 0.01)
    monkeypatch.setattr(node_journal, "ASK_SECONDS", 0.02)
    monkeypatch.setattr(node_journal, "PATIENCE_SECONDS", 0.3)

    async def main():
        store, journal = opened(tmp_path)
        near = Neighbour(tmp_path / "near")
        near.reachable = False
        await noted(store, "a")
        task = asyncio.create_task(journal.run({"near": near}))
        signed = tmp_path / "journal" / "checkpoint"
        await asyncio.sleep(0.15)
        early = signed.exists()
        await until(signed.exists)
        near.reachable = True
        await until(lambda: journal._held)
        task.cancel()
        await store.close()
        return early

    assert run(main()) is False


def told(journal, note, old=0, proof=()):
    hashes = [base64.b64encode(item).decode() for item in proof]
    return canonical_json({"vkeys": [*journal.verification_keys], "note": note, "old": old, "proof": hashes})


def forked(tmp_path):
    """A journal of three records, and another under the same keys that differs in the second."""
    journal = Journal(tmp_path / "london", "test/qorridor/london")
    journal.append([b"1", b"2", b"3"])
    (tmp_path / "forger").mkdir()
    shutil.copy(tmp_path / "london" / "log.key", tmp_path / "forger")
    forger = Journal(tmp_path / "forger", "test/qorridor/london")
    forger.append([b"1", b"X", b"3"])
    return journal, forger


@pytest.mark.parametrize("longer", [False, True])
def test_a_neighbour_that_signs_two_histories_is_found_out_and_both_notes_are_kept(tmp_path, longer):
    async def main():
        store, _ = opened(tmp_path / "hayes")
        notes = Notes(store, "hayes", Clock())
        holder = Checkpoints(tmp_path / "hayes", "test/qorridor", ("london",), notes)
        journal, forger = forked(tmp_path)
        honest = journal.checkpoint()
        holder.keep("london", told(journal, honest))
        if longer:
            forger.append([b"4"])
        lie, proof = forger.checkpoint(), forger.proof(3, forger.size)
        for _ in range(3):
            with pytest.raises(EvidenceError) as fork:
                holder.keep("london", told(forger, lie, 3, proof))
        journal.append([b"4", b"5"])
        holder.keep("london", told(journal, journal.checkpoint(), 3, journal.proof(3, 5)))
        await notes.drain()
        leaves = [json.loads(leaf) for _, leaf in await store.events_after(0)]
        await store.close()
        kept = {
            file.suffix: file.read_text() for file in (tmp_path / "hayes" / "checkpoints").glob("*.fork-*")
        }
        return fork.value.code, kept, leaves, (honest, lie), list(notes.alarms)

    code, kept, leaves, (honest, lie), alarms = run(main())
    assert code == "Q-PROOF-040"
    assert kept == {".held": honest, ".shown": lie}
    (fork,) = [leaf for leaf in leaves if leaf["type"] == "ledger.fork"]
    assert (fork["severity"], fork["subject"]) == ("P1", "london")
    assert (fork["body"]["held"], fork["body"]["shown"]) == (honest, lie)
    assert alarms == ["fork-london"]


def test_a_neighbour_keeps_the_longest_checkpoint_under_the_keys_that_it_saw_first(tmp_path):
    holder = Checkpoints(tmp_path / "hayes", "test/qorridor", ("london",), None)
    journal = Journal(tmp_path / "london", "test/qorridor/london")
    journal.append([b"a"])
    short = journal.checkpoint()
    journal.append([b"b"])
    long = journal.checkpoint()
    holder.keep("london", told(journal, long))
    other = Journal(tmp_path / "forger", "test/qorridor/london")
    other.append([b"a", b"x", b"y"])
    journal.append([b"c"])
    bodies = {
        "shorter": told(journal, short, 2),
        "forger": told(other, other.checkpoint(), 2, other.proof(2, 3)),
        "stale": told(journal, journal.checkpoint(), 1, journal.proof(1, 3)),
    }
    refused = {}
    for name, body in bodies.items():
        with pytest.raises(EvidenceError) as error:
            holder.keep("london", body)
        refused[name] = error.value.code
    assert refused == {"shorter": "Q-PROOF-008", "forger": "Q-PROOF-003", "stale": "Q-PROOF-041"}
    assert holder.held("london") == long


def test_keys_are_pinned_only_after_the_note_has_verified_under_them(tmp_path):
    holder = Checkpoints(tmp_path / "hayes", "test/qorridor", ("london",), None)
    journal = Journal(tmp_path / "london", "test/qorridor/london")
    other = Journal(tmp_path / "other", "test/qorridor/london")
    journal.append([b"a"])
    with pytest.raises(EvidenceError):
        holder.keep("london", told(other, journal.checkpoint()))
    assert not (tmp_path / "hayes").exists()
    holder.keep("london", told(journal, (tmp_path / "london" / "checkpoint").read_text()))


def test_a_log_of_another_name_and_a_stranger_are_refused(tmp_path):
    holder = Checkpoints(tmp_path / "hayes", "test/qorridor", ("london",), None)
    journal = Journal(tmp_path / "slough", "test/qorridor/slough")
    journal.append([b"a"])
    note = journal.checkpoint()
    with pytest.raises(EvidenceError) as other:
        holder.keep("london", told(journal, note))
    with pytest.raises(KeySupplyError) as stranger:
        holder.keep("slough", told(journal, note))
    assert (other.value.code, stranger.value.code) == ("Q-PROOF-042", "Q-PROOF-043")


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=8).map(str)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["vkeys", "note", "old", "proof"]), leaves | st.lists(leaves, max_size=3)
    ).map(json.dumps).map(str.encode)
    | st.binary(max_size=20)
    | st.integers().map(lambda size: json.dumps({
        "vkeys": ["test+00000000+AQ=="], "old": 0, "proof": [],
        "note": f"test/qorridor/london\n{size}\nAAAA\n\n\u2014 test AAAA\n"}).encode())
)  # fmt: skip
def test_whatever_a_neighbour_shows_is_kept_or_refused_with_a_word(tmp_path, body):
    holder = Checkpoints(tmp_path / "hayes", "test/qorridor", ("london",), None)
    with pytest.raises((ValueError, EvidenceError)):
        holder.keep("london", body)


async def stocked(store):
    """A key that waits for its SAE, and a block with more."""
    pair = Association("a", ("b",), 256, ("london", "hayes"))
    await store.ingest(
        KeyBlock("lh", bytes(16), 0, Secret(bytes(640)), simulated=True, epsilon="0"),
        owned=True,
        keep=Keep(19),
    )
    await store.reserve("lh", pair, 1, "t")
    await store.ready("t")
    await store.settle("t")


def test_an_old_copy_of_a_node_voids_every_key_of_its_store(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        neighbours = {"near": Neighbour(tmp_path / "near")}
        await stocked(store)
        await grown(store, journal, neighbours, "a")
        await store.close()
        for part in ("store", "journal"):
            shutil.copytree(tmp_path / part, tmp_path / "backup" / part)
        shutil.copy(tmp_path / "root.key", tmp_path / "backup")
        store, journal = opened(tmp_path)
        await grown(store, journal, neighbours, "b", "c")
        whole = await store.count()
        await store.close()
        old, late = opened(tmp_path / "backup")
        life = old.incarnation
        assert not late.is_compared()
        await late.ask(neighbours)
        counts, events = (
            await old.count(),
            [json.loads(leaf)["type"] for _, leaf in await old.events_after(0)],
        )
        await old.close()
        return whole, counts, late.is_compared(), life != old.incarnation, events

    whole, counts, compared, renewed, events = run(main())
    assert whole.bound == 256
    assert counts.available == counts.bound == counts.missing == 0
    assert counts.void == 640 * 8
    assert compared
    assert renewed
    assert events.count("key.store-restored") == 1


def test_a_neighbour_that_shows_garbage_voids_no_key(tmp_path):
    class Liar:
        async def held_checkpoint(self):
            return "garbage"

    async def main():
        store, journal = opened(tmp_path)
        await stocked(store)
        await journal.sequence()
        await journal.ask({"near": Liar()})
        counts = await store.count()
        await store.close()
        return counts

    assert run(main()).bound == 256


def test_a_journal_folder_that_was_removed_under_a_running_node_stops_signing_and_nothing_else(tmp_path):
    async def main():
        store, journal = opened(tmp_path)
        neighbours = {"near": Neighbour(tmp_path / "near")}
        await grown(store, journal, neighbours, "a", "b")
        (tmp_path / "journal").rename(tmp_path / "elsewhere")
        await grown(store, journal, neighbours, "c")  # it goes on in a folder that it makes anew
        await store.close()
        kept, again = opened(tmp_path)
        await again.sequence()
        await again.ask(neighbours)
        alarms, size = list(again._notes.alarms), again.size
        await again.sign(neighbours)
        signed = (tmp_path / "journal" / "checkpoint").exists()
        await kept.close()
        return alarms, size, signed, (tmp_path / "journal" / "checkpoint.orphan").is_file()

    assert run(main()) == (["journal-fork"], 3, False, True)
