"""Secure Key Integration Protocol of draft-cisco-skip-02 on the wire: paths, queries, answers, codes.

Only this module knows the draft's spelling. Later drafts get modules of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from qorridor.adapters.wire.http import Response
from qorridor.records.keys import DeliveredKey

KEY_BITS = 256
LEAST_KEY_BITS, MOST_KEY_BITS = 64, 1024
ENTROPY_BITS = 256
MOST_ENTROPY_BITS = 4096

_KEY_ID = re.compile(r"[0-9a-fA-F]{32}")
_DIGITS = re.compile(r"[0-9]{1,6}")


class WireError(Exception):
    """An answer other than 200; `retry_after` in seconds, 0 for none."""

    def __init__(self, status: int, message: str, retry_after: int = 0) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks for: `capabilities`, `key` or `entropy`; sizes in bits."""

    name: str
    remote: str = ""
    key_id: str = ""
    """The key_ID of ETSI GS QKD 014 (a UUID) when a key is collected; empty for a fresh one."""
    bits: int = 0


def read_call(method: str, path: str, query: str) -> Call:
    """The call of a raw path and query; raises WireError 404 for the path, then 405, then 400."""
    name, _, key_id = path.removeprefix("/").partition("/")
    known = path in {"/capabilities", "/key", "/entropy"} or (name == "key" and key_id and "/" not in key_id)
    if not known or not path.startswith("/"):
        raise WireError(404, "no such resource")
    if method != "GET":
        raise WireError(405, "method not allowed")
    if name == "capabilities":
        _query(query, ())
        return Call(name)
    if name == "entropy":
        values = _query(query, ("minentropy",))
        return Call(name, bits=_bits(values.get("minentropy"), ENTROPY_BITS, 8, MOST_ENTROPY_BITS))
    return _key_call(key_id, query)


def _key_call(key_id: str, query: str) -> Call:
    values = _query(query, ("remoteSystemID",) if key_id else ("remoteSystemID", "size"))
    if "remoteSystemID" not in values:
        raise WireError(400, "remoteSystemID is missing")
    if not key_id:
        bits = _bits(values.get("size"), KEY_BITS, LEAST_KEY_BITS, MOST_KEY_BITS)
        return Call("key", values["remoteSystemID"], bits=bits)
    if _KEY_ID.fullmatch(key_id) is None:
        raise WireError(400, "a keyId is 32 hexadecimal digits")
    text = key_id.lower()
    hyphened = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return Call("key", values["remoteSystemID"], hyphened)


def _query(query: str, known: Sequence[str]) -> dict[str, str]:
    """Query parameters, decoded once; unknown, repeated and empty ones are refused."""
    values: dict[str, str] = {}
    for part in query.split("&") if query else []:
        name, _, raw = part.partition("=")
        try:
            value = unquote_to_bytes(raw).decode("ascii")
        except UnicodeError:
            value = ""
        if name not in known or name in values or not value or len(value) > 64:
            raise WireError(400, "a query parameter is unknown, repeated, empty or too long")
        values[name] = value
    return values


def _bits(text: str | None, default: int, least: int, most: int) -> int:
    if text is None:
        return default
    bits = int(text) if _DIGITS.fullmatch(text) else -1
    if not least <= bits <= most or bits % 8:
        raise WireError(400, f"a size shall be {least} to {most} bits in steps of 8")
    return bits


def capabilities(local: str, remotes: Sequence[str], algorithm: str) -> dict[str, Any]:
    """Answer of /capabilities. `remotes` are exact names without glob characters, so each is a glob that
    matches itself alone."""
    return {
        "entropy": True, "key": True, "algorithm": algorithm, "localSystemID": local,
        "remoteSystemID": sorted(remotes),
    }  # fmt: skip


def key_answer(key: DeliveredKey) -> dict[str, Any]:
    """Answer of /key and /key/{keyId}: lower-case hexadecimal digits."""
    return {"keyId": key.key_id.replace("-", ""), "key": key.key.reveal().hex()}


def entropy_answer(data: bytes) -> dict[str, Any]:
    """Answer of /entropy; `minentropy` in bits."""
    return {"randomStr": data.hex(), "minentropy": len(data) * 8}


def response(answer: dict[str, Any]) -> Response:
    """200; no cache may keep it."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(200, json.dumps(answer).encode(), headers)


def error_response(error: WireError) -> Response:
    """The draft fixes the code alone; the message is for people."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if error.status == 405:
        headers["Allow"] = "GET"
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    return Response(error.status, json.dumps({"message": error.message}).encode(), headers)
