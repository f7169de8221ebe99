"""ETSI GS QKD 014 V1.1.1: status, enc_keys and dec_keys for the SAEs of one site."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from qorridor.adapters.wire import http, tls
from qorridor.adapters.wire.system import SystemClock
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.faces.api import etsi014_wire as wire
from qorridor.faces.api.limits import tell_limited
from qorridor.ports.world import Clock
from qorridor.records.events import Event
from qorridor.run.admission import Admission
from qorridor.run.key_manager import KeyManager
from qorridor.run.registry import SaeEntry

Record = Callable[[Event], Awaitable[None]]
_POST_QUANTUM = "MLKEM"
_STORE_CODES = frozenset({"Q-KEY-040", "Q-KEY-043", "Q-KEY-044"})


class Etsi014:
    """Serves the SAEs of `manager.site`; identity comes from the verified certificate alone."""

    def __init__(
        self, manager: KeyManager, saes: Mapping[str, SaeEntry], record: Record, *, cap: int, clock: Clock
    ) -> None:
        self._manager = manager
        self._saes = saes
        self._record = record
        self._cap, self._clock = cap, clock
        self._admission = Admission({name: entry.limits for name, entry in saes.items()})

    async def serve(self, stream: tls.Stream) -> None:
        """Answer one SAE's connection; an unknown identity gets 401 and is journalled."""
        caller, cause = self._caller(stream.peer)
        if caller is None:
            await self._record(
                Event("auth.refused", stream.peer.address, {"listener": "kme", "cause": cause}, severity="P3")
            )

        if caller is not None and not self._admission.enter(caller.sae_id):
            await self._limited(caller, "connections")
            return

        async def handle(request: http.Request) -> http.Response:
            if "origin" in request.headers:
                return http.Response(403)
            if caller is None:
                return wire.error_response(wire.WireError(401, ""))
            return await self._answer(request, caller, quantum_safe=_POST_QUANTUM in stream.peer.group)

        try:
            await http.serve_requests(stream, handle)
        finally:
            if caller is not None:
                self._admission.leave(caller.sae_id)

    def _caller(self, peer: tls.Peer) -> tuple[SaeEntry | None, str]:
        try:
            identity = peer.identity
        except ValueError as error:
            return None, str(error)
        entry = self._saes.get(identity.name)
        if identity.kind != "sae" or entry is None or entry.site != self._manager.site:
            return None, f"{identity.uri} is no SAE of {self._manager.site}"
        if entry.speaks == "skip":  # on two listeners its allowances would count twice
            return None, f"{identity.uri} speaks SKIP, which has a listener of its own"
        return entry, ""

    async def _answer(self, request: http.Request, caller: SaeEntry, *, quantum_safe: bool) -> http.Response:
        try:
            wait = self._admission.request(caller.sae_id, self._clock.monotonic())
            if wait:
                await self._limited(caller, "requests")
                raise wire.WireError(503, "too many requests", retry_after=math.ceil(wait))
            target = wire.read_target(request.method, request.path)
            if target.method == "dec_keys":
                answer = await self._dec_keys(request, caller, target.sae_id)
            else:
                partner = self._partner(caller, target.sae_id)
                if target.method == "status":
                    answer = await self._status(request, caller, partner, quantum_safe=quantum_safe)
                else:
                    answer = await self._enc_keys(request, caller, partner, quantum_safe=quantum_safe)
        except wire.WireError as error:
            return wire.error_response(error)
        except QorridorError as error:
            return await self._refused(error, caller)
        return http.Response(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    async def _refused(self, error: QorridorError, caller: SaeEntry) -> http.Response:
        """The standard's answer to the caller, our code to the journal only."""
        await self._record(Event("kme.refused", caller.sae_id, {"code": error.code, "cause": error.cause}))
        match error:
            case PolicyRefusal():
                return wire.error_response(wire.WireError(401, ""))
            case KeySupplyError() if error.code == "Q-KEY-024":
                return wire.error_response(wire.WireError(400, wire.KEYS_NOT_FOUND))
            case OutsideError() if error.code in _STORE_CODES:
                return wire.error_response(
                    wire.WireError(503, "the key store cannot be used", retry_after=10)
                )
            case KeySupplyError() | OutsideError():
                return wire.error_response(wire.WireError(503, "insufficient keys", retry_after=2))
        return wire.error_response(wire.WireError(503, "internal error", retry_after=10))

    async def _limited(self, caller: SaeEntry, limit: str) -> None:
        await tell_limited(self._record, self._admission, caller.sae_id, limit, self._clock.monotonic())

    def _partner(self, caller: SaeEntry, sae_id: str) -> SaeEntry:
        if sae_id == caller.sae_id:
            raise wire.WireError(400, "slave SAE shall differ from the calling SAE")
        partner = self._saes.get(sae_id)
        if partner is None or sae_id not in caller.partners:
            raise PolicyRefusal("Q-POLICY-012", f"{caller.sae_id} may not share keys with {sae_id[:64]}",
                                "name the pair in the estate's [sae] table", caller.sae_id)  # fmt: skip
        return partner

    async def _status(
        self, request: http.Request, caller: SaeEntry, partner: SaeEntry, *, quantum_safe: bool
    ) -> dict[str, Any]:
        """Clause 5.2 and 6.1."""
        if request.query:
            raise wire.WireError(400, "status takes no query")
        manager = self._manager
        path = manager.topology.path(manager.site, partner.site)
        try:
            supply = await manager.path_supply(
                path, wire.KEY_SIZE, relayed=len(path) > 2, sold=not caller.tunnel
            )
            # Until the node has compared its records with its neighbours' it gives none (Q-KEY-035).
            stored = min(supply.left, self._cap) if manager.is_settled() else 0
            quota = self._admission.keys_left(caller.sae_id, self._clock.monotonic())
            stored = stored if quota is None else min(stored, int(quota))
        except (KeySupplyError, OutsideError):
            stored = 0  # a part of the path does not answer: nothing is deliverable now
        stocks = [await manager.store.stock(link) for link in manager.topology.links_of(manager.site)]
        simulated = any(stock.simulated for stock in stocks)
        return {
            "source_KME_ID": manager.site, "target_KME_ID": partner.site,
            "master_SAE_ID": caller.sae_id, "slave_SAE_ID": partner.sae_id,
            "key_size": wire.KEY_SIZE, "stored_key_count": stored, "max_key_count": self._cap,
            "max_key_per_request": wire.MAX_KEY_PER_REQUEST, "max_key_size": wire.MAX_KEY_SIZE,
            "min_key_size": wire.MIN_KEY_SIZE, "max_SAE_ID_count": 0,
            "status_extension": {"qorridor_simulated": simulated, "qorridor_quantum_safe": quantum_safe},
        }  # fmt: skip

    async def _enc_keys(
        self, request: http.Request, caller: SaeEntry, partner: SaeEntry, *, quantum_safe: bool
    ) -> dict[str, Any]:
        """Clause 5.3: keys for the caller, held for its partner."""
        wanted = wire.read_key_request(request.method, request.query, request.body)
        cost = wanted.number * math.ceil(wanted.size / wire.KEY_SIZE)
        wait = self._admission.keys(caller.sae_id, cost, self._clock.monotonic())
        if wait:
            await self._limited(caller, "keys")
            raise wire.WireError(503, "quota exceeded", retry_after=math.ceil(wait))
        transport = Event(
            "key.requested", caller.sae_id, {"quantum_safe": quantum_safe, "number": wanted.number}
        )
        try:
            keys = await self._manager.supply(
                caller.sae_id, partner.sae_id, partner.site, wanted.number, wanted.size, also=[transport]
            )
        except QorridorError:
            self._admission.keys_back(caller.sae_id, cost)
            raise
        return _container(keys)

    async def _dec_keys(self, request: http.Request, caller: SaeEntry, master: str) -> dict[str, Any]:
        """Clause 5.4: keys that `master` has asked for."""
        key_ids = wire.read_key_ids(request.method, request.query, request.body)
        return _container(await self._manager.collect(caller.sae_id, master, key_ids))


def _container(keys: list[Any]) -> dict[str, Any]:
    container = wire.key_container(keys)
    for key in keys:
        key.key.wipe()
    return container


def sae_face(
    manager: KeyManager, saes: Mapping[str, SaeEntry], record: Record, cap: int
) -> Callable[[tls.Stream], Awaitable[None]]:
    """The listener for SAEs of one node (app.node.SaeFace)."""
    return Etsi014(manager, saes, record, cap=cap, clock=SystemClock()).serve
