"""`qorridor exchange`: a file from a flow's origin to its destination through the tunnel of a running corridor.

sender -> tunnel entry -> TLS 1.3 under the epoch's key -> tunnel exit -> receiver on the `forward` address
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qorridor.app.estate_file import load
from qorridor.app.operators import Operator
from qorridor.app.run_folder import BOOK, AddressBook, split_address
from qorridor.app.transfer import Progress, Receiver, offer_of, send
from qorridor.base.errors import EstateError, OutsideError, PolicyRefusal
from qorridor.estate.drivers import TlsTunnel
from qorridor.estate.model import Estate
from qorridor.run.corridor_state import State


@dataclass(frozen=True, slots=True)
class Route:
    """The flow and corridor that carry a file, and where the tunnel's exit delivers."""

    flow: str
    corridor: str
    origin: str
    links: tuple[str, ...]
    forward: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What was sent: digests were equal at both ends, or this would not exist."""

    route: Route
    out: Path
    size: int
    sha256: str
    seconds: float
    epochs: tuple[int, int]
    states: tuple[str, str]
    simulated: bool

    @property
    def epochs_crossed(self) -> int:
        """Roll-overs between the corridor's status before and after."""
        return self.epochs[1] - self.epochs[0]


def route_between(estate: Estate, origin: str, destination: str) -> Route:
    """The way from one site to another; raises EstateError or PolicyRefusal where there is none."""
    tunnels = {name: flow for name, flow in estate.flows.items() if isinstance(flow.protected_by, TlsTunnel)}
    for name, flow in tunnels.items():
        corridors = estate.corridors_of(name)
        if (flow.origin, flow.destination) == (origin, destination) and corridors:
            forward = flow.protected_by.forward if isinstance(flow.protected_by, TlsTunnel) else ""
            links = tuple(estate.link_names(corridors[0]))
            return Route(name, corridors[0], origin, links, split_address(forward))
    back = [
        name for name, flow in tunnels.items() if (flow.destination, flow.origin) == (origin, destination)
    ]
    if back:
        raise PolicyRefusal(
            "Q-POLICY-031", f"the flow {back[0]} begins at {destination}; this version forwards from there only",
            f"send with --from {destination} --to {origin}, or add a flow the other way", estate.source,
        )  # fmt: skip
    known = ", ".join(f"{flow.origin} to {flow.destination}" for flow in tunnels.values()) or "none"
    raise EstateError(
        "Q-ESTATE-035", f"no tunnel leads from {origin} to {destination}; the estate has: {known}",
        "name two ends of a flow with protected_by tls-tunnel and a corridor", estate.source,
    )  # fmt: skip


async def exchange(
    run: Path, file: Path, origin: str, destination: str, out: Path, progress: Progress
) -> Exchanged:
    """Send `file`; nothing is left at `out` unless the digests are equal."""
    route = route_between(load(run / "estate.toml"), origin, destination)
    if out.exists():
        raise OutsideError("Q-KME-060", "the file is there already and is not replaced",
                           "name another with --out, or move it away", str(out))  # fmt: skip
    offer = offer_of(file, secrets.token_hex(32))
    async with Operator(run) as operator:
        before = await _ready(operator, route)
        entry = AddressBook(run / BOOK).find(f"tunnel/{route.flow}/{route.origin}")
        server = await _receive(Receiver(offer.token, out), route)
        started = time.monotonic()
        try:
            await send(file, offer, entry, progress)
        finally:
            server.close()
        seconds = time.monotonic() - started
        after = await _corridor(operator, route) or before
    simulated = bool(before["simulated"] or after["simulated"])
    return Exchanged(
        route, out, offer.size, offer.sha256, seconds, (before["epoch"], after["epoch"]),
        (before["state"], after["state"]), simulated,
    )  # fmt: skip


async def _receive(receiver: Receiver, route: Route) -> asyncio.Server:
    host, port = route.forward
    try:
        return await asyncio.start_server(receiver.serve, host, port)
    except OSError as error:
        raise OutsideError(
            "Q-ENC-008", f"cannot receive at the flow's forward address: {error.strerror or error}",
            "stop the service that listens there while the file is sent, or send to that service "
            "through the tunnel's listen address", f"{host}:{port}",
        ) from error  # fmt: skip


async def _ready(operator: Operator, route: Route) -> dict[str, Any]:
    status = await _corridor(operator, route)
    if status is None:
        raise OutsideError("Q-ENC-011", f"the node of {route.origin} does not answer for {route.corridor}",
                           "wait until `qorridor watch` shows the corridor", route.origin)  # fmt: skip
    if State(status["state"]).mode is None or not status["epoch"]:
        cause = f" ({status['cause']})" if status["cause"] else ""
        raise PolicyRefusal(
            "Q-POLICY-033", f"the corridor {route.corridor} is {status['state']}{cause} and carries no traffic",
            "look with `qorridor watch`; after a want of key or a restart it opens by itself", route.origin,
        )  # fmt: skip
    return status


async def _corridor(operator: Operator, route: Route) -> dict[str, Any] | None:
    """The corridor as its first site sees it, with the label of the links on its path."""
    statuses = await operator.statuses()
    status = statuses.get(route.origin)
    ends = [] if status is None else [end for end in status["corridors"] if end["corridor"] == route.corridor]
    links = [link for found in statuses.values() if found is not None for link in found["links"]]
    simulated = any(link["simulated"] for link in links if link["link"] in route.links)
    return {**ends[0], "simulated": simulated} if ends else None
