import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.prove.merkle import (
    EMPTY_ROOT,
    Frontier,
    inclusion_proof,
    leaf_hash,
    root_from_inclusion,
    root_of,
)

# The eight leaves and roots that implementations of RFC 6962 share as known answers.
ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def test_the_empty_tree_has_the_root_of_rfc_6962():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root() == EMPTY_ROOT


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_the_known_roots_come_out(size, root):
    assert root_of([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == root


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_every_leaf_has_a_proof_and_no_other_leaf_fits_it(entries, data):
    leaves = [leaf_hash(entry) for entry in entries]
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    assert root_from_inclusion(leaves[index], index, len(leaves), proof) == root_of(leaves)
    assert root_from_inclusion(leaf_hash(b"another entry"), index, len(leaves), proof) != root_of(leaves)


@pytest.mark.parametrize("change", [lambda proof: proof[:-1], lambda proof: [*proof, bytes(32)]])
def test_a_proof_of_another_length_is_refused(change):
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    with pytest.raises(ValueError, match="too"):
        root_from_inclusion(leaves[3], 3, 8, change(inclusion_proof(leaves, 3)))


@given(st.lists(st.binary(max_size=4), min_size=2, max_size=40), st.data())
def test_any_change_of_the_records_changes_the_root(entries, data):
    leaves = [leaf_hash(entry) for entry in entries]
    index = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:index], leaf_hash(b"another entry"), *leaves[index + 1 :]]
    assert root_of(changed) != root_of(leaves)
    assert root_of(leaves[:-1]) != root_of(leaves)
