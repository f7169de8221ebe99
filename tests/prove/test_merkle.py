import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.prove.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    range_root,
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


def subtrees(leaves):
    """Roots of complete subtrees, and the promise that only such are asked for."""

    def subtree(start, size):
        assert size & (size - 1) == 0
        assert start % size == 0
        assert start + size <= len(leaves)
        return root_of(leaves[start : start + size])

    return subtree


NUMBERED = [leaf_hash(bytes([number])) for number in range(131)]
NUMBERED_ROOTS = [root_of(NUMBERED[:size]) for size in range(len(NUMBERED) + 1)]
# The proofs that implementations of RFC 6962 share for the eight leaves above.
PROOFS = {
    (1, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (6, 8): ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 5): ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
    (8, 8): [],
}  # fmt: skip


@pytest.mark.parametrize(("sizes", "proof"), PROOFS.items())
def test_the_known_consistency_proofs_come_out(sizes, proof):
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    made = consistency_proof(*sizes, subtrees(leaves))
    assert [node.hex() for node in made] == proof
    assert is_consistent(*sizes, root_of(leaves[: sizes[0]]), root_of(leaves[: sizes[1]]), made)


def test_the_example_of_rfc_6962_section_2_1_3():
    """PROOF(3, D[7]) = [c, d, g, l], PROOF(4, D[7]) = [l], PROOF(6, D[7]) = [i, j, k]."""
    leaves = NUMBERED[:7]
    c, d = leaves[2], leaves[3]
    g, i, j = root_of(leaves[:2]), root_of(leaves[4:6]), leaves[6]
    k, last = root_of(leaves[:4]), root_of(leaves[4:7])
    known = {3: [c, d, g, last], 4: [last], 6: [i, j, k]}
    assert {size: consistency_proof(size, 7, subtrees(leaves)) for size in known} == known


@pytest.mark.parametrize("size", range(131))
def test_every_smaller_tree_has_a_proof_and_no_other_root_fits_it(size):
    subtree = subtrees(NUMBERED[:size])
    new = NUMBERED_ROOTS[size]
    if size:
        assert range_root(0, size, subtree) == new
    for first in range(size + 1):
        old, proof = NUMBERED_ROOTS[first], consistency_proof(first, size, subtree)
        assert is_consistent(first, size, old, new, proof)
        wrong = leaf_hash(b"another")
        assert not is_consistent(first, size, wrong, new, proof)
        if first:
            assert not is_consistent(first, size, old, wrong, proof)
        assert not is_consistent(first, size, old, new, [*proof, wrong])
        for at in range(len(proof)):
            assert not is_consistent(first, size, old, new, [*proof[:at], wrong, *proof[at + 1 :]])
            assert not is_consistent(first, size, old, new, proof[:at])


@given(
    st.integers(0, 2**63), st.integers(0, 2**63), st.lists(st.binary(min_size=32, max_size=32), max_size=70)
)
def test_no_proof_by_chance_and_no_proof_that_breaks_the_verifier(first, size, proof):
    assert not is_consistent(first, size, leaf_hash(b"old"), leaf_hash(b"new"), proof)


@pytest.mark.parametrize("first", [-1, 9])
def test_a_tree_that_is_no_part_has_no_proof(first):
    with pytest.raises(ValueError, match="no tree"):
        consistency_proof(first, 8, subtrees(NUMBERED[:8]))
