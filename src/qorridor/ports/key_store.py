"""The key store of a node: each call is one durable transaction, its journal events included.

    owner end:  available -> reserved -> bound -> delivered
    other end:  available ------------> bound -> delivered        any state but delivered -> void

No transition returns to available; on doubt a key is burnt, never offered again. Events in `also` are
labelled simulated by the store when a key of the transaction is: it alone knows what it hands out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from qorridor.base.canonical import Json
from qorridor.base.secret import Secret
from qorridor.ports.rolls import Row
from qorridor.records.keys import DeliveredKey, KeyBlock


@dataclass(frozen=True, slots=True)
class Association:
    """What a key is bound to: who asks first, who may fetch it, its size, its nodes end to end, and the
    incarnations of the stores at both ends (none where both are one)."""

    initiator: str
    targets: tuple[str, ...]
    size_bits: int
    path: tuple[str, ...]
    incarnations: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """The form that both ends hash."""
        return {
            "initiator": self.initiator,
            "targets": list[Json](sorted(self.targets)),
            "size_bits": self.size_bits,
            "path": list[Json](self.path),
            "incarnations": list[Json](self.incarnations),
        }


@dataclass(frozen=True, slots=True)
class Allotment:
    """Consecutive atoms of one block: where a key or pad lies at both ends of its link."""

    key_id: str
    block_id: bytes
    first: int
    count: int
    size_bits: int
    digest: bytes = b""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Pad:
    """One-time material taken from a link: `key` is out of the store before it is used."""

    allotment: Allotment
    key: Secret


@dataclass(frozen=True, slots=True)
class PadUse:
    """What a pad is taken for: the store remembers it, so that a later void can be judged; `promised_to`
    is the node that hears of it when the transaction is given up."""

    txid: str = ""
    path: tuple[str, ...] = ()
    promised_to: str = ""


NO_USE = PadUse()


@dataclass(frozen=True, slots=True)
class Owed:
    """A transaction that was given up and of which `peer` has not heard yet."""

    txid: str
    peer: str
    cause: str


class Share(StrEnum):
    """Who may spend an own atom: tunnel ends of ours for their corridors, or the SAEs that the estate names."""

    CORRIDORS = "corridors"
    SOLD = "sold"


@dataclass(frozen=True, slots=True)
class Keep:
    """Atoms of a link that are kept at one of its ends, by share; each share is spent for itself alone."""

    corridors: int
    sold: int = 0

    @property
    def atoms(self) -> int:
        """Both shares and the internal atom of a block."""
        return 1 + self.corridors + self.sold


@dataclass(frozen=True, slots=True)
class LinkStock:
    """Atoms of one link at this end, by what may be done with them, those that lie together for whole keys:
    the corridors' share of the own ones, the SAEs' share of them, and those that the other end owns."""

    corridors: int
    sold: int
    foreign: int
    blocks: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """Bits ever ingested, and where they are now: `ingested` is counted on its own."""

    ingested: int
    available: int
    reserved: int
    bound: int
    delivered: int
    void: int

    @property
    def missing(self) -> int:
        """Bits that were ingested and are nowhere: anything but 0 is a loss or a duplicate."""
        return self.ingested - self.available - self.reserved - self.bound - self.delivered - self.void


class KeyStore(Protocol):
    """Where keys lie between distillation and delivery (docs/inside/keys.md)."""

    incarnation: str
    """128 random bits in hex, new at creation and at every restore."""

    async def ingest(self, block: KeyBlock, *, owned: bool, keep: Keep, also: Sequence[Row] = ()) -> None:
        """Take in a block once; of its atoms the first `keep.atoms` are kept, the rest is burnt."""
        ...

    async def reserve(
        self, link: str, association: Association, count: int, txid: str, *,
        share: Share = Share.CORRIDORS, also: Sequence[Row] = (),
    ) -> list[Allotment]:  # fmt: skip
        """Owner end: allot `count` keys of a share, or raise KeySupplyError and allot nothing: Q-KEY-020 when
        there are too few, Q-KEY-028 when only the corridors' share has so many. From then on the other
        end hears of it when the transaction is given up."""
        ...

    async def bind(
        self, link: str, association: Association, allotments: Sequence[Allotment], txid: str,
        also: Sequence[Row] = (),
    ) -> None:  # fmt: skip
        """Other end: check place, ownership and digest, then bind all or raise KeySupplyError."""
        ...

    async def ready(self, txid: str, also: Sequence[Row] = ()) -> None:
        """Owner end: every peer has acknowledged; reserved becomes bound, all of a transaction or none."""
        ...

    async def hold(
        self, association: Association, key_id: str, key: Secret, txid: str, role: str, *,
        simulated: bool, also: Sequence[Row] = (),
    ) -> None:  # fmt: skip
        """Keep a relayed key at one of its ends (`role` initiator: reserved, target: bound)."""
        ...

    async def take_pad(
        self, link: str, count: int, *, share: Share = Share.CORRIDORS, use: PadUse = NO_USE
    ) -> Pad:
        """Owner end: `count` atoms for one-time use, durably gone from the store when returned; errors
        as for `reserve`."""
        ...

    async def match_pad(
        self, link: str, block_id: bytes, first: int, count: int, *, use: PadUse = NO_USE
    ) -> Pad:
        """Other end: the same atoms, durably gone from the store when returned."""
        ...

    async def path_of(self, txid: str) -> tuple[str, ...] | None:
        """The path of a transaction that left something here; None for any other."""
        ...

    async def deliver(
        self, key_ids: Sequence[str], to: str, *, as_initiator: bool, partner: str = "",
        also: Sequence[Row] = (),
    ) -> list[DeliveredKey]:  # fmt: skip
        """All keys or none; raises PolicyRefusal for a foreign key, KeySupplyError Q-KEY-024 for a
        missing one. The bytes are returned after the rows are gone; at the initiator's end that completes
        the agreement, and its peer is owed nothing."""
        ...

    async def void(self, txid: str, cause: str, also: Sequence[Row] = ()) -> list[str]:
        """Burn what a transaction reserved or bound and nobody has fetched, and take nothing of it that comes
        later; returns the key_IDs.

        `also` is recorded only when something was burnt.
        """
        ...

    async def abandon(self, txid: str, cause: str, also: Sequence[Row] = ()) -> str:
        """Owner end: void a transaction and owe its peer the news; returns the peer, empty when none was
        promised any. `also` as for `void`."""
        ...

    async def unfinished(self, seconds: float) -> list[str]:
        """Transactions that were begun so long ago and neither completed nor given up."""
        ...

    async def owed(self) -> list[Owed]:
        """Transactions given up of which the peer has not heard yet, oldest first."""
        ...

    async def settle(self, txid: str) -> None:
        """The peer has heard of a transaction's end."""
        ...

    async def met(self, site: str) -> str:
        """The incarnation of another node's store as last heard, empty before the first time."""
        ...

    async def meet(self, site: str, incarnation: str, links: Sequence[str], also: Sequence[Row] = ()) -> bool:
        """Note another node's incarnation; True when its store is another one than before: then every open
        key over it and every block of the common `links` is burnt, and `also` recorded."""
        ...

    async def expire(self, also: Sequence[Row] = ()) -> list[str]:
        """Void every reserved or bound key whose time is over; `also` as for `void`."""
        ...

    async def burn_block(self, block_id: bytes, cause: str, also: Sequence[Row] = ()) -> None:
        """Give up a whole block whose two ends disagree."""
        ...

    async def stock(self, link: str, each: int = 1) -> LinkStock:
        """What lies in store for one link, for keys of `each` atoms in a row."""
        ...

    async def count(self) -> KeyCounts:
        """The bit balance of the whole store."""
        ...
