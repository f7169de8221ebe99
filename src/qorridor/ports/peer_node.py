"""A neighbouring node, as the key manager of this one sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qorridor.base.secret import Secret
from qorridor.ports.key_store import Allotment, Association


@dataclass(frozen=True, slots=True)
class HopKey:
    """One relayed key on a hop: its identity, its masked bytes under the hop's one-time pad, and the
    digest by which the far end sees that no relay has changed it."""

    key_id: str
    cipher: bytes
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Hop:
    """A relay message to the next node: where the pad lies, the wrapped keys, one tag over all.

    `tag` authenticates `header` and the concatenated ciphers with one-time key of the same pad.
    """

    txid: str
    association: Association
    link: str
    block_id: bytes
    first: int
    count: int
    keys: tuple[HopKey, ...]
    tag: bytes
    simulated: bool
    mask_id: bytes = b""


@dataclass(frozen=True, slots=True)
class EndMask:
    """What the two ends of a path share and no relay knows: a public id of 16 bytes and a secret of 48."""

    mask_id: bytes
    secret: Secret


class EndMasks(Protocol):
    """Secrets with the nodes at the far ends of paths."""

    async def towards(self, site: str) -> EndMask:
        """The secret with `site`; raises OutsideError when that node cannot be reached."""
        ...

    def forget(self, site: str) -> None:
        """Take a fresh one next time."""
        ...

    def known(self, site: str, mask_id: bytes) -> Secret | None:
        """The secret that `site` has agreed on under this id."""
        ...


@dataclass(frozen=True, slots=True)
class PathSupply:
    """What a path can still give: whole keys left, fresh keys per second, seconds since the last
    fresh block of its driest link (infinite when there was none)."""

    left: int
    fresh: float
    silence: float


class PeerNode(Protocol):
    """Calls to one neighbour; each raises OutsideError when the outcome is unknown and
    KeySupplyError when the neighbour refuses (then it changed nothing)."""

    async def hello(self) -> None:
        """Hear which store the other node works on: every answer says it."""
        ...

    async def bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str
    ) -> None:
        """Have the neighbour bind keys of the common link."""
        ...

    async def relay(self, hop: Hop) -> bool:
        """Hand keys on; returns when the last node of the path holds them: whether any pad was simulated."""
        ...

    async def void(self, txid: str, cause: str) -> None:
        """Have the neighbour and all nodes further down the path burn what a transaction left with them."""
        ...

    async def supply(self, path: tuple[str, ...], size_bits: int, *, sold: bool) -> PathSupply:
        """What the rest of a path, from the neighbour on, can still give; with `sold` without what the
        corridors hold back."""
        ...
