"""Assess every flow of an estate: Mosca's inequality, the chance of later disclosure, and the mechanism."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from qorridor.assess.rules import NOT_EVALUATED, SENSITIVITY, Decision, FlowFacts, decide
from qorridor.assess.threat import Curve, day, hndl, of_estate, years
from qorridor.base.units import Duration
from qorridor.estate.model import Corridor, Estate, Flow
from qorridor.records.documents import Assessment, FlowAssessment, Reason
from qorridor.records.inventory import Inventory

HNDL_PROBABILITY = 0.10
_YEAR = 31_557_600.0
LIMITS = (
    "The threat curve is opinion: the years of policy.quantum_threat as 5, 50 and 95 %.",
    "Capture of the traffic is assumed; a machine breaks keys one by one.",
    "Recorded traffic stays exposed: migration cannot undo what was captured before it.",
    "QKD rates come from the link model and are planning figures, no measurements.",
)
Mechanism = Literal["inventory first", "keep", "PQC baseline", "hybrid corridor", "research pilot beside PQC"]


def assess(
    estate: Estate,
    inventory: Inventory | None,
    *,
    as_of: date,
    rates: Mapping[str, float],
    tool_version: str,
    inputs: Mapping[str, str],
) -> Assessment:
    """The assessment on a day; `rates` = secret key rate of each corridor in bit/s from the link model."""
    threat = of_estate(estate.policy.quantum_threat)
    flows = [_flow(estate, inventory, name, threat, as_of, rates) for name in estate.flows]
    return Assessment(
        tool_version=tool_version, inputs=dict(inputs), as_of=as_of,
        coverage=inventory.share_seen if inventory else None,
        flows=flows, not_evaluated=list(NOT_EVALUATED), limits=list(LIMITS),
    )  # fmt: skip


def _flow(
    estate: Estate,
    inventory: Inventory | None,
    name: str,
    threat: Curve,
    as_of: date,
    rates: Mapping[str, float],
) -> FlowAssessment:
    now = years(as_of)
    facts = facts_of(estate, inventory, name, threat.until(HNDL_PROBABILITY, now), rates)
    decision = decide(facts)
    keep, migrate = facts.keep_secret, facts.migration_time or 0.0
    exposed = keep is not None and keep + migrate > facts.threat_years
    return FlowAssessment(
        name=name, carries=list(estate.flows[name].carries), sensitivity=facts.sensitivity,
        keep_secret_years=keep, migration_years=facts.migration_time, threat_years=round(facts.threat_years, 4),
        must_hold_until=_held(now, keep), exposed=exposed,
        exposed_from=_exposed_from(now, facts) if exposed else None,
        hndl_probability=None if keep is None else round(hndl(threat, keep, now, now + migrate), 6),
        backlog="what was recorded before this day is not counted and cannot be undone",
        base=decision.base, overlay=decision.overlay, mechanism=_mechanism(decision),
        because=[Reason(rule=match.rule, text=match.text) for match in decision.matches],
        unknown=_unknown(facts),
    )  # fmt: skip


def _held(now: float, keep: float | None) -> int | None:
    last = day(now + keep) if keep is not None else None
    return last.year if last else None


def _exposed_from(now: float, facts: FlowFacts) -> date | None:
    """What is sent from this day on can still be secret when it is readable; never before today."""
    return day(max(now, now + facts.threat_years - (facts.keep_secret or 0.0)))


def _mechanism(decision: Decision) -> Mechanism:
    if decision.base == "inventory-first":
        return "inventory first"
    if decision.overlay:
        return "research pilot beside PQC" if decision.overlay == "E" else "hybrid corridor"
    return "keep" if decision.base == "keep" else "PQC baseline"


def _unknown(facts: FlowFacts) -> list[str]:
    gaps = {
        "migration_time (taken as 0)": facts.migration_time, "threat": facts.threat, "maturity": facts.maturity,
        "key exchange in use (no end point of this flow was seen; taken as quantum-vulnerable)":
            facts.quantum_vulnerable,
    }  # fmt: skip
    return [name for name, value in gaps.items() if value is None]


def _in_years(span: Duration | None) -> float | None:
    return None if span is None else span / _YEAR


def facts_of(
    estate: Estate, inventory: Inventory | None, name: str, threat_years: float, rates: Mapping[str, float]
) -> FlowFacts:
    """What the estate and the inventory say of a flow."""
    flow, policy = estate.flows[name], estate.policy
    corridors = [(key, estate.corridors[key]) for key in estate.corridors_of(name)]
    best = max(corridors, key=lambda row: rates.get(row[0], 0.0), default=None)
    return FlowFacts(
        name=name, sensitivity=_most_sensitive(estate, flow), keep_secret=_longest(estate, flow),
        migration_time=_in_years(flow.migration_time or policy.migration_time), threat_years=threat_years,
        owner=flow.owner or estate.sites[flow.origin].owner,
        coverage=inventory.share_seen if inventory else None,
        quantum_vulnerable=_vulnerable(inventory, name),
        threat=flow.threat or policy.threat, maturity=policy.maturity,
        fibre=_fibre(estate, best[1]) if best else "none",
        relays=len(best[1].path) - 2 if best else 0,
        relays_guarded=bool(best) and _guarded(estate, best[1].path[1:-1]) if best else False,
        demand=256.0 / flow.rekey, rate=rates.get(best[0]) if best else None,
    )  # fmt: skip


def _longest(estate: Estate, flow: Flow) -> float | None:
    """The longest secrecy lifetime carried; None while one class states none."""
    spans = [estate.data[name].keep_secret for name in flow.carries]
    return None if any(span is None for span in spans) else max(_in_years(span) or 0.0 for span in spans)


def _most_sensitive(estate: Estate, flow: Flow) -> str:
    return max((estate.data[name].sensitivity for name in flow.carries), key=SENSITIVITY.index)


def _fibre(estate: Estate, corridor: Corridor) -> Literal["dark", "wavelength"]:
    links = (estate.fibre_between(*hop) for hop in corridor.hops)
    lit = any(link and estate.fibres[link].coexists for link in links)
    return "wavelength" if lit else "dark"


def _guarded(estate: Estate, sites: Iterable[str]) -> bool:
    nodes = [estate.sites[site].trusted_node for site in sites]
    return all(node is not None and node.caged and node.alarmed and node.two_person for node in nodes)


def _vulnerable(inventory: Inventory | None, flow: str) -> bool | None:
    """Whether any end point of the flow was seen with a key exchange that Shor's algorithm breaks."""
    if inventory is None:
        return None
    seen = [
        asset.properties.get("quantum_class", "unknown")
        for asset in inventory.of_kind("protocol")
        if asset.properties.get("flow") == flow
    ]
    return any(quantum not in {"pqc", "hybrid", "symmetric-safe"} for quantum in seen) if seen else None
