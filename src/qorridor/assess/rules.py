"""Which mechanism a flow deserves: ordered rules gate -> veto -> base -> overlay, each with its reason.

Rules whose facts an estate cannot state yet are listed in NOT_EVALUATED and in every assessment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

SENSITIVITY = ("public", "internal", "confidential", "restricted", "secret")
COVERAGE_MIN = 0.80
REFRESH_SECRET_MAX = 2.0
CORRIDOR_SECRET_MIN = 10.0
CORRIDOR_MATURITY_MIN = 3
RATE_MARGIN = 2.0
NOT_EVALUATED = ("G2", "V1", "V2", "V5", "V6", "B3", "B4", "O4")


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What is known of a flow; None = unknown. Spans in years, rates in bit/s, coverage 0..1.

    `quantum_vulnerable` is None where no end point of the flow was seen: then it is taken as vulnerable.
    """

    name: str
    sensitivity: str
    keep_secret: float | None
    migration_time: float | None
    threat_years: float
    owner: str | None
    coverage: float | None
    quantum_vulnerable: bool | None
    threat: str | None
    maturity: int | None
    fibre: Literal["dark", "wavelength", "none"]
    relays: int
    relays_guarded: bool
    demand: float
    rate: float | None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched, and why."""

    rule: str
    text: str
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Base and overlay with every rule that matched on the way."""

    base: str
    overlay: str
    matches: tuple[Match, ...]


Rule = Callable[[FlowFacts], Match | None]


def _gate(facts: FlowFacts) -> Match | None:
    """G1: without coverage, owner and lifetime nothing is decided."""
    gaps = []
    if facts.coverage is None:
        gaps.append("no inventory was given")
    elif facts.coverage < COVERAGE_MIN:
        gaps.append(
            f"the inventory covers {facts.coverage:.0%} of what was in scope, {COVERAGE_MIN:.0%} are needed"
        )
    if not facts.owner:
        gaps.append("nobody owns the flow")
    if facts.keep_secret is None:
        gaps.append("a data class states no keep_secret")
    return Match("G1", "; ".join(gaps), "inventory-first") if gaps else None


def _no_fibre(facts: FlowFacts) -> Match | None:
    return (
        Match("V3", "no corridor with a dark fibre or a wavelength of its own")
        if facts.fibre == "none"
        else None
    )


def _too_slow(facts: FlowFacts) -> Match | None:
    if facts.fibre == "none" or facts.relays or _carries(facts):
        return None
    return Match(
        "V4",
        f"{facts.rate or 0:.3g} bit/s of key against a demand of {facts.demand:.3g} bit/s, twice is needed",
    )


def _keep(facts: FlowFacts) -> Match | None:
    if facts.quantum_vulnerable is False:
        return Match("B0", "a quantum-safe key exchange was seen on every end point of this flow", "keep")
    return None


def _now(facts: FlowFacts) -> Match | None:
    keep, migrate = facts.keep_secret or 0.0, facts.migration_time or 0.0
    if keep + migrate <= facts.threat_years:
        return None
    text = (
        f"{keep:.3g} years of secrecy + {migrate:.3g} years of migration > {facts.threat_years:.3g} years "
        "until a quantum computer is 10 % likely"
    )
    return Match("B1", text, "P-now")


def _refresh(facts: FlowFacts) -> Match | None:
    low = SENSITIVITY.index(facts.sensitivity) <= SENSITIVITY.index("confidential")
    if (facts.keep_secret or 0.0) < REFRESH_SECRET_MAX and low:
        return Match(
            "B2", f"secret for less than {REFRESH_SECRET_MAX:g} years and {facts.sensitivity}", "P-refresh"
        )
    return None


def _planned(_: FlowFacts) -> Match | None:
    return Match("B5", "no earlier rule asks for more than the ordinary migration", "P-plan")


def _carries(facts: FlowFacts) -> bool:
    return facts.demand > 0 and (facts.rate or 0.0) >= RATE_MARGIN * facts.demand


def _corridor_grade(facts: FlowFacts) -> bool:
    return (
        SENSITIVITY.index(facts.sensitivity) >= SENSITIVITY.index("restricted")
        and (facts.keep_secret or 0.0) >= CORRIDOR_SECRET_MIN
        and facts.threat == "state"
    )


def _overlay(rule: str, outcome: str, relayed: bool) -> Rule:  # noqa: FBT001 - a row of the table below
    def match(facts: FlowFacts) -> Match | None:
        grown = (facts.maturity or 0) >= CORRIDOR_MATURITY_MIN
        kind = facts.relays_guarded if relayed else facts.relays == 0
        if not (
            _corridor_grade(facts) and grown and bool(facts.relays) == relayed and kind and _carries(facts)
        ):
            return None
        over = "guarded trusted nodes" if relayed else "one span of own fibre"
        return Match(rule, f"corridor-grade data over {over} at {facts.rate or 0:.3g} bit/s of key", outcome)

    return match


def _pilot(facts: FlowFacts) -> Match | None:
    if _corridor_grade(facts) and (facts.maturity or 0) in {1, 2}:
        return Match("O3", f"corridor-grade data, but operations are at maturity {facts.maturity}", "E")
    return None


def _none(_: FlowFacts) -> Match | None:
    return Match("O5", "no corridor is earned: PQC alone is the answer", "")


VETOES: tuple[Rule, ...] = (_no_fibre, _too_slow)
BASES: tuple[Rule, ...] = (_keep, _now, _refresh, _planned)
OVERLAYS: tuple[Rule, ...] = (
    _overlay("O1", "C/A", relayed=False),
    _overlay("O2", "C/B", relayed=True),
    _pilot,
    _none,
)


def _first(rules: tuple[Rule, ...], facts: FlowFacts) -> Match:
    return next(match for rule in rules if (match := rule(facts)) is not None)


def _all(rules: tuple[Rule, ...], facts: FlowFacts) -> Iterator[Match]:
    return (match for rule in rules if (match := rule(facts)) is not None)


def decide(facts: FlowFacts) -> Decision:
    """The decision and its trace: all gates and vetoes that match, the first base, the first overlay."""
    if (gate := _gate(facts)) is not None:
        return Decision("inventory-first", "", (gate,))
    vetoes = tuple(_all(VETOES, facts))
    base = _first(BASES, facts)
    overlay = _none(facts) if vetoes else _first(OVERLAYS, facts)
    if overlay is None:
        raise ValueError("the last overlay rule always matches")
    always = (
        (Match("X1", "QKD is combined with PQC and traditional keys; it falls back to the baseline"),)
        if overlay.outcome
        else ()
    )
    return Decision(base.outcome, overlay.outcome, (*vetoes, base, overlay, *always))
