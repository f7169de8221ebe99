"""The JSON of calls between two nodes' key managers, both ways: objects to bytes and back, strictly."""

from __future__ import annotations

import base64
import re
from typing import Any

from qorridor.base import names
from qorridor.base.canonical import Json, strict_json
from qorridor.ports.key_store import Allotment, Association
from qorridor.ports.peer_node import Hop, HopKey, PathSupply

_SAE = re.compile(r"[\x21-\x7e]{1,64}")
_INCARNATION = re.compile(r"[0-9a-f]{32}")
MOST_KEYS = 128
MOST_NODES = 16


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bind_json(link: str, association: Association, allotments: list[Allotment], txid: str) -> dict[str, Json]:
    """Body of a bind call."""
    return {
        "link": link,
        "association": association.as_json(),
        "txid": txid,
        "keys": [
            {"key_id": item.key_id, "block": item.block_id.hex(), "first": item.first, "count": item.count,
             "digest": _base64(item.digest)}
            for item in allotments
        ],
    }  # fmt: skip


def hop_json(hop: Hop) -> dict[str, Json]:
    """Body of a relay call."""
    return {
        "txid": hop.txid, "association": hop.association.as_json(), "link": hop.link,
        "block": hop.block_id.hex(), "first": hop.first, "count": hop.count, "tag": _base64(hop.tag),
        "simulated": hop.simulated,
        "mask": hop.mask_id.hex(),
        "keys": [
            {"key_id": key.key_id, "cipher": _base64(key.cipher), "digest": _base64(key.digest)} for key in hop.keys
        ],
    }  # fmt: skip


class Fields:
    """Strict access to a JSON object; every mistake is a ValueError that names the field."""

    def __init__(self, body: bytes | dict[str, Any]) -> None:
        value = strict_json(body) if isinstance(body, bytes) else body
        if not isinstance(value, dict):
            raise ValueError("a JSON object is needed")
        self._value = value

    def _get(self, name: str, kind: type) -> Any:
        value = self._value.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{name} is missing or no {kind.__name__}")
        return value

    def text(self, name: str, most: int = 4096) -> str:
        """A string of at most `most` characters."""
        value: str = self._get(name, str)
        if len(value) > most:
            raise ValueError(f"{name} is too long")
        return value

    def sae(self, name: str) -> str:
        """An SAE ID: 1 to 64 printable ASCII characters."""
        return _sae(self.text(name))

    def number(self, name: str, most: int = 2**31, least: int = 0) -> int:
        """An integer from `least` to `most`."""
        value: int = self._get(name, int)
        if not least <= value <= most:
            raise ValueError(f"{name} is out of range")
        return value

    def flag(self, name: str) -> bool:
        """A boolean."""
        return bool(self._get(name, bool))

    def data(self, name: str) -> bytes:
        """Canonical base64."""
        text = self.text(name)
        value = base64.b64decode(text, validate=True)
        if _base64(value) != text:
            raise ValueError(f"{name} is no canonical base64")
        return value

    def key_id(self, name: str) -> str:
        """A key_ID."""
        return names.key_id(self.text(name))

    def hexadecimal(self, name: str) -> bytes:
        """An id of 16 bytes."""
        value = bytes.fromhex(self.text(name))
        if len(value) != 16:
            raise ValueError(f"{name} has not 16 bytes")
        return value

    def block(self) -> bytes:
        """A block id of 16 bytes."""
        return self.hexadecimal("block")

    def path(self, name: str = "path") -> tuple[str, ...]:
        """Names of nodes."""
        items = self._get(name, list)
        if not 1 <= len(items) <= MOST_NODES or not all(
            isinstance(item, str) and names.NAME.fullmatch(item) for item in items
        ):
            raise ValueError(f"{name} is no path of nodes")
        if len(set(items)) != len(items):
            raise ValueError(f"{name} visits a node twice")
        return tuple(items)

    def association(self) -> Association:
        """The association of the call."""
        inner = Fields(self._get("association", dict))
        targets = inner._get("targets", list)
        if not 1 <= len(targets) <= 8:
            raise ValueError("targets is empty or too long")
        saes = tuple(_sae(item) for item in targets)
        named = inner._get("incarnations", list)
        if len(named) != 2:
            raise ValueError("incarnations are those of both ends")
        ends = tuple(incarnation(item) for item in named)
        return Association(inner.sae("initiator"), saes, inner.size_bits(), inner.path(), ends)

    def size_bits(self) -> int:
        """Size of a key: whole bytes, 64 to 8192 bits."""
        size = self.number("size_bits", 8192, 64)
        if size % 8:
            raise ValueError("size_bits is no whole number of bytes")
        return size

    def objects(self, name: str) -> list[Fields]:
        """A list of 1 to 128 objects."""
        items = self._get(name, list)
        if not 1 <= len(items) <= MOST_KEYS or not all(isinstance(item, dict) for item in items):
            raise ValueError(f"{name} is no list of objects")
        return [Fields(item) for item in items]


def _sae(value: object) -> str:
    if not isinstance(value, str) or _SAE.fullmatch(value) is None:
        raise ValueError("an SAE ID has 1 to 64 printable characters")
    return value


def incarnation(value: object) -> str:
    """Of a node's store: 128 bits in lower-case hex; raises ValueError for anything else."""
    if not isinstance(value, str) or _INCARNATION.fullmatch(value) is None:
        raise ValueError("an incarnation has 32 hexadecimal digits")
    return value


def read_bind(body: bytes) -> tuple[str, Association, list[Allotment], str]:
    """(link, association, allotments, txid) of a bind call; raises ValueError."""
    fields = Fields(body)
    association = fields.association()
    allotments = [
        Allotment(
            item.key_id("key_id"), item.block(), item.number("first"), item.number("count", 64),
            association.size_bits, item.data("digest"),
        )
        for item in fields.objects("keys")
    ]  # fmt: skip
    return fields.text("link"), association, allotments, fields.key_id("txid")


def read_hop(body: bytes) -> Hop:
    """A relay call; raises ValueError."""
    fields = Fields(body)
    association = fields.association()
    keys = tuple(
        HopKey(item.key_id("key_id"), item.data("cipher"), item.data("digest"))
        for item in fields.objects("keys")
    )
    if any(len(key.cipher) != association.size_bits // 8 for key in keys):
        raise ValueError("a wrapped key has another size than the association says")
    return Hop(
        fields.key_id("txid"), association, fields.text("link"), fields.block(), fields.number("first"),
        fields.number("count", 1024), keys, fields.data("tag"), fields.flag("simulated"), fields.hexadecimal("mask"),
    )  # fmt: skip


def supply_json(supply: PathSupply) -> dict[str, Json]:
    """A path's supply; rates in thousandths, an endless silence as -1."""
    silence = -1 if supply.silence == float("inf") else int(supply.silence * 1000)
    return {"left": supply.left, "fresh_milli": int(min(supply.fresh, 1e6) * 1000), "silence_milli": silence}


def read_supply(body: bytes) -> PathSupply:
    """The inverse of `supply_json`; raises ValueError."""
    fields = Fields(body)
    silence = fields.number("silence_milli", least=-1)
    return PathSupply(
        fields.number("left"), fields.number("fresh_milli") / 1000,
        float("inf") if silence < 0 else silence / 1000,
    )  # fmt: skip


def read_relayed(body: bytes) -> bool:
    """Whether a pad of the further path was simulated, from the answer to a relay call; raises ValueError."""
    return Fields(body).flag("simulated")


def read_note(body: bytes) -> str:
    """The checkpoint that a neighbour holds, from its answer; raises ValueError."""
    return Fields(body).text("note", most=16384)


def read_mask(body: bytes) -> bytes:
    """The id of a connection's secret, from the far end's answer; raises ValueError."""
    return Fields(body).hexadecimal("mask")
