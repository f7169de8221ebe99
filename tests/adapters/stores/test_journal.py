"""The journal on disk: tiles of 256, forward only, and never signed over lost records."""

import stat
import threading

import pytest

from qorridor.adapters.stores.journal import Journal, JournalFiles, tile_name
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.prove.merkle import leaf_hash, root_of
from qorridor.prove.note import open_note, read_key

ORIGIN = "bank.example/qorridor/london"


def leaves(count, start=0):
    return [f"leaf {n}".encode() for n in range(start, start + count)]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in (folder / "tile").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("number", "name"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_tile_names_are_those_of_tlog_tiles(number, name):
    assert tile_name(number) == name


def test_what_is_appended_is_read_back_in_whole_and_partial_bundles(tmp_path):
    journal = Journal(tmp_path, ORIGIN)
    for start in range(0, 600, 75):
        journal.append(leaves(75, start))
    assert files(tmp_path) == [
        "tile/0/000", "tile/0/001", "tile/0/002.p/88",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
    ]  # fmt: skip
    entries, hashes = JournalFiles(tmp_path).read()
    assert entries == leaves(600)
    assert hashes == [leaf_hash(leaf) for leaf in entries]
    assert (tmp_path / "tile/0/000").stat().st_size == 8192


def test_a_checkpoint_signs_size_and_root_and_comes_only_after_something_new(tmp_path):
    journal = Journal(tmp_path, ORIGIN)
    journal.append(leaves(300))
    note = journal.checkpoint()
    signed = open_note(note, [read_key(key) for key in journal.verification_keys])
    assert (signed.origin, signed.size) == (ORIGIN, 300)
    assert signed.root == root_of([leaf_hash(leaf) for leaf in leaves(300)])
    assert journal.checkpoint() is None
    assert (tmp_path / "checkpoint").read_text() == note


def test_a_restarted_journal_goes_on_where_it_was_under_the_same_keys(tmp_path):
    first = Journal(tmp_path, ORIGIN)
    first.append(leaves(260))
    first.checkpoint()
    second = Journal(tmp_path, ORIGIN)
    assert second.size == 260
    assert second.verification_keys == first.verification_keys
    second.append(leaves(10, 260))
    assert JournalFiles(tmp_path).read()[0] == leaves(270)
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("what", ["removed", "altered"])
def test_nothing_more_is_signed_over_records_that_are_not_those_that_were_signed(tmp_path, what):
    journal = Journal(tmp_path, ORIGIN)
    journal.append(leaves(20))
    journal.checkpoint()
    if what == "removed":
        (tmp_path / "tile/entries/000.p/20").unlink()
    else:
        file = tmp_path / "tile/entries/000.p/20"
        file.write_bytes(file.read_bytes().replace(b"leaf 7", b"leaf 8"))
    with pytest.raises(OutsideError) as error:
        Journal(tmp_path, ORIGIN)
    assert error.value.code == "Q-PROOF-001"


def test_a_bundle_that_is_cut_short_is_named(tmp_path):
    journal = Journal(tmp_path, ORIGIN)
    journal.append(leaves(20))
    file = tmp_path / "tile/entries/000.p/20"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(EvidenceError) as error:
        JournalFiles(tmp_path).read()
    assert error.value.code == "Q-PROOF-007"
    assert str(file) in str(error.value)


def test_what_a_crash_left_half_written_is_neither_read_nor_in_the_way(tmp_path):
    journal = Journal(tmp_path, "o")
    journal.append([b"a"])
    for kind in ("entries", "0"):
        (tmp_path / "tile" / kind / "000.p" / ".2.x81kz").write_bytes(b"half")
    again = Journal(tmp_path, "o")
    again.append([b"b"])
    assert JournalFiles(tmp_path).read()[0] == [b"a", b"b"]


def test_a_reader_beside_the_living_writer_sees_a_whole_log_every_time(tmp_path):
    journal = Journal(tmp_path, "o")
    journal.append([b"0"])
    over = threading.Event()

    def write():
        for number in range(1, 700):
            journal.append([b"%d" % number])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks, last = 0, 0
    while not over.is_set():
        entries, hashes = JournalFiles(tmp_path).read()
        assert entries == [b"%d" % number for number in range(len(entries))]
        assert hashes == [leaf_hash(entry) for entry in entries]
        assert len(entries) >= last
        looks, last = looks + 1, len(entries)
    writer.join()
    assert looks > 10


def test_a_folder_whose_files_vanish_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    Journal(tmp_path, "o").append([b"a"])

    def gone(_):
        raise FileNotFoundError

    monkeypatch.setattr("qorridor.adapters.stores.journal._split_bundle", gone)
    with pytest.raises(EvidenceError) as error:
        JournalFiles(tmp_path).read()
    assert error.value.code == "Q-PROOF-007"


def test_a_journal_that_is_opened_again_writes_nothing(tmp_path):
    first = Journal(tmp_path / "journal", "test/qorridor/london")
    first.append([b"a"])
    first.checkpoint()
    before = {
        file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in tmp_path.rglob("*") if file.is_file()
    }
    Journal(tmp_path / "journal", "test/qorridor/london")
    assert before == {f: (f.stat().st_mtime_ns, f.stat().st_ino) for f in tmp_path.rglob("*") if f.is_file()}
