"""The Merkle tree of RFC 6962 section 2.1: leaf hashes in, roots and proofs out (SHA-256)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""(first leaf, size) -> root of a complete subtree: the size is a power of two, the first leaf a multiple of it."""


def leaf_hash(entry: bytes) -> bytes:
    """H(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """H(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """Roots of the complete subtrees of a growing tree: append and root in O(log n)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        height, node = 0, leaf
        while self._peaks and self._peaks[-1][0] == height:
            node = node_hash(self._peaks.pop()[1], node)
            height += 1
        self._peaks.append((height, node))
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two below `size` (2 or more)."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Sibling hashes from the leaf upwards (RFC 6962 section 2.1.1); raises ValueError outside the tree."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*inclusion_proof(leaves[:middle], index), root_of(leaves[middle:])]
    return [*inclusion_proof(leaves[middle:], index - middle), root_of(leaves[:middle])]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2); raises ValueError for a bad shape."""
    if not 0 <= index < size:
        raise ValueError("the index lies outside the tree")
    node, position, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position and not position % 2:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return node


def range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """The root over the leaves from `start` on, `end` excluded, of complete subtrees that somebody keeps.

    `start` lies where RFC 6962 splits a tree: at a multiple of the power of two that is not below the range.
    """
    size = end - start
    if size & (size - 1) == 0:
        return subtree(start, size)
    middle = start + _split(size)
    return node_hash(subtree(start, middle - start), range_root(middle, end, subtree))


def consistency_proof(first: int, size: int, subtree: Subtree) -> list[bytes]:
    """That the first `first` leaves of `size` are those of the smaller tree (RFC 6962 section 2.1.2).

    Raises ValueError when the smaller tree is no part of the larger one.
    """
    if not 0 <= first <= size:
        raise ValueError(f"no tree of {first} leaves within one of {size}")
    return _subproof(first, 0, size, subtree, whole=True) if first else []


def _subproof(first: int, start: int, end: int, subtree: Subtree, *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962; `whole` while the smaller tree's root is known to the verifier."""
    size = end - start
    if first == size:
        return [] if whole else [range_root(start, end, subtree)]
    middle = _split(size)
    if first <= middle:
        near = _subproof(first, start, start + middle, subtree, whole=whole)
        return [*near, range_root(start + middle, end, subtree)]
    far = _subproof(first - middle, start + middle, end, subtree, whole=False)
    return [*far, range_root(start, start + middle, subtree)]


def is_consistent(first: int, size: int, old: bytes, new: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree of root `new` goes on from that of root `old` (RFC 9162 section 2.1.4.2)."""
    if first == size:
        return not proof and old == new
    if first == 0:
        return not proof and old == EMPTY_ROOT
    if first > size or not proof:
        return False
    parts = [old, *proof] if first & (first - 1) == 0 else list(proof)
    node, last = first - 1, size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    smaller = larger = parts[0]
    for sibling in parts[1:]:
        if last == 0:
            return False
        if node % 2 or node == last:
            smaller, larger = node_hash(sibling, smaller), node_hash(sibling, larger)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            larger = node_hash(larger, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and smaller == old and larger == new
