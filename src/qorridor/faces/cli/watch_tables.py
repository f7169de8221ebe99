"""The tables of `qorridor watch` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qorridor.app.watching import verdicts
from qorridor.base.units import BitRate
from qorridor.faces.cli.output import table
from qorridor.watch.diagnosis import read_sample

if TYPE_CHECKING:
    from qorridor.app.watching import Statuses
    from qorridor.watch.diagnosis import Verdict

LINKS = ("node", "link", "state", "QBER", "atoms", "secret key", "released", "aborted", "last abort", "label")
KEYS = ("node", "ingested", "available", "reserved", "bound", "delivered", "void", "burnt by cause (bits)")
FLOWS = ("node", "flow", "corridor", "state", "why", "epoch", "age", "left/floor", "fresh", "rolls")


def text(statuses: Statuses) -> str:
    """Links, keys and flows of all nodes, nodes that do not answer, and what aborts may mean."""
    answering = {site: status for site, status in statuses.items() if status is not None}
    links = [_link(site, link) for site, status in answering.items() for link in status["links"]]
    keys = [_keys(site, status) for site, status in answering.items()]
    flows = [_flow(site, end) for site, status in answering.items() for end in status["corridors"]]
    parts = [table(rows, heads) for rows, heads in ((links, LINKS), (keys, KEYS), (flows, FLOWS)) if rows]
    silent = [f"{site}: the node does not answer" for site, status in statuses.items() if status is None]
    silent += [
        f"{site}: ALARM {alarm['alarm']}: {alarm['cause']} [{alarm['code']}]; {alarm['remedy']}"
        for site, status in answering.items() for alarm in status.get("alarms", ())
    ]  # fmt: skip
    told = [line(verdict) for verdict in verdicts(statuses)]
    return "\n\n".join([*parts, *(["\n".join(silent + told)] if silent or told else [])]) + "\n"


def line(verdict: Verdict) -> str:
    """A verdict in one line: what is seen, what to suspect, what would decide."""
    label = " [simulated]" if verdict.simulated else ""
    return (
        f"{verdict.link}: {', '.join(verdict.evidence)} ⇒ suspect {' or '.join(verdict.causes)} "
        f"({verdict.severity}){label}; {verdict.separated_by} would tell; "
        "key of aborted blocks is never used"
    )


def _link(site: str, link: dict[str, Any]) -> list[str]:
    state = "aborting" if link["abort_cause"] else "up" if link["released"] else "no block yet"
    rate = link["secret_key_rate"]
    return [
        site, link["link"], state if link["connected"] else "no link end", _qber(link), str(link["available"]),
        "-" if rate is None else str(BitRate(rate)), str(link["released"]), str(link["aborted"]),
        link["abort_cause"] or "-", "simulated" if link["simulated"] else "",
    ]  # fmt: skip


def _qber(link: dict[str, Any]) -> str:
    """Of the newest block: the exact one, or that of the disclosed basis where a block was aborted."""
    if link["qber"] is not None:
        return f"{float(str(link['qber'])):.2%}"
    samples = link.get("samples", ())
    qber = read_sample(samples[-1]).qber if samples else None
    return "-" if qber is None else f"{qber:.2%}"


def _keys(site: str, status: dict[str, Any]) -> list[str]:
    counts = status["keys"]
    burnt = ", ".join(f"{cause} {bits}" for cause, bits in sorted(status["burnt"].items()))
    return [site, *(str(counts[name]) for name in KEYS[1:7]), burnt or "-"]


def _flow(site: str, end: dict[str, Any]) -> list[str]:
    age = end["epoch_age"]
    supply = end["role"] == "i"  # the responder does not measure the path
    return [
        site, end["flow"], end["corridor"], end["state"], end["cause"] or "-", str(end["epoch"]),
        f"{age:.1f} s" if age >= 0 else "-", f"{end['left']}/{end['floor']}" if supply else "-",
        f"{end['fresh_per_second']:.2f}/s" if supply else "-", str(end["rolls"]),
    ]  # fmt: skip
