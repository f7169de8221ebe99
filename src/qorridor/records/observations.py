"""What a scanner saw, and what it looked at without seeing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from qorridor.base.canonical import Json

Facts: TypeAlias = dict[str, Json]
State = Literal["parsed", "skipped", "failed"]
Why = Literal[
    "", "unsupported-format", "too-large", "encrypted", "permission", "timeout", "throttled", "filtered",
    "parse-error", "out-of-scope", "budget",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Observation:
    """One fact seen by a scanner: where (`locator`), how surely (0 to 1), and the facts themselves."""

    scanner: str
    locator: str
    confidence: float
    method: Literal["active", "passive", "file", "declared"]
    facts: Facts
    digest: str = ""
    labels: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coverage:
    """One thing that was looked at, and what became of it; `why` says why it was not parsed."""

    scanner: str
    locator: str
    state: State
    why: Why = ""
