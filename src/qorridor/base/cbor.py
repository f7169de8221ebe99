"""Core deterministic CBOR (RFC 8949 section 4.2.1) for the types that our protocols use.

Integers, byte strings, ASCII or UTF-8 text, arrays, maps, booleans and null; no floats, no tags,
no indefinite lengths. `decode` accepts exactly what `encode` produces.
"""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "int | bytes | str | bool | list[Value] | dict[int | str, Value] | None"

_MAX_DEPTH = 16


def encode(value: object) -> bytes:
    """Deterministic encoding; raises TypeError for other types, ValueError beyond 64-bit integers."""
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for size, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise ValueError("integer beyond 64 bits")


def _encode(value: object, out: bytearray) -> None:
    match value:
        case None:
            out += b"\xf6"
        case bool():
            out += b"\xf5" if value else b"\xf4"
        case int():
            out += _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes() | bytearray() | memoryview():
            out += _head(2, len(value)) + bytes(value)
        case str():
            data = value.encode()
            out += _head(3, len(data)) + data
        case list() | tuple():
            out += _head(4, len(value))
            for item in value:
                _encode(item, out)
        case dict():
            out += _head(5, len(value))
            for key, item in sorted(((encode(key), item) for key, item in value.items()), key=_by_key):
                out += key
                _encode(item, out)
        case _:
            raise TypeError(f"no deterministic CBOR for {type(value).__name__}")


def _by_key(pair: tuple[bytes, object]) -> bytes:
    return pair[0]


def decode(data: bytes | memoryview) -> Value:
    """The one value that `data` encodes; raises ValueError for anything not deterministic."""
    value, end = _decode(bytes(data), 0, 0)
    if end != len(data):
        raise ValueError("bytes after the CBOR value")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if depth > _MAX_DEPTH:
        raise ValueError("CBOR nested too deeply")
    if at >= len(data):
        raise ValueError("CBOR ends early")
    major, info = data[at] >> 5, data[at] & 31
    if major == 7:
        simple: dict[int, bool | None] = {20: False, 21: True, 22: None}
        if info not in simple:
            raise ValueError("CBOR floats and other simple values are not used here")
        return simple[info], at + 1
    number, at = _number(data, at + 1, info)
    match major:
        case 0 | 1:
            return (-1 - number if major else number), at
        case 2 | 3:
            return _string(data, at, number, text=major == 3)
        case 4:
            return _array(data, at, number, depth)
        case 5:
            return _map(data, at, number, depth)
        case _:
            raise ValueError("CBOR tags are not used here")


def _array(data: bytes, at: int, size: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    for _ in range(size):
        item, at = _decode(data, at, depth + 1)
        items.append(item)
    return items, at


def _number(data: bytes, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise ValueError("CBOR of indefinite length")
    size = 1 << info - 24
    if at + size > len(data):
        raise ValueError("CBOR ends early")
    number = int.from_bytes(data[at : at + size], "big")
    if number < (24 if size == 1 else 1 << 4 * size):
        raise ValueError("CBOR integer is not in its shortest form")
    return number, at + size


def _string(data: bytes, at: int, size: int, *, text: bool) -> tuple[Value, int]:
    end = at + size
    if end > len(data):
        raise ValueError("CBOR ends early")
    chunk = data[at:end]
    return (chunk.decode() if text else chunk), end


def _map(data: bytes, at: int, size: int, depth: int) -> tuple[Value, int]:
    result: dict[int | str, Value] = {}
    previous = b""
    for _ in range(size):
        start = at
        key, at = _decode(data, at, depth + 1)
        encoded = data[start:at]
        if not isinstance(key, int | str) or isinstance(key, bool):
            raise ValueError("CBOR map key is neither integer nor text")
        if encoded <= previous:
            raise ValueError("CBOR map keys are not in order")
        previous = encoded
        result[key], at = _decode(data, at, depth + 1)
    return result, at
