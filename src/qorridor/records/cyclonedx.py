"""Write and read an Inventory as a CycloneDX 1.6 CBOM in JSON (ECMA-424).

Own facts ride in `properties` with the prefix `qorridor:`; the objects of the standard are closed.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from qorridor.base.canonical import Json, canonical_json, strict_json
from qorridor.base.errors import EstateError
from qorridor.records.inventory import Asset, AssetKind, Inventory
from qorridor.records.observations import Coverage

PREFIX = "qorridor:"
SPEC = "1.6"
_FIELD: dict[AssetKind, str] = {
    "algorithm": "algorithmProperties",
    "certificate": "certificateProperties",
    "protocol": "protocolProperties",
    "related-crypto-material": "relatedCryptoMaterialProperties",
}


def write(inventory: Inventory) -> str:
    """The CBOM as JSON text; equal inventories give equal bytes."""
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": _metadata(inventory),
        "components": [_component(asset) for asset in inventory.assets],
        "dependencies": [
            {"ref": a.ref, "dependsOn": sorted(a.depends_on)} for a in inventory.assets if a.depends_on
        ],
        "compositions": [{"aggregate": _aggregate(inventory)}],
    }
    name = hashlib.sha256(canonical_json(document)).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=name[:16], version=4)}"
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _aggregate(inventory: Inventory) -> str:
    if not inventory.coverage:
        return "unknown"
    return "complete" if all(unit.state == "parsed" for unit in inventory.coverage) else "incomplete"


def _metadata(inventory: Inventory) -> dict[str, Any]:
    tool = {"type": "application", "name": "qorridor", "version": inventory.tool_version}
    facts = [
        ("schema", "inventory/1"),
        *((f"input:{name}", value) for name, value in inventory.inputs.items()),
    ]
    facts += [(f"coverage:{u.scanner}:{u.state}", f"{u.locator} {u.why}".strip()) for u in inventory.coverage]
    return {
        "timestamp": inventory.at,
        "lifecycles": [{"phase": "discovery"}],
        "tools": {"components": [tool]},
        "properties": _properties(facts),
    }


def _properties(facts: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": PREFIX + name, "value": value} for name, value in facts]


def _component(asset: Asset) -> dict[str, Any]:
    crypto: dict[str, Any] = {"assetType": asset.kind}
    if asset.crypto:
        crypto[_FIELD[asset.kind]] = asset.crypto
    return {
        "type": "cryptographic-asset",
        "bom-ref": asset.ref,
        "name": asset.name,
        "cryptoProperties": crypto,
        "evidence": {"occurrences": [{"location": place} for place in asset.occurrences]},
        "properties": _properties(sorted(asset.properties.items())),
    }


def read(text: str, where: str) -> Inventory:
    """An Inventory from CBOM text, ours or another tool's; raises EstateError Q-ESTATE-030."""
    try:
        document: Any = strict_json(text.encode(), max_depth=64)
        if document["bomFormat"] != "CycloneDX":
            raise ValueError("no CycloneDX document")
        depends = {row["ref"]: tuple(row.get("dependsOn", ())) for row in document.get("dependencies", [])}
        assets = tuple(
            _asset(part, depends) for part in document.get("components", []) if "cryptoProperties" in part
        )
        facts = dict(_facts(document.get("metadata", {})))
        return Inventory(
            assets=assets,
            coverage=tuple(_coverage(document.get("metadata", {}))),
            at=str(document.get("metadata", {}).get("timestamp", "")),
            tool_version=_tool(document),
            inputs={name.removeprefix("input:"): v for name, v in facts.items() if name.startswith("input:")},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EstateError(
            "Q-ESTATE-030",
            f"this is no CycloneDX inventory ({error})",
            "make one with `qorridor discover`",
            where,
        ) from None


def _tool(document: Any) -> str:
    tools = document.get("metadata", {}).get("tools", {})
    parts = tools.get("components", []) if isinstance(tools, dict) else tools
    return str(parts[0].get("version", "")) if parts else ""


def _facts(part: Any) -> Iterator[tuple[str, str]]:
    for row in part.get("properties", []):
        if str(row["name"]).startswith(PREFIX):
            yield str(row["name"]).removeprefix(PREFIX), str(row.get("value", ""))


def _coverage(metadata: Any) -> Iterator[Coverage]:
    for name, value in _facts(metadata):
        if name.startswith("coverage:"):
            _, scanner, state = name.split(":", 2)
            locator, _, why = value.partition(" ")
            yield Coverage(scanner, locator, state, why)  # type: ignore[arg-type]  # read back as written


def _asset(part: Any, depends: dict[str, tuple[str, ...]]) -> Asset:
    crypto = part["cryptoProperties"]
    kind: AssetKind = crypto["assetType"]
    properties: dict[str, Json] = crypto.get(_FIELD[kind], {})
    places = part.get("evidence", {}).get("occurrences", [])
    ref = str(part.get("bom-ref", part["name"]))
    return Asset(
        ref, kind, str(part["name"]), properties, dict(_facts(part)),
        tuple(str(place["location"]) for place in places), depends.get(ref, ()),
    )  # fmt: skip
