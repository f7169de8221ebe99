"""A neighbouring node over mutual TLS: PeerNode (ports.peer_node) as HTTP calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from qorridor.adapters.peers import messages
from qorridor.adapters.wire import http, tls
from qorridor.base.canonical import Json, canonical_json
from qorridor.base.errors import KeySupplyError, OutsideError
from qorridor.ports.key_store import Allotment, Association
from qorridor.ports.peer_node import Hop, PathSupply
from qorridor.run.incarnations import Incarnations

PREFIX = "/q/v1"
INCARNATION = "qorridor-incarnation"
"""Header of every message, both ways: which store its sender works on."""
Answer = TypeVar("Answer")


class PeerClient:
    """One neighbour; `bulk` carries key agreement, `control` roll-over, so that neither waits; `acquaint`
    gives the incarnations that both nodes have said."""

    def __init__(
        self, site: str, bulk: http.Client, control: http.Client, acquaint: Callable[[], Incarnations]
    ) -> None:
        self.site = site
        self._acquaint = acquaint
        self._bulk = bulk
        self._control = control

    async def hello(self) -> None:
        """Hear which store the other node works on: every answer says it."""
        await self._call("hello", {})

    async def bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str
    ) -> None:
        """Have the neighbour bind keys of the common link."""
        await self._call("bind", messages.bind_json(link, association, list(allotments), txid))

    async def relay(self, hop: Hop) -> bool:
        """Hand keys on; returns when the last node of the path holds them: whether any pad was simulated."""
        return await self._read("relay", messages.hop_json(hop), messages.read_relayed)

    async def void(self, txid: str, cause: str) -> None:
        """Have the neighbour and all nodes further down the path burn what a transaction left with them."""
        await self._call("void", {"txid": txid, "cause": cause})

    async def supply(self, path: tuple[str, ...], size_bits: int, *, sold: bool) -> PathSupply:
        """What the rest of a path, from the neighbour on, can still give."""
        question: dict[str, Json] = {"path": list[Json](path), "size_bits": size_bits, "sold": sold}
        return await self._read("supply", question, messages.read_supply)

    async def keep_checkpoint(self, checkpoint: Json) -> None:
        """Leave this node's newest signed checkpoint with the neighbour, with the proof that it goes on
        from the one held there; raises KeySupplyError with the neighbour's code when it refuses."""
        await self._call("checkpoint", checkpoint)

    async def held_checkpoint(self) -> str:
        """The newest checkpoint of this node's own log that the neighbour holds; empty without one."""
        return await self._read("held", {}, messages.read_note)

    async def control(self, corridor: str, frame: bytes) -> bytes:
        """Send one roll-over message and return the answer."""
        return await self._post(self._control, f"roll/{corridor}", frame, "application/cbor")

    async def mask(self, nonce: bytes) -> tuple[bytes, tls.Stream | None]:
        """Have the far node keep a secret of the control connection; returns its id and that connection."""
        answer = await self._post(self._control, "mask", canonical_json({"nonce": nonce.hex()}))
        return messages.read_mask(answer), self._control.stream

    def control_group(self) -> str:
        """The key exchange group of the control connection, as this end reads it; empty without one."""
        stream = self._control.stream
        return stream.peer.group if stream is not None else ""

    async def _read(self, what: str, body: Json, read: Callable[[bytes], Answer]) -> Answer:
        answer = await self._call(what, body)
        try:
            return read(answer)
        except ValueError as error:
            raise OutsideError(
                "Q-KME-044", f"the answer of {self.site} to {what} cannot be read: {error}",
                "both nodes must run the same version", self.site,
            ) from error  # fmt: skip

    async def _call(self, what: str, body: Json) -> bytes:
        return await self._post(self._bulk, what, canonical_json(body))

    async def _post(
        self, client: http.Client, what: str, body: bytes, content_type: str = "application/json"
    ) -> bytes:
        incarnations = self._acquaint()
        response = await client.request(
            "POST", f"{PREFIX}/{what}", body, content_type, {INCARNATION: incarnations.own}
        )
        try:
            told = messages.incarnation(response.headers.get(INCARNATION))
        except ValueError as error:
            raise OutsideError(
                "Q-KME-044", f"the answer of {self.site} to {what} does not say which store it works on",
                "both nodes must run the same version", self.site,
            ) from error  # fmt: skip
        await incarnations.meet(self.site, told)
        return self._checked(response)

    def _checked(self, response: http.Response) -> bytes:
        if response.status == 200:
            return response.body
        try:
            told = json.loads(response.body)
            code, cause = str(told["code"]), str(told["cause"])
        except (ValueError, KeyError, TypeError):
            code, cause = "", f"answer {response.status}"
        if response.status == 409:
            raise KeySupplyError(
                code or "Q-KME-047",
                f"{self.site} refuses: {cause}",
                "see the journal of both nodes",
                self.site,
            )
        raise OutsideError(
            "Q-KME-044", f"{self.site} failed: {cause}", "see the other node's journal", self.site
        )

    def close(self) -> None:
        """Close both connections."""
        self._bulk.close()
        self._control.close()
