"""A conformance report as one HTML file without script, and as JSON: the annex to an acceptance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #d9dde2}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f6f8;padding:.6rem;font-size:12px}
.v{font-weight:600;white-space:nowrap}.pass{color:#0f7a4b}.fail{color:#b3121d}.differs{color:#8a5a00}.skip,.inconclusive{color:#5a6472}
summary{cursor:pointer}
@media(prefers-color-scheme:dark){body{color:#e8eaed;background:#14181d}th,td{border-color:#3a4048}pre{background:#1d232a}
.pass{color:#5fd39a}.fail{color:#ff8b8b}.differs{color:#e6b84a}.skip,.inconclusive{color:#a5adb8}}
"""
_LEVELS = {
    "S": "the standard says shall",
    "O": "an option or a should",
    "D": "the standard is silent; Qorridor's decision",
    "A": "abuse with a consequence for security",
}


def as_json(report: Mapping[str, Any]) -> str:
    """The document, indented, with a newline at its end."""
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def html(report: Mapping[str, Any]) -> str:
    """The document of `prove.conformance.document` for people; everything from the wire is escaped."""
    target = report["target"]
    title = f"Conformance of {target.get('source_KME_ID') or target['kme']} to {report['standard']}"
    verdict = "Every mandatory case that ran holds." if report["holds"] else "A mandatory case does not hold."
    parts = [
        f"<h1>{escape(title)}</h1>", f"<p class='v {'pass' if report['holds'] else 'fail'}'>{verdict}</p>",
        _facts(report), _clauses(report), "<h2>Cases</h2>", *(_case(row) for row in report["cases"]), _legend(),
    ]  # fmt: skip
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>\n<body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _facts(report: Mapping[str, Any]) -> str:
    rows = {
        "Made": report["made"], "Tool": f"qorridor {report['tool_version']}", "Profile": report["profile"],
        "Keys burnt": f"{report['keys']['burnt']} of a budget of {report['keys']['budget']}",
        "Mandatory and not judged": ", ".join(report["mandatory_not_judged"]) or "none",
    }  # fmt: skip
    target = {
        name.replace("_", " "): value
        for name, value in report["target"].items()
        if not isinstance(value, dict)
    }
    certificate = {
        f"certificate {name}": value for name, value in report["target"].get("certificate", {}).items()
    }
    cells = [
        f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in {**rows, **target, **certificate}.items()
    ]
    return f"<table>{''.join(cells)}</table>"


def _clauses(report: Mapping[str, Any]) -> str:
    verdicts = list(report["counts"])
    head = "".join(f"<th>{escape(name)}</th>" for name in verdicts)
    rows = [
        f"<tr><td>{escape(clause)}</td>"
        + "".join(f"<td>{counts.get(name, '')}</td>" for name in verdicts)
        + "</tr>"
        for clause, counts in {**report["by_clause"], "all": report["counts"]}.items()
    ]
    return f"<h2>By clause</h2><table><tr><th>clause</th>{head}</tr>{''.join(rows)}</table>"


def _case(row: Mapping[str, Any]) -> str:
    verdict = row["verdict"]
    words = [f"<p>{escape(row['reason'])}</p>"] if row["reason"] else []
    words += [f"<p>Note: {escape(note)}</p>" for note in row["notes"]]
    words += [
        f"<pre>{escape(seen['party'])}, {escape(seen['tls'])}\n"
        f"{_quoted('>', seen['sent'])}\n{_quoted('<', seen['received'])}</pre>"
        for seen in row["evidence"]
    ]
    if row["exchanges_not_shown"]:
        words.append(f"<p>{row['exchanges_not_shown']} more exchanges are not shown.</p>")
    is_open = " open" if verdict == "fail" else ""
    return (
        f"<details{is_open}><summary><span class='v {escape(verdict)}'>{escape(verdict)}</span> "
        f"{escape(row['case'])} [{escape(row['level'])}, clause {escape(row['clause'])}] "
        f"{escape(row['title'])}</summary>{''.join(words)}</details>"
    )


def _quoted(mark: str, text: str) -> str:
    return "\n".join(f"{escape(mark)} {escape(line)}" for line in text.splitlines() if line)


def _legend() -> str:
    rows = "".join(f"<tr><td>{name}</td><td>{words}</td></tr>" for name, words in _LEVELS.items())
    return (
        f"<h2>Levels</h2><table>{rows}</table><p>Key values are shown as a keyed digest whose key was not kept. "
        "A passed suite shows that these cases hold, not that the KME is free of other faults.</p>"
    )
