"""The record of a block: everything an auditor needs to recompute its length, and no key material.

Floats stand as decimal strings, so that the record has one canonical form.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from qorridor.base.errors import EvidenceError, LinkError
from qorridor.distill.finite_key import (
    ALICE_ONLY,
    PROOFS,
    Bound,
    Counts,
    Security,
    Source,
    key_length,
)
from qorridor.distill.verification import TAG_BITS

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Record: TypeAlias = dict[str, Json]
VARIABLE, FIXED = "variable-length", "fixed-length"


def numbers(values: tuple[float, ...]) -> list[Json]:
    """Floats as the shortest decimal strings that give them back."""
    return [repr(float(value)) for value in values]


def security_entries(source: Source, security: Security) -> Record:
    """What was assumed and claimed: proof, assumptions, epsilons, source."""
    proof = PROOFS[security.proof]
    return {
        "proof_id": proof.name, "proof_version": proof.version, "assumptions": list(proof.assumptions),
        "leak_rule": security.leak_rule, "eps_sec": repr(security.eps_sec),
        "eps_cor": repr(security.eps_cor), "mu": numbers(source.intensities),
        "p": numbers(source.probabilities),
    }  # fmt: skip


def count_entries(counts: Counts, key_errors: tuple[int, ...] | None) -> Record:
    """N per basis and intensity, m likewise; the key basis' m is known only after correction."""
    return {
        "n": {"key": _ints(counts.n_key), "test": _ints(counts.n_test)},
        "m": {"key": None if key_errors is None else _ints(key_errors), "test": _ints(counts.m_test)},
    }


def bound_entries(bound: Bound) -> Record:
    """The bound with its intermediates."""
    return {
        "s0": repr(bound.vacuum), "s1": repr(bound.single), "s1_test": repr(bound.test_single),
        "v1": repr(bound.wrong), "phi": repr(bound.phase), "l": bound.length, "l_cause": bound.cause,
    }  # fmt: skip


def leak_entries(security: Security, alice: int, bob: int, other: int) -> Record:
    """Disclosed bits: those of reconciliation, and the rest: the verification tag and, in fixed-length
    mode, what is missing to the cap."""
    return {
        "leak_alice": alice, "leak_bob": bob, "leak_other": other,
        "leak_charged": charge(security, alice, bob, other),
    }  # fmt: skip


def charge(security: Security, alice: int, bob: int, other: int) -> int:
    """Bits to subtract under the leak rule when reconciliation has disclosed so many of either end."""
    return alice + (0 if security.leak_rule == ALICE_ONLY else bob) + other


def efficiency(alice: int, wrong: int, size: int) -> float:
    """f: Alice's disclosed bits over the Shannon limit n h(q); 0 without errors."""
    if not 0 < wrong < size:
        return 0.0
    q = wrong / size
    return alice / size / (-q * math.log2(q) - (1 - q) * math.log2(1 - q))


def recompute_length(record: Record) -> int:
    """The length that the record's own numbers allow; 0 for an aborted block.

    Raises EvidenceError Q-LINK-017 if the record contradicts itself: its leak is not the sum that its
    rule demands, its counts are not those of its block size and error rate, or the length it states is not
    the one that follows.
    """
    if record.get("state") != "RELEASED":
        return 0
    leak = _leak(record)
    try:
        bound = key_length(_source(record), _counts(record), _security(record), leak)
    except LinkError as error:  # no such proof, or not for these counts
        raise _contradiction(error.cause) from None
    length = bound.length
    if record["mode"] not in {VARIABLE, FIXED}:
        raise _contradiction(f"{record['mode']} is no mode of fixing a length")
    if record["mode"] == FIXED:
        wanted = _integer(record, "l_fixed")
        length = wanted if bound.length >= wanted else 0
    if length != record["l"]:
        raise _contradiction(f"it states {record['l']} bits where its counts allow {length}")
    return length


def _leak(record: Record) -> int:
    alice, bob = _integer(record, "leak_alice"), _integer(record, "leak_bob")
    due = alice + (0 if record["leak_rule"] == ALICE_ONLY else bob) + _integer(record, "leak_other")
    if min(alice, bob, _integer(record, "leak_other") - TAG_BITS) < 0:
        raise _contradiction("it charges less than the verification tag, or a negative number of bits")
    if record["mode"] == FIXED and due != _integer(record, "leak_cap"):
        raise _contradiction("its length was fixed for another leakage than it charges")
    if _integer(record, "leak_charged") != due:
        raise _contradiction(f"it charges {record['leak_charged']} bits of leakage instead of {due}")
    return due


def _source(record: Record) -> Source:
    return Source(_floats(record["mu"]), _floats(record["p"]))


def _security(record: Record) -> Security:
    return Security(
        float(str(record["eps_sec"])), float(str(record["eps_cor"])), str(record["proof_id"]),
        str(record["leak_rule"]),
    )  # fmt: skip


def _counts(record: Record) -> Counts:
    n, m = record["n"], record["m"]
    if not isinstance(n, dict) or not isinstance(m, dict):
        raise _contradiction("it has no counts")
    corrected = m.get("key")
    m_key = None if corrected is None else _floats(corrected)
    counts = Counts(_floats(n["key"]), _floats(n["test"]), _floats(m["test"]), m_key)
    if not counts.fits(_source(record)):
        raise _contradiction("it has not one count per intensity")
    size = _integer(record, "n_key")
    if sum(counts.n_key) != size or (
        m_key is not None and float(str(record["qber_key"])) != sum(m_key) / size
    ):
        raise _contradiction("its counts of the key basis are not those of its block size and error rate")
    return counts


def _floats(value: Json) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) not in {2, 3}:
        raise _contradiction("a list of a number per intensity is missing")
    return tuple(float(str(item)) for item in value)


def _integer(record: Record, name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int):
        raise _contradiction(f"{name} is no whole number")
    return value


def _ints(values: tuple[float, ...]) -> list[Json]:
    return [int(value) for value in values]


def _contradiction(cause: str) -> EvidenceError:
    return EvidenceError(
        "Q-LINK-017", f"the block record contradicts itself: {cause}",
        "treat the record as altered and the key of the block as unproven",
    )  # fmt: skip
