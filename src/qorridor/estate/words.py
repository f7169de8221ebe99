"""Say in our own words what is wrong with an entry, and what would be right."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from qorridor.estate.schema import json_schema

Words = tuple[str, str]

EXAMPLES: Mapping[str, str] = {
    "schema": "schema = 1",
    "organisation": 'organisation = "Meridian Bank"',
    "length": 'length = "27.4 km"',
    "system_id": 'system_id = "router-london"',
    "between": 'between = ["london", "hayes"]',
    "from": 'from = "london"',
    "to": 'to = "slough"',
    "carries": 'carries = ["settlement"]',
    "flow": 'flow = "core-replication"',
    "path": 'path = ["london", "hayes", "slough"]',
    "driver": 'driver = "simulator"',
    "preset": 'preset = "metro"',
    "scanner": 'scanner = "tls"',
    "targets": 'targets = ["10.20.0.0/22:443"]',
    "folders": 'folders = ["pki"]',
    "listen": 'listen = "127.0.0.1:9400"',
    "forward": 'forward = "127.0.0.1:5432"',
    "site": 'site = "london"',
    "speaks": 'speaks = "etsi-014"',
    "certificate": 'certificate = "pki/router.pem"',
    "corridor": 'corridor = "thames"',
    "runs": "runs = { from = 2027-01-11, until = 2027-04-11 }",
    "exit": 'exit = ["availability >= 99.9 %"]',
    "keys": 'keys = { driver = "sqlite", root_key = "file:root.key" }',
    "launch": 'launch = "-28 dBm"',
    "channels": "channels = 8",
    "url": 'url = "https://kme.hayes.example"',
    "ca": 'ca = "pki/vendor.pem"',
    "interface": 'interface = "wg-genome"',
    "connection": 'connection = "thames"',
    "until": "until = 2027-04-11",
    "root_key": 'root_key = "file:root.key"',
}

_KINDS = {
    "string_type": "a text in quotes", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "tuple_type": "a list in square brackets",
    "list_type": "a list in square brackets", "dict_type": "a table", "model_type": "a table",
    "model_attributes_type": "a table", "date_type": "a date such as 2027-01-11", "mapping_type": "a table",
}  # fmt: skip


_BOUNDS = {
    "greater_than_equal": ("ge", "below", "of {} or more"), "greater_than": ("gt", "not above", "above {}"),
    "less_than_equal": ("le", "above", "of {} or less"), "less_than": ("lt", "not below", "below {}"),
}  # fmt: skip


class Spot(NamedTuple):
    """One pydantic error, the path of its key and the raw data of the file."""

    error: ErrorDetails
    path: tuple[str, ...]
    data: Any


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known word, or all of them where none is near."""
    choices = list(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return (
        "use one of " + ", ".join(f'"{choice}"' for choice in choices) if choices else "none is defined yet"
    )


def _fits(schema: Mapping[str, Any], step: str, data: Any) -> Mapping[str, Any]:
    """One step down a JSON Schema, references and driver unions resolved."""
    found = _resolved(schema, data)
    entries = [*found.get("patternProperties", {}).values(), found.get("additionalProperties")]
    return found.get("properties", {}).get(step) or entries[0] or {}


def _resolved(schema: Any, data: Any) -> Mapping[str, Any]:
    if not isinstance(schema, dict):
        return {}
    if "$ref" in schema:
        return _resolved(json_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]], data)
    if "discriminator" in schema:
        rule = schema["discriminator"]
        tag = data.get(rule["propertyName"]) if isinstance(data, dict) else None
        return _resolved({"$ref": rule["mapping"][tag]}, data) if tag in rule["mapping"] else {}
    if "anyOf" in schema:
        return next(
            (found for part in schema["anyOf"] if (found := _resolved(part, data)).get("type") != "null"), {}
        )
    return schema


def known_keys(data: Any, path: tuple[str, ...]) -> list[str]:
    """The keys that the table at `path` may have."""
    schema: Mapping[str, Any] = json_schema()
    for step in path:
        schema = _fits(schema, step, data)
        data = data.get(step) if isinstance(data, dict) else None
    return list(_resolved(schema, data).get("properties", {}))


def _missing(spot: Spot) -> Words:
    key = spot.path[-1]
    return f'"{key}" is missing', f"add for example {EXAMPLES.get(key, f'{key} = …')}"


def _unknown(spot: Spot) -> Words:
    return f'no key "{spot.path[-1]}" is known here', did_you_mean(
        spot.path[-1], known_keys(spot.data, spot.path[:-1])
    )


def _choice(spot: Spot) -> Words:
    known = [
        part.strip().strip("'") for part in spot.error["ctx"]["expected"].replace(" or ", ", ").split(", ")
    ]
    if known == ["1"]:
        return f"schema {spot.error['input']!r} is unknown to this version", "write schema = 1"
    shown = spot.error["input"] if isinstance(spot.error["input"], str) else f"{spot.error['input']}"
    return f'"{shown}" is none of the values known here', did_you_mean(shown, known)


def _driver(spot: Spot) -> Words:
    known = [part.strip().strip("'") for part in spot.error["ctx"]["expected_tags"].split(", ")]
    word = spot.error["ctx"]["discriminator"].strip("'")
    return f'no {word} "{spot.error["ctx"]["tag"]}" is known', did_you_mean(spot.error["ctx"]["tag"], known)


def _no_driver(spot: Spot) -> Words:
    word = spot.error["ctx"]["discriminator"].strip("'")
    return f'"{word}" is missing', f"add for example {EXAMPLES[word]}"


def _said(spot: Spot) -> Words:
    return spot.error["ctx"]["cause"], spot.error["ctx"]["remedy"]


def _pattern(spot: Spot) -> Words:
    shown = f'"{spot.error["input"]}"'
    if spot.error["loc"][-1] == "[key]":
        return f"{shown} is no name", "use small letters, digits and hyphens, 64 at most"
    key = spot.path[-1]
    return f"{shown} does not have the right form", f"write for example {EXAMPLES.get(key, f'{key} = …')}"


def _bound(spot: Spot) -> Words:
    key, side, allowed = _BOUNDS[spot.error["type"]]
    limit = spot.error["ctx"][key]
    if isinstance(spot.error["input"], float) and not math.isfinite(spot.error["input"]):
        return f"{spot.error['input']} is no finite number", f"write a number {allowed.format(limit)}"
    return f"{spot.error['input']} is {side} {limit}", f"write a number {allowed.format(limit)}"


def _length(spot: Spot) -> Words:
    example = EXAMPLES.get(spot.path[-1], f"{spot.path[-1]} = …")
    if spot.error["type"] in {"too_short", "string_too_short"}:
        return "this has too few entries", f"write for example {example}"
    return "this has too many entries", f"write for example {example}"


_WRITERS: Mapping[str, Callable[[Spot], Words]] = {
    "missing": _missing, "extra_forbidden": _unknown, "literal_error": _choice, "enum": _choice,
    "union_tag_invalid": _driver, "union_tag_not_found": _no_driver, "said": _said,
    "string_pattern_mismatch": _pattern, "greater_than_equal": _bound, "greater_than": _bound,
    "less_than_equal": _bound, "less_than": _bound, "too_short": _length, "too_long": _length,
    "string_too_short": _length, "string_too_long": _length,
}  # fmt: skip


def words(error: ErrorDetails, path: tuple[str, ...], data: Any) -> Words:
    """Cause and remedy of one pydantic error at `path` of the raw `data`."""
    kind = error["type"]
    if kind in _WRITERS:
        return _WRITERS[kind](Spot(error, path, data))
    wanted = _KINDS.get(kind, "another value")
    return f"this is not {wanted}", f"write {wanted}" if not path else f"write {path[-1]} as {wanted}"
