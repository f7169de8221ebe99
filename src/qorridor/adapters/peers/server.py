"""The listener for neighbouring nodes: calls in, answers out; refusals are answered and journalled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from qorridor.adapters.peers import messages
from qorridor.adapters.peers.client import INCARNATION, PREFIX
from qorridor.adapters.peers.masks import PeerMasks
from qorridor.adapters.wire import http, tls
from qorridor.base.canonical import canonical_json
from qorridor.base.errors import OutsideError, QorridorError
from qorridor.records.events import Event
from qorridor.run.key_manager import KeyManager

Control = Callable[[str, str, bytes, str], Awaitable[bytes]]
"""(corridor, sender's site, frame, TLS group) -> answering frame."""

Record = Callable[[Event], Awaitable[None]]


class Keeper(Protocol):
    """Who keeps the newest checkpoints of the neighbours' journals."""

    def keep(self, site: str, body: bytes) -> None:
        """Keep what a neighbour shows; raises ValueError or a QorridorError when it is not to be believed."""
        ...

    def held(self, site: str) -> str:
        """The note that is held of a neighbour."""
        ...


class PeerServer:
    """Answers one node's neighbours."""

    def __init__(
        self, manager: KeyManager, control: Control, keeper: Keeper, record: Record, masks: PeerMasks
    ) -> None:
        self._manager = manager
        self._masks = masks
        self._control = control
        self._keeper = keeper
        self._record = record

    async def serve(self, stream: tls.Stream) -> None:
        """Serve one connection of a neighbour; anybody else's certificate is refused."""
        sender = await self._sender(stream)
        if sender is None:
            return

        async def handle(request: http.Request) -> http.Response:
            return await self._answer(request, sender, stream)

        await http.serve_requests(stream, handle)

    async def _sender(self, stream: tls.Stream) -> str | None:
        try:
            identity = stream.peer.identity
            if identity.kind != "node":
                raise ValueError(f"{identity.uri} is no node")
        except ValueError as error:
            await self._record(
                Event(
                    "auth.refused",
                    stream.peer.address,
                    {"listener": "peer", "cause": str(error)},
                    severity="P3",
                )
            )
            return None
        return identity.name

    async def _answer(self, request: http.Request, sender: str, stream: tls.Stream) -> http.Response:
        """The answer, which says which store this node works on: after the call, that may have changed it."""
        answer = await self._judged(request, sender, stream)
        return replace(answer, headers={INCARNATION: self._manager.incarnations.own})

    async def _judged(self, request: http.Request, sender: str, stream: tls.Stream) -> http.Response:
        what, _, rest = request.path.removeprefix(f"{PREFIX}/").partition("/")
        if request.method != "POST" or not request.path.startswith(f"{PREFIX}/"):
            return http.Response(404)
        try:
            told = messages.incarnation(request.headers.get(INCARNATION))
            await self._manager.incarnations.meet(sender, told)
            return http.Response(200, await self._dispatch(what, rest, request.body, sender, stream))
        except ValueError as error:
            return _refusal(400, "Q-KME-048", str(error))
        except QorridorError as error:
            await self._record(
                Event(
                    "kme.refused",
                    sender,
                    {"call": what, "code": error.code, "cause": error.cause},
                    severity="P4",
                )
            )
            # 503 leaves the outcome open, 409 says that nothing was changed and nothing will be.
            return _refusal(503 if isinstance(error, OutsideError) else 409, error.code, error.cause)

    async def _dispatch(self, what: str, rest: str, body: bytes, sender: str, stream: tls.Stream) -> bytes:
        match what:
            case "hello":
                pass
            case "bind":
                await self._manager.accept_bind(*messages.read_bind(body), sender)
            case "relay":
                simulated = await self._manager.accept_hop(messages.read_hop(body), sender)
                return canonical_json({"simulated": simulated})
            case "void":
                fields = messages.Fields(body)
                await self._manager.accept_void(fields.key_id("txid"), fields.text("cause")[:64], sender)
            case "supply":
                fields = messages.Fields(body)
                supply = await self._manager.accept_supply(
                    fields.path(), fields.size_bits(), sender, sold=fields.flag("sold")
                )
                return canonical_json(messages.supply_json(supply))
            case "checkpoint":
                self._keeper.keep(sender, body)
            case "held":
                return canonical_json({"note": self._keeper.held(sender)})
            case "roll":
                return await self._control(rest, sender, body, stream.peer.group)
            case "mask":
                nonce = messages.Fields(body).hexadecimal("nonce")
                return canonical_json({"mask": self._masks.accept(sender, stream, nonce).hex()})
            case _:
                raise ValueError(f"no call {what[:32]!r}")
        return b"{}"


def _refusal(status: int, code: str, cause: str) -> http.Response:
    return http.Response(status, canonical_json({"code": code, "cause": cause}))
