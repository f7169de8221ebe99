"""Canonical JSON: RFC 8785 restricted to what our leaves use, so that equal facts are equal bytes."""

from __future__ import annotations

import hashlib
import json
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_LARGEST = 2**53 - 1


def canonical_json(value: Json) -> bytes:
    """Canonical bytes; raises ValueError for floats, non-ASCII keys and integers beyond 2^53-1."""
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _check(value: Json) -> None:
    match value:
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not key.isascii():
                    raise ValueError("an object key is not ASCII text")
                _check(item)
        case list() | tuple():
            for item in value:
                _check(item)
        case float():
            raise ValueError("floats have no canonical form here; use a decimal string")
        case int() if not isinstance(value, bool) and abs(value) > _LARGEST:
            raise ValueError("integer beyond 2^53-1")
        case _:
            pass


def strict_json(data: bytes, *, max_depth: int = 32) -> Json:
    """Parse JSON (RFC 8259) and refuse what parsers disagree on: duplicate names, NaN, other
    encodings than UTF-8, lone surrogates, deep nesting, huge integers. Raises ValueError."""
    depth = deepest = 0
    for byte in data:  # strings may hold brackets too: the bound is then only stricter
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    if deepest > max_depth:
        raise ValueError("JSON nested too deeply")
    text = data.decode("utf-8-sig")
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_parse_int
        )
        if "\\u" in text:  # half a surrogate pair is no character: nothing could write it down again
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    return value


def _unique(pairs: list[tuple[str, Json]]) -> Json:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise ValueError("a JSON object repeats a name")
    return dict(pairs)


def _refuse_constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON number")


def _parse_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a JSON integer is too long")
    return int(text)


def digest(value: Json) -> str:
    """SHA-256 of the canonical bytes, hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
