"""How many secret bits a block of finite size yields: the registry of proofs, and one length for all.

Each proof is a module of its own. A length computed from the observed counts is *variable-length*; a
record says which mode was used.
"""

from __future__ import annotations

from dataclasses import dataclass

from qorridor.base.errors import LinkError
from qorridor.distill import lim2014, rusca2018, wiesemann2024
from qorridor.distill.finite_key_terms import Bound, Counts, Proof, Source, entropy, sampled

__all__ = [
    "ALICE_ONLY", "BOTH_DIRECTIONS", "DEFAULTS", "PROOFS", "Bound", "Counts", "Proof", "Security", "Source",
    "entropy", "key_length", "phase_error",
]  # fmt: skip

PROOFS = {
    proof.name: proof
    for proof in (lim2014.PROOF, rusca2018.PROOF, wiesemann2024.PROOF, wiesemann2024.GAMMA_PROOF)
}
DEFAULTS = {3: lim2014.PROOF.name, 2: wiesemann2024.PROOF.name}
"""Number of intensities -> the proof used unless another is named."""
BOTH_DIRECTIONS = "both-directions"
ALICE_ONLY = "alice-only+public-W"


@dataclass(frozen=True, slots=True)
class Security:
    """Failure probabilities of one block (secrecy, correctness), the proof and the leak rule."""

    eps_sec: float = 1e-12
    eps_cor: float = 1e-15
    proof: str = "lim2014-2decoy"
    leak_rule: str = BOTH_DIRECTIONS

    def __post_init__(self) -> None:
        if self.proof not in PROOFS or self.leak_rule not in {BOTH_DIRECTIONS, ALICE_ONLY}:
            raise _unproven(f"no proof {self.proof!r} with leak rule {self.leak_rule!r}")
        if self.leak_rule == ALICE_ONLY and not PROOFS[self.proof].public_error_pattern:
            raise _unproven(f"{self.proof} does not show that the error pattern may be public")
        if not (0 < self.eps_sec < 1 and 0 < self.eps_cor < 1):
            raise _unproven("eps_sec and eps_cor must lie between 0 and 1")


def _unproven(cause: str) -> LinkError:
    return LinkError("Q-LINK-016", cause, f"use one of {', '.join(PROOFS)} with leak rule {BOTH_DIRECTIONS}")


def key_length(source: Source, counts: Counts, security: Security, leak: float) -> Bound:
    """Secret bits of a block under the proof that `security` names; `leak` = disclosed bits charged.

    LinkError Q-LINK-016 where the proof is not for a source of this many intensities, where the counts
    are not one per intensity, or where the proof needs counts that are not there.
    """
    proof = PROOFS[security.proof]
    if len(source.intensities) != proof.intensities:
        raise _unproven(f"{proof.name} is for {proof.intensities} intensities, not {len(source.intensities)}")
    if not counts.fits(source):
        raise _unproven("there is not one count per intensity")
    return proof.length(source, counts, security.eps_sec, security.eps_cor, leak)


def phase_error(wrong: float, test_single: float, single: float, eps_sec: float) -> float:
    """Phi of Lim 2014 with eps_sec split in 21 parts: v/s_Z1 + gamma, at most 1/2, never NaN."""
    return sampled(wrong, test_single, single, eps_sec / lim2014.PARTS)
