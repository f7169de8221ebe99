"""Plan every fibre and corridor of an estate; an infeasible corridor names its binding constraint."""

from __future__ import annotations

from collections.abc import Mapping

from qorridor.base.units import BitRate, Duration
from qorridor.estate.drivers import LinkSource, SimulatorLink
from qorridor.estate.model import Corridor, Estate
from qorridor.plan.spans import plan_span
from qorridor.records.documents import CorridorPlan, Plan, SpanPlan

KEY_BITS = 256
RATE_MARGIN = 2.0
LIMITS = (
    "Rates are asymptotic (infinite decoys, signal intensity only) by the link model: planning figures, no promise.",
    "A block of finite size yields less, at face value of a preset possibly nothing: see `blocks` of each span.",
    "No rate exceeds the bound of a link without repeater (PLOB); the rate of a chain is that of its worst span.",
)


def demand_of(estate: Estate, corridor: Corridor) -> float:
    """Key bits per second that the flow's roll-over spends: one 256-bit key per interval."""
    return KEY_BITS / float(estate.flows[corridor.flow].rekey)


def plan(estate: Estate, *, tool_version: str, inputs: Mapping[str, str], blocks: bool = True) -> Plan:
    """The plan of all fibres and corridors, with or without what blocks of finite size yield."""
    uses = _uses(estate)
    spans = {
        name: plan_span(
            estate, name, *uses.get(name, (None, 0.0)), blocks=blocks, source=_source(estate, name)
        )
        for name in estate.fibres
    }
    corridors = {name: _corridor(estate, name, spans) for name in estate.corridors}
    return Plan(
        tool_version=tool_version, inputs=dict(inputs), spans=list(spans.values()), corridors=corridors,
        limits=list(LIMITS),
    )  # fmt: skip


def _uses(estate: Estate) -> dict[str, tuple[str | None, float]]:
    """Per fibre in use: its preset and the sum of what its corridors need, with margin, in bit/s."""
    uses: dict[str, tuple[str | None, float]] = {}
    for name, corridor in estate.corridors.items():
        for link in estate.link_names(name):
            settings = corridor.links[link]
            preset = settings.preset if isinstance(settings, SimulatorLink) else None
            known, demand = uses.get(link, (preset, 0.0))
            uses[link] = (known or preset, demand + RATE_MARGIN * demand_of(estate, corridor))
    return uses


def _source(estate: Estate, link: str) -> LinkSource:
    """The source that the link of a fibre takes: as the first corridor that simulates it has it."""
    drivers = (corridor.links.get(link) for corridor in estate.corridors.values())
    return next((driver.source for driver in drivers if isinstance(driver, SimulatorLink)), "optimised")


def _corridor(estate: Estate, name: str, spans: Mapping[str, SpanPlan]) -> CorridorPlan:
    corridor, links = estate.corridors[name], estate.link_names(name)
    demand = demand_of(estate, corridor)
    worst = min((spans[link] for link in links), key=lambda span: span.secret_key_rate)
    bad = [spans[link] for link in links if spans[link].verdict == "infeasible"]
    reserve = -int(-(corridor.reserve / estate.flows[corridor.flow].rekey) // 1)
    spare = worst.secret_key_rate - demand
    return CorridorPlan(
        name=name, flow=corridor.flow, path=list(corridor.path), links=links,
        trusted_nodes=list(corridor.path[1:-1]), secret_key_rate=BitRate(worst.secret_key_rate),
        demand=BitRate(demand), reserve_keys=reserve,
        reserve_filled_in=Duration(reserve * KEY_BITS / spare) if spare > 0 else None,
        feasible=not bad, binding=_binding(bad, worst, demand), simulated=True, notes=_notes(estate, corridor),
    )  # fmt: skip


def _binding(bad: list[SpanPlan], worst: SpanPlan, demand: float) -> str:
    if bad:
        return "; ".join(f"{span.name}: {span.binding}" for span in bad)
    return f"{worst.name}: {worst.secret_key_rate} of key against {demand:.3g} bit/s of demand"


def _notes(estate: Estate, corridor: Corridor) -> list[str]:
    notes = [
        f'"{site}" is a trusted node: it takes keys off their one-time pads, masked by the ends (computational)'
        for site in corridor.path[1:-1]
    ]
    for site in corridor.path[1:-1]:
        node = estate.sites[site].trusted_node
        weak = [
            word
            for word in ("caged", "alarmed", "two_person")
            if node is not None and not getattr(node, word)
        ]
        notes += [f'"{site}" is not {word}' for word in weak]
    vendor = [link for link, settings in corridor.links.items() if not isinstance(settings, SimulatorLink)]
    return notes + [f'"{link}" is planned with a preset, not with its vendor\'s figures' for link in vendor]
