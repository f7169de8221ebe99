"""Levels, verdicts, cases and results, and what they mean together.

S  the standard says "shall"               a deviation is a fail
O  an option or a "should"                 a deviation differs
D  the standard is silent, we decided      a deviation differs; of our own KME it is a fail
A  abuse with a consequence for security   a deviation is a fail
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn


class Level(StrEnum):
    """How binding a case is."""

    SHALL = "S"
    OPTION = "O"
    DECISION = "D"
    ABUSE = "A"


class Verdict(StrEnum):
    """What became of a case."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    DIFFERS = "differs"
    SKIP = "skip"
    INCONCLUSIVE = "inconclusive"


class Profile(StrEnum):
    """Which cases run and what a deviation from our own decisions means."""

    ALL = "all"
    SPEC = "spec"
    QORRIDOR = "qorridor"
    ABUSE = "abuse"

    def takes(self, level: Level) -> bool:
        """Whether cases of this level run."""
        taken = {Profile.SPEC: {Level.SHALL, Level.OPTION}, Profile.ABUSE: {Level.ABUSE}}
        return level in taken.get(self, set(Level))

    def is_mandatory(self, level: Level) -> bool:
        """Whether a deviation at this level makes the run fail."""
        return level in {Level.SHALL, Level.ABUSE} or (self is Profile.QORRIDOR and level is Level.DECISION)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the suite; `name` is C and its number, with a letter where a row has several levels."""

    name: str
    title: str
    clause: str
    level: Level
    needs: tuple[str, ...] = ()
    """What must have been given, by the name of the option; without it the case is skipped."""
    keys: int = 0
    """Most keys that the case burns; `per_request` more times max_key_per_request."""
    per_request: int = 0


class Finding(Exception):  # noqa: N818 - a case's conclusion, no error
    """Ends a case that does not simply pass."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(verdict, reason)
        self.verdict = verdict
        self.reason = reason


def expect(condition: object, reason: str) -> None:
    """Raise a failing Finding unless `condition` holds."""
    if not condition:
        fail(reason)


def fail(reason: str) -> NoReturn:
    """The answer deviates from what the case asks for."""
    raise Finding(Verdict.FAIL, reason)


def skip(reason: str) -> NoReturn:
    """What the case needs was not given, or the KME does not offer what it is about."""
    raise Finding(Verdict.SKIP, reason)


def inconclusive(reason: str) -> NoReturn:
    """The case ran, and what was seen allows no verdict."""
    raise Finding(Verdict.INCONCLUSIVE, reason)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer, redacted; `tls` is version and group."""

    party: str
    sent: str
    received: str
    tls: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case, why, and what was seen on the wire."""

    case: Case
    verdict: Verdict
    reason: str = ""
    notes: tuple[str, ...] = ()
    evidence: tuple[Exchange, ...] = ()
    unshown: int = 0
    """Exchanges of the case that the evidence leaves out."""
    seconds: float = 0.0
    burnt: int = 0
    """Keys that the KME gave in this case."""


def judged(case: Case, profile: Profile, verdict: Verdict) -> Verdict:
    """The verdict of a case whose deviation only counts where its level is mandatory."""
    if verdict is Verdict.FAIL and not profile.is_mandatory(case.level):
        return Verdict.DIFFERS
    return verdict


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run: an annex to an acceptance."""

    profile: Profile
    target: dict[str, Any]
    """What the KME calls itself, where it was reached, its certificate, what was negotiated."""
    made: str
    tool_version: str
    burnt: int
    budget: int
    results: Sequence[Result] = field(default_factory=tuple)

    @property
    def counts(self) -> dict[str, int]:
        """Cases by verdict, every verdict named."""
        found = Counter(result.verdict for result in self.results)
        return {str(verdict): found[verdict] for verdict in Verdict}

    @property
    def by_clause(self) -> dict[str, dict[str, int]]:
        """Cases by clause and verdict, in the order of the suite."""
        rows: dict[str, Counter[str]] = {}
        for result in self.results:
            rows.setdefault(result.case.clause, Counter())[str(result.verdict)] += 1
        return {clause: dict(row) for clause, row in rows.items()}

    @property
    def unjudged(self) -> list[str]:
        """Mandatory cases that were skipped, by name."""
        return [r.case.name for r in self._mandatory() if r.verdict is Verdict.SKIP]

    def _mandatory(self) -> Iterable[Result]:
        return (result for result in self.results if self.profile.is_mandatory(result.case.level))

    @property
    def holds(self) -> bool:
        """No mandatory case failed, and none of levels S and A ran without a verdict."""
        binding = {Level.SHALL, Level.ABUSE}
        return not any(
            result.verdict is Verdict.FAIL
            or (result.verdict is Verdict.INCONCLUSIVE and result.case.level in binding)
            for result in self._mandatory()
        )
