"""What both ends compute alike without talking (key agreement, sections 3 and 5)."""

import re

from hypothesis import given
from hypothesis import strategies as st

from qorridor.ports.key_store import Association
from qorridor.run.agreement import BlockKeys, association_bytes, atoms_for, owner

ENDS = ("london", "hayes")
ONE = Association("a", ("b",), 256, ("london", "hayes"))


def test_blocks_alternate_between_the_ends_whichever_asks():
    assert [owner(ENDS, n) for n in range(4)] == ["hayes", "london", "hayes", "london"]
    assert [owner(ENDS[::-1], n) for n in range(4)] == [owner(ENDS, n) for n in range(4)]


@given(st.integers(1, 8192))
def test_a_key_takes_whole_atoms(size):
    assert (atoms_for(size) - 1) * 256 < size <= atoms_for(size) * 256


def test_key_ids_are_uuids_and_differ_by_link_block_place_and_internal_atom():
    keys, other = BlockKeys.of(bytes(32)), BlockKeys.of(b"\1" * 32)
    made = {
        keys.key_id("link", b"block", 1),
        keys.key_id("link", b"block", 2),
        keys.key_id("link", b"other", 1),
        keys.key_id("kink", b"block", 1),
        other.key_id("link", b"block", 1),
    }
    assert len(made) == 5
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, key_id) for key_id in made)
    assert keys.key_id("link", b"block", 1) == BlockKeys.of(bytes(32)).key_id("link", b"block", 1)


def test_names_of_different_length_do_not_run_into_one_another():
    keys = BlockKeys.of(bytes(32))
    assert keys.key_id("ab", b"c", 1) != keys.key_id("a", b"bc", 1)


def test_a_digest_depends_on_key_association_and_key_id():
    keys = BlockKeys.of(bytes(32))
    made = {
        keys.digest("id", ONE, b"key"),
        keys.digest("id", ONE, b"kez"),
        keys.digest("ie", ONE, b"key"),
        keys.digest("id", Association("a", ("c",), 256, ONE.path), b"key"),
        keys.digest("id", Association("a", ("b",), 128, ONE.path), b"key"),
        keys.digest("id", Association("a", ("b",), 256, ("hayes", "london")), b"key"),
        BlockKeys.of(b"\1" * 32).digest("id", ONE, b"key"),
    }
    assert len(made) == 7
    assert all(len(digest) == 32 for digest in made)


def test_the_order_of_targets_does_not_matter():
    left, right = Association("a", ("b", "c"), 256, ("x",)), Association("a", ("c", "b"), 256, ("x",))
    assert association_bytes(left) == association_bytes(right)
