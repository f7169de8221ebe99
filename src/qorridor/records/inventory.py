"""The Inventory: cryptographic assets, where they occur, and what was not seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from qorridor.base.canonical import Json
from qorridor.records.observations import Coverage

AssetKind = Literal["algorithm", "certificate", "protocol", "related-crypto-material"]


@dataclass(frozen=True, slots=True)
class Asset:
    """One cryptographic asset; `crypto` holds the CycloneDX property object of its kind."""

    ref: str
    kind: AssetKind
    name: str
    crypto: dict[str, Json]
    properties: dict[str, str] = field(default_factory=dict)
    occurrences: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


def _is_other_file(unit: Coverage) -> bool:
    """A file that holds no cryptography at all; an end point that nobody can read is not that."""
    return unit.why == "unsupported-format" and unit.locator.startswith("file:")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Assets by reference and the coverage of the run; `at` is RFC 3339 UTC, `inputs` name -> SHA-256."""

    assets: tuple[Asset, ...]
    coverage: tuple[Coverage, ...]
    at: str
    tool_version: str
    inputs: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, Counter[str]]:
        """Per scanner: seen, parsed, skipped, failed; seen is the sum of the others."""
        found: dict[str, Counter[str]] = {}
        for unit in self.coverage:
            found.setdefault(unit.scanner, Counter()).update(["seen", unit.state])
        return found

    @property
    def share_seen(self) -> float | None:
        """Parsed over all units that could hold cryptography, 0..1; None when nothing was looked at."""
        relevant = [unit for unit in self.coverage if not _is_other_file(unit)]
        parsed = sum(unit.state == "parsed" for unit in relevant)
        return parsed / len(relevant) if relevant else None

    def of_kind(self, kind: AssetKind) -> list[Asset]:
        """The assets of one kind."""
        return [asset for asset in self.assets if asset.kind == kind]
