import pytest

from qorridor.base.errors import EvidenceError
from qorridor.prove.merkle import leaf_hash, root_of
from qorridor.prove.note import Checkpoint
from qorridor.prove.verify import verify_journal

ENTRIES = [b"record %d" % number for number in range(20)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]


def at(size, entries=ENTRIES):
    return Checkpoint("log", size, root_of([leaf_hash(entry) for entry in entries[:size]]))


def code_of(entries, own, held):
    with pytest.raises(EvidenceError) as refused:
        verify_journal(entries, HASHES, own, held)
    return refused.value


def test_an_intact_journal_names_the_neighbour_that_was_used():
    found = verify_journal(ENTRIES, HASHES, at(20), {"hayes": at(12), "slough": at(17)})
    assert (found.size, found.neighbour, found.neighbour_size) == (20, "slough", 17)


def test_records_written_after_the_checkpoint_are_no_fault():
    assert verify_journal([*ENTRIES, b"new"], HASHES, at(20), {}).neighbour == ""


def test_an_altered_record_is_named():
    error = code_of([*ENTRIES[:5], b"altered", *ENTRIES[6:]], at(20), {})
    assert error.code == "Q-PROOF-004"
    assert "record 5 " in error.cause


def test_two_records_that_changed_places_are_found_in_the_log_alone():
    assert code_of([ENTRIES[1], ENTRIES[0], *ENTRIES[2:]], at(20), {}).code == "Q-PROOF-004"


def test_removed_records_are_found_against_the_own_checkpoint():
    assert code_of(ENTRIES[:15], at(20), {}).code == "Q-PROOF-005"


def test_records_removed_before_signing_again_are_found_against_a_neighbour():
    assert code_of(ENTRIES[:10], at(10), {"hayes": at(15)}).code == "Q-PROOF-005"


def test_a_rewritten_journal_is_found_against_a_neighbour():
    other = [b"other %d" % number for number in range(20)]
    assert code_of(other, at(20, other), {"hayes": at(12)}).code == "Q-PROOF-006"


def test_a_record_altered_after_the_newest_checkpoint_is_found_by_its_stored_hash():
    error = code_of([*ENTRIES[:18], b"altered", ENTRIES[19]], at(15), {"hayes": at(12)})
    assert error.code == "Q-PROOF-004"
    assert "record 18 " in error.cause
