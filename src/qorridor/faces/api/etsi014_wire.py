"""ETSI GS QKD 014 V1.1.1 on the wire: paths, queries, Key request, Key IDs, Status, Error.

Only this module knows the standard's spelling. Clause numbers are those of V1.1.1.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from qorridor.adapters.wire.http import Response
from qorridor.base import names
from qorridor.base.canonical import strict_json
from qorridor.records.keys import DeliveredKey

KEY_SIZE = 256
MIN_KEY_SIZE = 64
MAX_KEY_SIZE = 1024
MAX_KEY_PER_REQUEST = 128

SIZE_NOT_BYTES = "size shall be a multiple of 8"
MANDATORY_UNSUPPORTED = "not all extension_mandatory parameters are supported"
KEYS_NOT_FOUND = "one or more keys specified are not found on KME"

_PREFIX = "/api/v1/keys/"
_METHODS = {"status": ("GET",), "enc_keys": ("GET", "POST"), "dec_keys": ("GET", "POST")}
_DIGITS = re.compile(r"[0-9]{1,9}")


class WireError(Exception):
    """An answer other than 200 that the standard fixes; `message` is sent byte for byte."""

    def __init__(self, status: int, message: str, retry_after: int = 0) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: the other SAE and the method."""

    sae_id: str
    method: str


def read_target(method: str, path: str) -> Target:
    """Split the raw path first, then decode each segment once (clause 5.2-5.4)."""
    segments = path.removeprefix(_PREFIX).split("/")
    if not path.startswith(_PREFIX) or len(segments) != 2 or segments[1] not in _METHODS:
        raise WireError(404, "no such resource")
    if method not in _METHODS[segments[1]]:
        raise WireError(405, "method not allowed")
    try:
        sae_id = unquote_to_bytes(segments[0]).decode("ascii")
    except UnicodeDecodeError:
        raise WireError(400, "the SAE ID is not ASCII") from None
    if not 1 <= len(sae_id) <= 64 or "%" in sae_id:
        raise WireError(400, "the SAE ID is not valid")
    return Target(sae_id, segments[1])


def read_query(query: str, known: Sequence[str]) -> dict[str, str]:
    """Query parameters; unknown, repeated and empty ones are refused."""
    values: dict[str, str] = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name not in known or name in values or not value:
            raise WireError(400, f"query parameter {name[:32]!r} is unknown, repeated or empty")
        values[name] = value
    return values


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object, strictly (RFC 8259, no duplicate names, UTF-8)."""
    try:
        value = strict_json(body)
    except ValueError:
        raise WireError(400, "the request body is not valid JSON") from None
    if not isinstance(value, dict):
        raise WireError(400, "the request body is not a JSON object")
    return value


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """Clause 6.2: how many keys of which size in bits."""

    number: int = 1
    size: int = KEY_SIZE


def read_key_request(method: str, query: str, body: bytes) -> KeyRequest:
    """Key request of Get key; raises WireError in the order: types, multiple of 8, bounds, rest."""
    if method == "GET":
        values = read_query(query, ("number", "size"))
        numbers = {name: _query_number(name, text) for name, text in values.items()}
        return _checked(numbers.get("number", 1), numbers.get("size", KEY_SIZE), {})
    if query:
        raise WireError(400, "a POST carries no query")
    members = read_json(body) if body else {}
    return _checked(_integer(members, "number", 1), _integer(members, "size", KEY_SIZE), members)


def _query_number(name: str, text: str) -> int:
    if _DIGITS.fullmatch(text) is None:
        raise WireError(400, f"{name} shall be a non-negative integer")
    return int(text)


def _integer(members: dict[str, Any], name: str, default: int) -> int:
    value = members.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise WireError(400, f"{name} shall be a non-negative integer")
    return value


def _checked(number: int, size: int, members: dict[str, Any]) -> KeyRequest:
    if size % 8:
        raise WireError(400, SIZE_NOT_BYTES)
    if not MIN_KEY_SIZE <= size <= MAX_KEY_SIZE:
        raise WireError(400, f"size shall be between {MIN_KEY_SIZE} and {MAX_KEY_SIZE}")
    if not 1 <= number <= MAX_KEY_PER_REQUEST:
        raise WireError(400, f"number shall be between 1 and {MAX_KEY_PER_REQUEST}")
    further = members.get("additional_slave_SAE_IDs")
    if further is not None and not isinstance(further, list):
        raise WireError(400, "additional_slave_SAE_IDs shall be an array of strings")
    if further:
        raise WireError(400, "additional_slave_SAE_IDs: this KME serves no multicast")
    _check_extensions(members)
    return KeyRequest(number, size)


def _check_extensions(members: dict[str, Any]) -> None:
    for name in ("extension_mandatory", "extension_optional"):
        value = members.get(name) or []
        items = [value] if isinstance(value, dict) else value
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise WireError(400, f"{name} shall be an array of objects")
        if name == "extension_mandatory" and any(items):
            raise WireError(400, MANDATORY_UNSUPPORTED)


def read_key_ids(method: str, query: str, body: bytes) -> list[str]:
    """Key IDs of Get key with key IDs (clause 6.4): objects, distinct, at most 128."""
    if method == "GET":
        values = read_query(query, ("key_ID",))
        if "key_ID" not in values:
            raise WireError(400, "key_ID is missing")
        return [_key_id(values["key_ID"])]
    if query:
        raise WireError(400, "a POST carries no query")
    items = read_json(body).get("key_IDs")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise WireError(400, "key_IDs shall be an array of objects with key_ID")
    key_ids = [_key_id(item.get("key_ID")) for item in items]
    if not 1 <= len(key_ids) <= MAX_KEY_PER_REQUEST:
        raise WireError(400, f"key_IDs shall hold 1 to {MAX_KEY_PER_REQUEST} entries")
    if len(set(key_ids)) != len(key_ids):
        raise WireError(400, "key_IDs repeats a key_ID")
    return key_ids


def _key_id(value: object) -> str:
    if not isinstance(value, str):
        raise WireError(400, "key_ID shall be a string")
    try:
        return names.key_id(value)
    except ValueError:
        raise WireError(400, "key_ID shall be a UUID") from None


def key_container(keys: Sequence[DeliveredKey]) -> dict[str, Any]:
    """Clause 6.3; simulated key says so in the container's extension."""
    container: dict[str, Any] = {
        "keys": [{"key_ID": key.key_id, "key": base64.b64encode(key.key.reveal()).decode()} for key in keys]
    }
    if any(key.simulated for key in keys):
        container["key_container_extension"] = {"qorridor_simulated": True}
    return container


def error_response(error: WireError) -> Response:
    """Clause 6.5; 401 has no body (table of clause 5)."""
    headers = {"Content-Type": "application/json"}
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        return Response(401, b"", {"WWW-Authenticate": "ClientCert"})
    return Response(error.status, json.dumps({"message": error.message}).encode(), headers)
