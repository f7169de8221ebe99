"""Secrets that the two ends of a relay share: exporters of their own mutual TLS connections (RFC 8446, 7.5).

    initiator's end                      target's end
    POST /q/v1/mask, nonce ----------->  keeps the exporter of this connection for the nonce under its public id
                    <------------------  id; the initiator's end finds the same id in its own exporter

Both forget: the initiator's end takes a fresh one each hour and after a refusal, the target's end keeps the
newest of each peer. Nothing is stored on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from qorridor.adapters.wire import tls
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from qorridor.combine.end_mask import SECRET_BYTES
from qorridor.ports.peer_node import EndMask
from qorridor.ports.world import Clock, Entropy

LIFETIME_SECONDS = 3600.0
KEPT = 4
"""Secrets of one peer that are kept: what is on its way under an older one still finds it."""
_LABEL = b"EXPORTER-Qorridor-relay-mask"
_ID_BYTES = 16
NONCE_BYTES = 16

Ask = Callable[[bytes], Awaitable[tuple[bytes, tls.Stream | None]]]
"""Tells one far node a nonce; returns its answer and the connection that carried it."""


def exported(stream: tls.Stream, nonce: bytes) -> EndMask:
    """What this connection gives both its ends for a nonce: a public id and a secret."""
    secret = Secret(stream.exporter(_LABEL, SECRET_BYTES, nonce))
    return EndMask(stream.exporter(_LABEL + b"-id", _ID_BYTES, nonce), secret)


class PeerMasks:
    """EndMasks (ports.peer_node) of one node; `ask` reaches each node that may be the end of a path."""

    def __init__(self, ask: Mapping[str, Ask], clock: Clock, entropy: Entropy) -> None:
        self._ask, self._clock, self._entropy = ask, clock, entropy
        self._towards: dict[str, tuple[float, EndMask]] = {}
        self._known: dict[str, list[EndMask]] = {}

    async def towards(self, site: str) -> EndMask:
        """The secret with `site`, agreed on now when there is none or it is an hour old.

        Raises OutsideError when that node cannot be reached."""
        made, mask = self._towards.get(site, (0.0, None))
        if mask is not None and self._clock.monotonic() - made < LIFETIME_SECONDS:
            return mask
        nonce = self._entropy.draw(NONCE_BYTES)  # one connection may last for weeks
        answer, stream = await self._ask[site](nonce)
        if stream is None or (fresh := exported(stream, nonce)).mask_id != answer:
            raise OutsideError("Q-KME-063", f"{site} and this node do not see one connection between them",
                               "the key is asked for again by itself", site)  # fmt: skip
        self._towards[site] = (self._clock.monotonic(), fresh)
        return fresh

    def forget(self, site: str) -> None:
        """The far node does not know the secret any more: take a fresh one next time."""
        self._towards.pop(site, None)

    def accept(self, sender: str, stream: tls.Stream, nonce: bytes) -> bytes:
        """Keep the secret of a connection that `sender` opened; returns its public id."""
        mask = exported(stream, nonce)
        kept = [old for old in self._known.get(sender, []) if old.mask_id != mask.mask_id]
        for old in kept[: max(0, len(kept) + 1 - KEPT)]:
            old.secret.wipe()
        self._known[sender] = [*kept[-(KEPT - 1) :], mask]
        return mask.mask_id

    def known(self, site: str, mask_id: bytes) -> Secret | None:
        """The secret that `site` has agreed on under this id, None when this node does not know it."""
        return next((mask.secret for mask in self._known.get(site, []) if mask.mask_id == mask_id), None)
