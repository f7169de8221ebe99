"""The report of a conformance run as a versioned JSON document."""

from __future__ import annotations

from typing import Any

from qorridor.prove.conformance.verdicts import Report, Result

SCHEMA = "conformance-1"


def document(report: Report) -> dict[str, Any]:
    """Everything of a report, key bytes excepted: those are not in it."""
    return {
        "schema": SCHEMA, "standard": "ETSI GS QKD 014 V1.1.1", "tool_version": report.tool_version,
        "made": report.made, "profile": str(report.profile), "holds": report.holds, "target": report.target,
        "keys": {"burnt": report.burnt, "budget": report.budget}, "counts": report.counts,
        "mandatory_not_judged": report.unjudged, "by_clause": report.by_clause,
        "cases": [_case(result) for result in report.results],
    }  # fmt: skip


def _case(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "case": case.name, "title": case.title, "clause": case.clause, "level": str(case.level),
        "verdict": str(result.verdict), "reason": result.reason, "notes": list(result.notes),
        "seconds": round(result.seconds, 3), "keys_burnt": result.burnt, "exchanges_not_shown": result.unshown,
        "evidence": [
            {"party": seen.party, "tls": seen.tls, "sent": seen.sent, "received": seen.received}
            for seen in result.evidence
        ],
    }  # fmt: skip
