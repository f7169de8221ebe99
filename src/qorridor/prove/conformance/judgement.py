"""What an answer of a KME must look like: Status, Key container, Error of ETSI GS QKD 014 V1.1.1, and key values."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from qorridor.base.canonical import strict_json
from qorridor.base.secret import Secret

SIZE_NOT_BYTES = "size shall be a multiple of 8"
MANDATORY_UNSUPPORTED = "not all extension_mandatory parameters are supported"
MANDATORY_NOT_MET = "not all extension_mandatory request options could be met"
OPTIONAL_NOT_HANDLED = "not all extension_optional request options handled"
KEYS_NOT_FOUND = "one or more keys specified are not found on KME"

TEXTS = ("source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID")
NUMBERS = ("key_size", "stored_key_count", "max_key_count", "max_key_per_request", "max_key_size", "min_key_size",
           "max_SAE_ID_count")  # fmt: skip
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRACE = re.compile(r"Traceback \(most recent|\bat [\w.$]+\([\w.]+:\d+\)|goroutine \d+ \[|thread '[^']*' panicked|"
                    r'File "[^"]+", line \d+')  # fmt: skip
PREFIX_BYTES = 8
ENOUGH_BITS = 100_000
SIGMAS = 5.0


def json_object(body: bytes) -> dict[str, Any] | None:
    """The object in a body, or None for everything else."""
    try:
        value = strict_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def status_faults(told: dict[str, Any]) -> list[str]:
    """What is missing or of another type in a Status (clause 6.1)."""
    faults = [f"{name} is no string" for name in TEXTS if not isinstance(told.get(name), str)]
    faults += [f"{name} is no integer" for name in NUMBERS if type(told.get(name)) is not int]
    extension = told.get("status_extension", {})
    return faults if isinstance(extension, dict) else [*faults, "status_extension is no object"]


def completed(told: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A Status whose missing numbers are assumed as narrowly as may be, and which ones were."""
    size = told.get("key_size") if type(told.get("key_size")) is int else 256
    narrow = {"key_size": size, "min_key_size": size, "max_key_size": size, "max_key_per_request": 1,
              "max_SAE_ID_count": 0, "max_key_count": 0}  # fmt: skip
    assumed = [name for name in narrow if type(told.get(name)) is not int]
    return told | {name: narrow[name] for name in assumed}, assumed


def value_faults(told: dict[str, Any], master: str, slave: str) -> list[str]:
    """What does not fit together in a Status that has all members (clause 6.1)."""
    checks = {
        f"master_SAE_ID is not the caller {master}": told["master_SAE_ID"] == master,
        f"slave_SAE_ID is not {slave} of the path": told["slave_SAE_ID"] == slave,
        "not min_key_size <= key_size <= max_key_size": told["min_key_size"]
        <= told["key_size"]
        <= told["max_key_size"],
        "min_key_size is not positive": told["min_key_size"] > 0,
        "max_key_per_request is below 1": told["max_key_per_request"] >= 1,
        "stored_key_count is not within 0 and max_key_count": 0
        <= told["stored_key_count"]
        <= told["max_key_count"],
        "max_SAE_ID_count is negative": told["max_SAE_ID_count"] >= 0,
    }
    return [fault for fault, holds in checks.items() if not holds]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a container."""

    key_id: str
    key: Secret

    @property
    def bits(self) -> int:
        """Its size."""
        return 8 * len(self.key)


def container(body: bytes) -> list[Key]:
    """The keys of a Key container (clause 6.3); raises ValueError, without key bytes, for what is none."""
    told = json_object(body)
    entries = told.get("keys") if told is not None else None
    if not isinstance(entries, list):
        raise ValueError("the answer is no Key container")
    return [_key(entry) for entry in entries]


def _key(entry: object) -> Key:
    if not isinstance(entry, dict) or not isinstance(entry.get("key_ID"), str):
        raise ValueError("an entry of keys has no key_ID")
    text = entry.get("key")
    if not isinstance(text, str):
        raise ValueError("an entry of keys has no key")
    return Key(entry["key_ID"], Secret(_decoded(text)))


def _decoded(text: str) -> bytes:
    """Leniently: C61a judges the form, the other cases the key."""
    try:
        plain = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key is no base64") from None


def error_faults(status: int, content_type: str, body: bytes) -> list[str]:
    """What is wrong with a refusal of status 400 or 503 (clause 6.5)."""
    if _TRACE.search(body.decode("utf-8", "replace")):
        return [f"{status} shows a stack trace"]
    told = json_object(body)
    if told is None:
        kind = content_type.partition(";")[0] or "nothing"
        return [f"{status} carries no JSON object but {kind}"]
    faults = []
    if not isinstance(told.get("message"), str):
        faults.append(f"{status} has no message that is a string")
    details = told.get("details")
    is_list = isinstance(details, list) and all(isinstance(item, dict) for item in details)
    if details is not None and not is_list:
        faults.append(f"details of {status} is no array of objects")
    return faults


def message_of(body: bytes) -> str:
    """The message of an Error, or nothing."""
    text = (json_object(body) or {}).get("message")
    return text if isinstance(text, str) else ""


@dataclass(slots=True)
class Ledger:
    """What is known of all keys of a run without keeping any: digests, counts, faults of form."""

    digest: Callable[[bytes], str]
    """A keyed digest."""
    bits: int = 0
    ones: int = 0
    keys: int = 0
    faults: list[str] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _prefixes: dict[str, str] = field(default_factory=dict)

    def note(self, body: bytes) -> None:
        """Take in the keys of a Get key answer."""
        for entry in (json_object(body) or {}).get("keys") or []:
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                self._note(str(entry.get("key_ID")), entry["key"])

    def _note(self, key_id: str, text: str) -> None:
        self.keys += 1
        if _UUID.fullmatch(key_id) is None:
            self.faults.append(f"key_ID {key_id[:48]!r} is no UUID")
        try:
            raw = _decoded(text)
        except ValueError as error:
            self.faults.append(f"{error}: key_ID {key_id[:48]}")
            return
        if base64.b64encode(raw).decode() != text:
            self.faults.append(f"the key of {key_id[:48]} is not in canonical base64 with padding")
        self.bits += 8 * len(raw)
        self.ones += int.from_bytes(raw, "big").bit_count()
        self._clash(self._ids, key_id.lower(), key_id, "key_ID given twice")
        self._clash(self._values, self.digest(raw), key_id, "one key value under two key_IDs")
        if len(raw) >= PREFIX_BYTES:
            self._clash(
                self._prefixes, self.digest(b"prefix" + raw[:PREFIX_BYTES]), key_id, "64 bits in common"
            )

    def _clash(self, seen: dict[str, str], value: str, key_id: str, words: str) -> None:
        if value in seen:
            self.clashes.append(f"{words}: {seen[value]} and {key_id}")
        seen[value] = key_id

    @property
    def deviation(self) -> float:
        """How far the number of ones is from half, in standard deviations of fair bits."""
        return abs(self.ones - self.bits / 2) / math.sqrt(self.bits / 4) if self.bits else 0.0


def tail_is_zero(key: Secret, size: int) -> bool:
    """Whether the bits beyond `size` in the last byte are zero (padding on the right)."""
    return key.reveal()[-1] & ((1 << (8 * len(key) - size)) - 1) == 0


def same_keys(given: Sequence[Key], fetched: Sequence[Key]) -> str:
    """What differs between keys as given and as fetched, in any order; empty when nothing does."""
    by_id = {key.key_id.lower(): key.key for key in fetched}
    if len(fetched) != len(given) or set(by_id) != {key.key_id.lower() for key in given}:
        return f"{len(given)} keys were asked for, {len(fetched)} came, or other IDs"
    wrong = [key.key_id for key in given if by_id[key.key_id.lower()] != key.key]
    return f"the key of {wrong[0]} differs between the two ends" if wrong else ""
