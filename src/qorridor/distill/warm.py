"""The compiled loops of distillation made ready before a block needs them.

Compiling costs seconds, the first time on a machine; a peer that waits for parities meanwhile may take the
link for dead. Every loop that a block runs is called here once, with the types of a block: some tenths of a
second in all where an earlier process has compiled them.
"""

from __future__ import annotations

import numpy as np

from qorridor.distill import cascade, ldpc
from qorridor.distill.amplification import amplify
from qorridor.distill.bits import Bits, expand, unpack
from qorridor.distill.gaps import decode_slots, encode_slots

_SEED = bytes(16)
_QBER = 0.02
_BITS = 16_384


def _block() -> tuple[Bits, Bits]:
    """Public bits of both ends, with errors."""
    alice = unpack(expand(_SEED, "warm bits", _BITS // 8), _BITS)
    bob = alice.copy()
    bob[:: int(1 / _QBER)] ^= 1
    return alice, bob


def sifting() -> None:
    """The gap code, both ways."""
    decode_slots(encode_slots(np.flatnonzero(_block()[0])))


def by_cascade() -> None:
    """A Cascade exchange with itself, laid out for so few errors that masks are needed as well."""
    plan = cascade.make_plan(_BITS, _QBER / 10, _SEED)
    ends = [cascade.reconcile(bits, plan) for bits in _block()]
    said = [next(end) for end in ends]
    try:
        while True:
            said = [end.send(heard) for end, heard in zip(ends, reversed(said), strict=True)]
    except StopIteration:
        return


def by_ldpc() -> None:
    """Parities, and decoding with and without more of them."""
    plan = ldpc.make_plan(_BITS, _QBER)
    words = ldpc.tag_words(_SEED, plan)
    mine, theirs = (ldpc.parities(bits, plan, words) for bits in _block())
    first = mine.first(plan) ^ theirs.first(plan)
    for more in (None, mine.more(plan) ^ theirs.more(plan)):
        ldpc.decode(plan, plan.size, first, more)


def amplification() -> None:
    """The floating transform."""
    bits, _ = _block()
    amplify(bits[1:], bits, _BITS // 3)


STAGES = (sifting, by_cascade, amplification, by_ldpc)
"""In the order in which a block needs them. Each draws no entropy and leaves no state."""
