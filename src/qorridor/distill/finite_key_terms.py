"""What every finite-key proof works with: the source, the counts, the bound, and the terms they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from qorridor.base.errors import LinkError

VARIABLE, FIXED = "variable-length", "fixed-length"
_FORMS = {2: "mu1 > mu2 > 0", 3: "mu1 > mu2 + mu3, mu2 > mu3 >= 0"}


@dataclass(frozen=True, slots=True)
class Source:
    """Mean photon numbers, brightest first, and the probability of each: two or three intensities.

    LinkError Q-LINK-016 where they have not the form that a proof for so many intensities needs.
    """

    intensities: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        count = len(self.intensities)
        if count not in _FORMS or len(self.probabilities) != count:
            raise _unfit(
                f"{count} intensities with {len(self.probabilities)} probabilities are no source of a proof"
            )
        if not (self._ordered() and min(self.probabilities) > 0):
            raise _unfit(f"a proof for {count} intensities needs {_FORMS[count]}, all used")

    def _ordered(self) -> bool:
        if len(self.intensities) == 2:
            mu1, mu2 = self.intensities
            return mu1 > mu2 > 0
        mu1, mu2, mu3 = self.intensities
        return mu1 > mu2 + mu3 and mu2 > mu3 >= 0

    def weight(self, photons: int) -> float:
        """tau_n: probability that a pulse has `photons` photons, averaged over intensities."""
        pairs = zip(self.intensities, self.probabilities, strict=True)
        return math.fsum(p * math.exp(-k) * k**photons / math.factorial(photons) for k, p in pairs)

    def scaled(self, counts: Sequence[float]) -> list[float]:
        """Counts per intensity times e^k/p_k."""
        triples = zip(self.intensities, self.probabilities, counts, strict=True)
        return [math.exp(k) / p * n for k, p, n in triples]


@dataclass(frozen=True, slots=True)
class Counts:
    """Detections n and errors m per intensity, brightest first, in key and test basis.

    m_key, the errors of the key basis, is known only after correction; the one-decoy proofs need it.
    """

    n_key: tuple[float, ...]
    n_test: tuple[float, ...]
    m_test: tuple[float, ...]
    m_key: tuple[float, ...] | None = None

    def fits(self, source: Source) -> bool:
        """Whether there is one count per intensity of the source."""
        given = [self.n_key, self.n_test, self.m_test, *([] if self.m_key is None else [self.m_key])]
        return all(len(part) == len(source.intensities) for part in given)


@dataclass(frozen=True, slots=True)
class Bound:
    """The length and every intermediate: lower bounds on vacuum s_0, single s_1 and test_single s_1 of the
    test basis, upper bounds on the errors among these (wrong, v_1) and on the phase error (phase, phi,
    0..0.5); `vacuum_above` is the upper bound on vacuum of the one-decoy proofs in the key basis. `cause`
    says why length is 0. `surplus` = bits before rounding, negative where there are none, for searches."""

    length: int
    vacuum: float
    single: float
    test_single: float
    wrong: float
    phase: float
    cause: str = ""
    vacuum_above: float | None = None
    surplus: float = 0.0


class LengthOf(Protocol):
    """A proof's length of the key of one block."""

    def __call__(self, source: Source, counts: Counts, eps_sec: float, eps_cor: float, leak: float) -> Bound:
        """Bits, with every intermediate; eps 0..1, leak in bits."""
        ...


class Proof(NamedTuple):
    """A security proof as code: its name, version, what it assumes, and what it applies to.

    `intensities` = how many the source has; `eps_parts` = equal parts into which eps_sec is split;
    `modes` = ways of fixing the length that the proof was written for, the first being the default.
    """

    name: str
    version: int
    public_error_pattern: bool  # True only with a written argument and a citation
    assumptions: tuple[str, ...]
    intensities: int
    eps_parts: int
    source: str
    length: LengthOf
    modes: tuple[str, ...] = (FIXED,)


ASSUMPTIONS = (
    "phase-randomised coherent pulses of exactly known mean photon number",
    "independent, identically distributed pulses",
    "detection efficiency independent of the basis",
    "double clicks get a random bit and are kept",
)


class Estimate(NamedTuple):
    """Bounds on photons before the length: key basis (vacuum, single), test basis (test_single, wrong)."""

    vacuum: float
    single: float
    test_single: float
    wrong: float
    vacuum_above: float | None = None


def concluded(estimate: Estimate, phase_of: Callable[[], float], charged: float) -> Bound:
    """L = floor[s_0 + s_1 (1 - h(phi)) - charged], or 0 with its cause; `charged` = leak and fixed terms.

    The guards come first: where a bound on single photons is not positive the formulas lose their
    meaning and a literal evaluation returns an insecure length.
    """
    vacuum, single, test_single, wrong, above = estimate
    if single <= 0 or test_single <= 0:
        cause = "no single-photon detections can be proven in the key or test basis"
        short = min(single, test_single) - 2 * charged
        return Bound(0, vacuum, single, test_single, wrong, 0.5, cause, above, short)
    if wrong >= test_single / 2:
        cause = "the phase error rate cannot be bounded below one half"
        return Bound(0, vacuum, single, test_single, wrong, 0.5, cause, above, vacuum - charged)
    phase = phase_of()
    surplus = vacuum + single * (1 - entropy(phase)) - charged
    length = math.floor(surplus)
    cause = "" if length > 0 else "leakage and statistics use up all secret bits"
    return Bound(max(0, length), vacuum, single, test_single, wrong, phase, cause, above, surplus)


def hoeffding(total: float, eps: float) -> float:
    """delta(n) = sqrt(n/2 ln(1/eps)): how far a count strays from its mean with probability eps."""
    return math.sqrt(total / 2 * math.log(1 / eps))


def sampled(wrong: float, test_single: float, single: float, eps: float) -> float:
    """Phi = v/s_test + gamma(eps), at most 1/2; for v = 0 gamma takes b = 1/s_test, never 0.

    gamma = sqrt{(c+d)(1-b)b/(c d ln 2) log2[(c+d)/(c d (1-b) b eps^2)]}, c, d = single photons of the
    test and the key basis (Lim 2014, eq. 5 with eps = eps_sec/21).
    """
    ratio = wrong / test_single
    c, d, b = test_single, single, min(0.5, max(ratio, 1 / test_single))
    spread = (c + d) * (1 - b) * b / (c * d * math.log(2))
    inside = (c + d) / (c * d * (1 - b) * b) / eps**2
    return min(0.5, ratio + math.sqrt(spread * max(0.0, math.log2(inside))))


def entropy(probability: float) -> float:
    """Binary entropy in bits, 0 outside 0..1."""
    if not 0 < probability < 1:
        return 0.0
    return -probability * math.log2(probability) - (1 - probability) * math.log2(1 - probability)


def _unfit(cause: str) -> LinkError:
    return LinkError(
        "Q-LINK-016", cause, "choose intensities of that form, for example those of preset demo-1ghz"
    )
