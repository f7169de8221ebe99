"""Secure Key Integration Protocol, draft-cisco-skip-02: capabilities, key and entropy for encryptors.

Who asks is told by the certificate or by the identity of the pre-shared key, never by the request.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

from qorridor.adapters.wire import http, tls
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.faces.api import skip_cisco02_wire as wire
from qorridor.faces.api.limits import tell_limited
from qorridor.ports.world import Clock, Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey
from qorridor.run.admission import Admission
from qorridor.run.key_manager import KeyManager
from qorridor.run.registry import SaeEntry

Record = Callable[[Event], Awaitable[None]]
_NOT_FOUND = "no such key for this system and that remoteSystemID"
_QUOTA_BITS = 256


class SkipCisco02:
    """Serves the SAEs of `manager.site` that speak SKIP."""

    def __init__(
        self,
        manager: KeyManager,
        saes: Mapping[str, SaeEntry],
        record: Record,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._manager, self._record, self._clock, self._entropy = manager, record, clock, entropy
        self._saes = saes
        self._systems = {entry.system: entry for entry in saes.values() if not entry.tunnel}
        self._admission = Admission({name: entry.limits for name, entry in saes.items()})

    async def serve(self, stream: tls.Stream) -> None:
        """Answer one encryptor's connection; an unknown identity gets 401 and is journalled."""
        caller, cause = self._caller(stream.peer)
        if caller is None:
            refused: dict[str, str] = {"listener": "skip", "cause": cause}
            await self._record(Event("auth.refused", stream.peer.address, {**refused}, severity="P3"))
        elif not self._admission.enter(caller.sae_id):
            await self._limited(caller, "connections")
            return

        async def handle(request: http.Request) -> http.Response:
            if "origin" in request.headers:
                return http.Response(403)
            if caller is None:
                return http.Response(401)
            return await self._answer(request, caller)

        try:
            await http.serve_requests(stream, handle)
        finally:
            if caller is not None:
                self._admission.leave(caller.sae_id)

    def _caller(self, peer: tls.Peer) -> tuple[SaeEntry | None, str]:
        if peer.psk_identity:
            entry, shown = self._systems.get(peer.psk_identity), "the pre-shared key's identity"
        else:
            try:
                identity = peer.identity
            except ValueError as error:
                return None, str(error)
            entry = self._saes.get(identity.name) if identity.kind == "sae" else None
            shown = identity.uri
        if entry is None or entry.site != self._manager.site or entry.speaks != "skip":
            return None, f"{shown} is no SAE of {self._manager.site} that speaks SKIP"
        return entry, ""

    async def _answer(self, request: http.Request, caller: SaeEntry) -> http.Response:
        try:
            wait = self._admission.request(caller.sae_id, self._clock.monotonic())
            if wait:
                await self._limited(caller, "requests")
                raise wire.WireError(503, "too many requests", retry_after=math.ceil(wait))
            call = wire.read_call(request.method, request.path, request.query)
            if call.name == "capabilities":
                return wire.response(await self._capabilities(caller))
            if call.name == "entropy":
                return self._random(call)
            return await self._key(call, caller)
        except wire.WireError as error:
            return wire.error_response(error)
        except QorridorError as error:
            return await self._refused(error, caller)

    async def _capabilities(self, caller: SaeEntry) -> dict[str, object]:
        manager = self._manager
        stocks = [await manager.store.stock(link) for link in manager.topology.links_of(manager.site)]
        simulated = any(stock.simulated for stock in stocks)
        algorithm = "Qorridor key manager, SIMULATED quantum keys" if simulated else "Qorridor key manager"
        remotes = [self._saes[name].system for name in caller.partners if name in self._saes]
        return wire.capabilities(caller.system, remotes, algorithm)

    def _random(self, call: wire.Call) -> http.Response:
        """Bits of the operating system's generator: no quantum source stands behind them."""
        try:
            answer = wire.response(wire.entropy_answer(self._entropy.draw(call.bits // 8)))
        except OSError:
            raise wire.WireError(503, "the system gives no random bits", retry_after=10) from None
        answer.headers = {**answer.headers, "Qorridor-Entropy-Source": "operating system CSPRNG"}
        return answer

    async def _key(self, call: wire.Call, caller: SaeEntry) -> http.Response:
        partner = self._partner(caller, call.remote)
        if call.key_id:
            keys = await self._manager.collect(caller.sae_id, partner.sae_id, [call.key_id])
        else:
            keys = await self._fresh(call, caller, partner)
        answer = wire.response(wire.key_answer(keys[0]))
        keys[0].key.wipe()
        if keys[0].simulated:
            answer.headers = {**answer.headers, "Qorridor-Simulated": "true"}
        return answer

    async def _fresh(self, call: wire.Call, caller: SaeEntry, partner: SaeEntry) -> list[DeliveredKey]:
        cost = math.ceil(call.bits / _QUOTA_BITS)
        wait = self._admission.keys(caller.sae_id, cost, self._clock.monotonic())
        if wait:
            await self._limited(caller, "keys")
            raise wire.WireError(503, "quota exceeded", retry_after=math.ceil(wait))
        # Both listeners take post-quantum groups only (adapters.wire.contexts).
        asked = Event("key.requested", caller.sae_id, {"quantum_safe": True, "number": 1})
        try:
            return await self._manager.supply(
                caller.sae_id, partner.sae_id, partner.site, 1, call.bits, also=[asked]
            )
        except QorridorError:
            self._admission.keys_back(caller.sae_id, cost)
            raise

    def _partner(self, caller: SaeEntry, system: str) -> SaeEntry:
        partner = self._systems.get(system)
        if partner is None or partner.sae_id not in caller.partners:
            raise PolicyRefusal("Q-POLICY-012", f"{caller.sae_id} may not share keys with another system",
                                "name the pair in the estate's [sae] table", caller.sae_id)  # fmt: skip
        return partner

    async def _refused(self, error: QorridorError, caller: SaeEntry) -> http.Response:
        """The draft's code to the caller, ours to the journal only: 400 for what is not found or not
        allowed, alike, so that nobody learns which systems there are; 500 for what cannot be given now."""
        await self._record(Event("kme.refused", caller.sae_id, {"code": error.code, "cause": error.cause}))
        match error:
            case PolicyRefusal():
                return wire.error_response(wire.WireError(400, _NOT_FOUND))
            case KeySupplyError() if error.code == "Q-KEY-024":
                return wire.error_response(wire.WireError(400, _NOT_FOUND))
            case KeySupplyError() | OutsideError():
                return wire.error_response(wire.WireError(500, "no key can be given now", retry_after=2))
        return wire.error_response(wire.WireError(500, "internal error", retry_after=10))

    async def _limited(self, caller: SaeEntry, limit: str) -> None:
        await tell_limited(self._record, self._admission, caller.sae_id, limit, self._clock.monotonic())


def skip_face(
    manager: KeyManager, saes: Mapping[str, SaeEntry], record: Record, _cap: int
) -> Callable[[tls.Stream], Awaitable[None]]:
    """The listeners `skip` and `skip-psk` of one node (app.node.SaeFace)."""
    return SkipCisco02(manager, saes, record, SystemClock(), SystemEntropy()).serve
