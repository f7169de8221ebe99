"""Events: what happened, as one leaf of a node's journal (canonical JSON, never key material)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from qorridor.base.canonical import Json, canonical_json

Severity = Literal["P1", "P2", "P3", "P4", "P5"]
MAX_LEAF = 60_000


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `kind` is dotted, `family.what` (for example `key.delivered`); `subject` names the
    thing; `body` holds only strings, integers, booleans, lists and objects of these."""

    kind: str
    subject: str
    body: dict[str, Json] = field(default_factory=dict)
    severity: Severity = "P5"
    corridor: str = ""
    simulated: bool = False

    def leaf(self, sequence: int, time: float, source: str) -> bytes:
        """The bytes that the journal commits to; `time` in seconds since the epoch."""
        leaf: dict[str, Json] = {
            "v": 1,
            "seq": sequence,
            "time": datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds"),
            "source": source,
            "family": self.kind.partition(".")[0],
            "type": self.kind,
            "severity": self.severity,
            "subject": self.subject,
            "corridor": self.corridor,
            "body": dict(self.body),
            "simulated": self.simulated,
        }
        data = canonical_json(leaf)
        if len(data) > MAX_LEAF:
            raise ValueError(f"an event of {len(data)} bytes is too large for a leaf")
        return data
