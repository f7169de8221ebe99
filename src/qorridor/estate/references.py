"""Check what tables say about one another, on the raw data, so that one bad table hides no other mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from qorridor.estate.words import did_you_mean


class Slip(NamedTuple):
    """One mistake between tables."""

    path: tuple[str, ...]
    cause: str
    remedy: str


Raw = Mapping[str, Any]


def _table(data: Any, name: str) -> dict[str, Any]:
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _tables(data: Raw, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((key, entry) for key, entry in _table(dict(data), name).items() if isinstance(entry, dict))


def _texts(value: object) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [item for item in found if isinstance(item, str)]


def _named(data: Raw, path: tuple[str, ...], value: object, table: str, word: str) -> Iterator[Slip]:
    """Each name in `value` must be one of `table`."""
    known = _table(dict(data), table)
    for name in _texts(value):
        if name not in known:
            yield Slip(path, f'no {word} "{name}"', did_you_mean(name, known))


def _fibres(data: Raw) -> Iterator[Slip]:
    for name, fibre in _tables(data, "fibre"):
        path = ("fibre", name, "between")
        ends = _texts(fibre.get("between"))
        yield from _named(data, path, ends, "site", "site")
        if len(ends) == 2 and ends[0] == ends[1]:
            yield Slip(path, f'both ends are "{ends[0]}"', "name two different sites")


def _flows(data: Raw) -> Iterator[Slip]:
    for name, flow in _tables(data, "flow"):
        for key in ("from", "to"):
            yield from _named(data, ("flow", name, key), flow.get(key), "site", "site")
        yield from _named(data, ("flow", name, "carries"), flow.get("carries"), "data", "data class")
        if flow.get("from") is not None and flow.get("from") == flow.get("to"):
            yield Slip(
                ("flow", name, "to"), f'the flow ends where it begins, at "{flow["to"]}"', "name another site"
            )
        yield from _tunnel(data, name, flow)


def _tunnel(data: Raw, name: str, flow: Raw) -> Iterator[Slip]:
    """A tunnel that feeds itself, or that carries the control channel which keys it."""
    settings = _table(dict(flow), "protected_by")
    path = ("flow", name, "protected_by")
    listen, forward = settings.get("listen"), settings.get("forward")
    if listen is not None and listen == forward and flow.get("from") == flow.get("to"):
        yield Slip(
            path, f"the tunnel forwards to its own entrance {listen}", "give the address of the service"
        )
    for site, entry in _tables(data, "site"):
        if listen is not None and entry.get("node") == listen:
            yield Slip(
                path,
                f'the tunnel listens where the node of "{site}" does, so it would carry its own keys',
                "give the tunnel another port",
            )


def _corridors(data: Raw) -> Iterator[Slip]:
    for name, corridor in _tables(data, "corridor"):
        yield from _named(data, ("corridor", name, "flow"), corridor.get("flow"), "flow", "flow")
        yield from _named(data, ("corridor", name, "path"), corridor.get("path"), "site", "site")
        if len(path := _texts(corridor.get("path"))) >= 2:
            yield from _ends(data, name, corridor, path)
            yield from _relays(data, name, path)
            yield from _links(data, name, corridor, path)


def _ends(data: Raw, name: str, corridor: Raw, path: list[str]) -> Iterator[Slip]:
    flow = _table(_table(dict(data), "flow"), str(corridor.get("flow")))
    ends = [flow.get("from"), flow.get("to")]
    if all(isinstance(end, str) for end in ends) and {path[0], path[-1]} != {*ends}:
        yield Slip(
            ("corridor", name, "path"),
            f'the path joins "{path[0]}" and "{path[-1]}", its flow "{ends[0]}" and "{ends[1]}"',
            f'start at "{ends[0]}" and end at "{ends[1]}"',
        )
    if len({*path}) != len(path):
        yield Slip(("corridor", name, "path"), "the path visits a site twice", "name each site once")


def _relays(data: Raw, name: str, path: list[str]) -> Iterator[Slip]:
    sites = _table(dict(data), "site")
    for site in path[1:-1]:
        if site in sites and not _table(sites[site], "trusted_node"):
            yield Slip(
                ("corridor", name, "path"),
                f'"{site}" would relay keys in clear but is no trusted node',
                f"secure it and add trusted_node = {{ caged = true, alarmed = true }} to [site.{site}]",
            )


def _joining(data: Raw, a: str, b: str) -> list[str]:
    return [name for name, fibre in _tables(data, "fibre") if {*_texts(fibre.get("between"))} == {a, b}]


def _links(data: Raw, name: str, corridor: Raw, path: list[str]) -> Iterator[Slip]:
    sites, links = _table(dict(data), "site"), _table(dict(corridor), "link")
    hops = [hop for hop in pairwise(path) if hop[0] in sites and hop[1] in sites and hop[0] != hop[1]]
    found = {hop: _joining(data, *hop) for hop in hops}
    for (a, b), fibres in found.items():
        if not fibres:
            yield Slip(
                ("corridor", name, "path"), f'no fibre joins "{a}" and "{b}"', f"add a table [fibre.{a}-{b}]"
            )
        elif not any(fibre in links for fibre in fibres):
            yield Slip(
                ("corridor", name),
                f'the hop from "{a}" to "{b}" has no link',
                f'add link.{fibres[0]} = {{ driver = "simulator", preset = "metro" }}',
            )
    yield from _strangers(name, links, [fibre for fibres in found.values() for fibre in fibres])


def _strangers(corridor: str, links: Iterable[str], known: list[str]) -> Iterator[Slip]:
    for link in links:
        if link not in known:
            cause = f'link "{link}" is no fibre of this corridor\'s path'
            yield Slip(("corridor", corridor, "link", link), cause, did_you_mean(link, known))


def _saes(data: Raw) -> Iterator[Slip]:
    own = {f"{flow}-{entry.get(end)}" for flow, entry in _tables(data, "flow") for end in ("from", "to")}
    for name, sae in _tables(data, "sae"):
        yield from _named(data, ("sae", name), sae.get("site"), "site", "site")
        yield from _named(data, ("sae", name), sae.get("may_pair_with"), "sae", "SAE")
        if name in _texts(sae.get("may_pair_with")):
            yield Slip(("sae", name), "an SAE does not pair with itself", "name the SAE of the other site")
        if name in own:
            yield Slip(
                ("sae", name), "this name belongs to the end of a flow's own tunnel", "choose another name"
            )
        yield from _speech(name, sae)
    yield from _systems(data)


def _speech(name: str, sae: Raw) -> Iterator[Slip]:
    if not sae.get("certificate") and sae.get("speaks") == "etsi-014":
        yield Slip(
            ("sae", name),
            "an SAE that speaks ETSI GS QKD 014 needs a certificate",
            f'add certificate = "pki/{name}.pem"',
        )


def _systems(data: Raw) -> Iterator[Slip]:
    """SKIP finds an SAE by its system_id, or by its name without one: no two may share one."""
    names = {name: sae.get("system_id") or name for name, sae in _tables(data, "sae")}
    for name, system in names.items():
        others = [other for other, known in names.items() if other < name and known == system]
        if others:
            yield Slip(
                ("sae", name), f'"{others[0]}" has the same system_id for SKIP', "give each SAE another one"
            )


def _pilots(data: Raw) -> Iterator[Slip]:
    for name, pilot in _tables(data, "pilot"):
        yield from _named(data, ("pilot", name, "corridor"), pilot.get("corridor"), "corridor", "corridor")


def slips(data: Raw) -> list[Slip]:
    """All mistakes between tables; entries of a wrong type are passed over, `words` speaks of them."""
    return [slip for check in (_fibres, _flows, _corridors, _saes, _pilots) for slip in check(data)]
