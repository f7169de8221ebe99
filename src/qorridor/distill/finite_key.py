"""How many secret bits a block of finite size yields (Lim, Curty, Walenta, Xu, Zbinden 2014).

Key basis X, test basis Z, three intensities mu1 > mu2 + mu3, mu2 > mu3 >= 0, all used for key. A length
computed from the observed counts is *variable-length*; a record says which mode was used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from qorridor.base.errors import LinkError


class Proof(NamedTuple):
    """A security proof as code: its name, version, and what it assumes."""

    name: str
    version: int
    public_error_pattern: bool  # True only with a written argument and a citation
    assumptions: tuple[str, ...]


PROOFS = {
    "lim2014-2decoy": Proof(
        "lim2014-2decoy", 1, public_error_pattern=False,
        assumptions=(
            "phase-randomised coherent pulses of exactly known mean photon number",
            "independent, identically distributed pulses",
            "detection efficiency independent of the basis",
            "double clicks get a random bit and are kept",
        ),
    )
}  # fmt: skip
BOTH_DIRECTIONS = "both-directions"
ALICE_ONLY = "alice-only+public-W"


@dataclass(frozen=True, slots=True)
class Source:
    """Mean photon numbers, brightest first, and the probability of each."""

    intensities: tuple[float, float, float]
    probabilities: tuple[float, float, float]

    def __post_init__(self) -> None:
        mu1, mu2, mu3 = self.intensities
        if not (mu1 > mu2 + mu3 and mu2 > mu3 >= 0 and min(self.probabilities) > 0):
            raise LinkError(
                "Q-LINK-016", "the two-decoy proof needs mu1 > mu2 + mu3, mu2 > mu3 >= 0, all used",
                "choose intensities of that form, for example those of preset demo-1ghz",
            )  # fmt: skip

    def weight(self, photons: int) -> float:
        """tau_n: probability that a pulse has `photons` photons, averaged over intensities."""
        pairs = zip(self.intensities, self.probabilities, strict=True)
        return math.fsum(p * math.exp(-k) * k**photons / math.factorial(photons) for k, p in pairs)


@dataclass(frozen=True, slots=True)
class Counts:
    """Detections n and errors m per intensity, brightest first, in key and test basis."""

    n_key: tuple[float, float, float]
    n_test: tuple[float, float, float]
    m_test: tuple[float, float, float]


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


@dataclass(frozen=True, slots=True)
class Bound:
    """The length and every intermediate: vacuum s_X0, single s_X1, test_single s_Z1, wrong v_Z1 and
    phase phi (0..0.5). `cause` says why length is 0."""

    length: int
    vacuum: float
    single: float
    test_single: float
    wrong: float
    phase: float
    cause: str = ""


def key_length(source: Source, counts: Counts, security: Security, leak: float) -> Bound:
    """L = floor[s_X0 + s_X1 (1 - h(phi)) - leak - 6 log2(21/eps_sec) - log2(2/eps_cor)] (Lim 2014).

    The guards come first: where a bound on single photons is not positive the formulas lose their
    meaning and a literal evaluation returns an insecure length.
    """
    key, test = _Bounds(source, counts.n_key, security), _Bounds(source, counts.n_test, security)
    vacuum = max(0.0, key.vacuum())
    single = min(key.single(), key.total)
    test_single = min(test.single(), test.total)
    wrong = max(0.0, _Bounds(source, counts.m_test, security).wrong())
    if single <= 0 or test_single <= 0:
        cause = "no single-photon detections can be proven in the key or test basis"
        return Bound(0, vacuum, single, test_single, wrong, 0.5, cause)
    if wrong >= test_single / 2:
        cause = "the phase error rate cannot be bounded below one half"
        return Bound(0, vacuum, single, test_single, wrong, 0.5, cause)
    phase = phase_error(wrong, test_single, single, security.eps_sec)
    fixed = 6 * math.log2(21 / security.eps_sec) + math.log2(2 / security.eps_cor)
    length = math.floor(vacuum + single * (1 - entropy(phase)) - leak - fixed)
    cause = "" if length > 0 else "leakage and statistics use up all secret bits"
    return Bound(max(0, length), vacuum, single, test_single, wrong, phase, cause)


class _Bounds:
    """Hoeffding bounds n+- per intensity and what the decoy states make of them."""

    def __init__(self, source: Source, counts: tuple[float, ...], security: Security) -> None:
        self.source = source
        self.total = math.fsum(counts)
        spread = math.sqrt(self.total / 2 * math.log(21 / security.eps_sec))
        scale = [math.exp(k) / p for k, p in zip(source.intensities, source.probabilities, strict=True)]
        self.low = [s * (n - spread) for s, n in zip(scale, counts, strict=True)]
        self.high = [s * (n + spread) for s, n in zip(scale, counts, strict=True)]

    def vacuum(self) -> float:
        _, mu2, mu3 = self.source.intensities
        return self.source.weight(0) * (mu2 * self.low[2] - mu3 * self.high[1]) / (mu2 - mu3)

    def single(self) -> float:
        mu1, mu2, mu3 = self.source.intensities
        empty = max(0.0, self.vacuum()) / self.source.weight(0)
        bright = (mu2**2 - mu3**2) / mu1**2 * (self.high[0] - empty)
        gained = self.low[1] - self.high[2] - bright
        return self.source.weight(1) * mu1 * gained / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)

    def wrong(self) -> float:
        _, mu2, mu3 = self.source.intensities
        return self.source.weight(1) * (self.high[1] - self.low[2]) / (mu2 - mu3)


def phase_error(wrong: float, test_single: float, single: float, eps_sec: float) -> float:
    """Phi = v/s_Z1 + gamma, at most 1/2; for v = 0 gamma takes b = 1/s_Z1, never 0 (no division by 0)."""
    ratio = wrong / test_single
    c, d, b = test_single, single, min(0.5, max(ratio, 1 / test_single))
    spread = (c + d) * (1 - b) * b / (c * d * math.log(2))
    inside = (c + d) / (c * d * (1 - b) * b) * 441 / eps_sec**2
    gamma = math.sqrt(spread * max(0.0, math.log2(inside)))
    return min(0.5, ratio + gamma)


def entropy(probability: float) -> float:
    """Binary entropy in bits, 0 outside 0..1."""
    if not 0 < probability < 1:
        return 0.0
    return -probability * math.log2(probability) - (1 - probability) * math.log2(1 - probability)
