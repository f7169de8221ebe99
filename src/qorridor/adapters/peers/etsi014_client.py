"""ETSI GS QKD 014 V1.1.1 as a client: one SAE asks one KME; a wrong answer is a defect and its keys are burnt.

POST only. Nothing is sent again by itself: an enc_keys whose answer was lost has cost its keys.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qorridor.adapters.wire import http
from qorridor.base import names
from qorridor.base.canonical import strict_json
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal
from qorridor.base.secret import Secret
from qorridor.records.keys import DeliveredKey


@dataclass(frozen=True, slots=True)
class Etsi014Client:
    """Asks the KME behind `client` for keys shared with `partner`; `where` names it in errors."""

    client: http.Client
    partner: str
    where: str

    async def enc_keys(self, number: int, size: int) -> list[DeliveredKey]:
        """`number` fresh keys of `size` bits (clause 5.3)."""
        container = await self._ask("enc_keys", {"number": number, "size": size})
        return self._read(container, number, size, None)

    async def dec_keys(self, key_ids: Sequence[str]) -> list[DeliveredKey]:
        """The keys that the partner has asked for (clause 5.4); all of one size."""
        wanted = [names.key_id(key_id) for key_id in key_ids]
        container = await self._ask("dec_keys", {"key_IDs": [{"key_ID": key_id} for key_id in wanted]})
        return self._read(container, len(wanted), None, frozenset(wanted))

    async def _ask(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        target = f"/api/v1/keys/{quote(self.partner, safe='')}/{method}"
        response = await self.client.request("POST", target, json.dumps(body).encode())
        if response.status != 200:
            raise self._refusal(response)
        try:
            value = strict_json(response.body)
        except ValueError:
            raise self._defect("its answer is no JSON") from None
        if not isinstance(value, dict):
            raise self._defect("its answer is no JSON object")
        return value

    def _refusal(self, response: http.Response) -> PolicyRefusal | KeySupplyError | OutsideError:
        if response.status == 401:
            return PolicyRefusal(
                "Q-POLICY-014", f"the KME serves no keys with {self.partner} to this certificate",
                "name the pair in may_pair_with of the estate's [sae] table", self.where,
            )  # fmt: skip
        message = _message(response.body)
        if response.status == 503:
            return KeySupplyError("Q-KEY-027", f"the KME has no key to give: {message}",
                                  "look at the stock with `qorridor keys`, then ask again", self.where)  # fmt: skip
        return OutsideError("Q-KME-056", f"the KME answers {response.status}: {message}",
                            "correct the request: size, number or key_ID", self.where)  # fmt: skip

    def _read(
        self, container: dict[str, Any], number: int, size: int | None, wanted: frozenset[str] | None
    ) -> list[DeliveredKey]:
        """All keys as asked for, or none: a container with any fault is refused and wiped."""
        extension = container.get("key_container_extension")
        simulated = isinstance(extension, dict) and extension.get("qorridor_simulated") is True
        keys: list[DeliveredKey] = []
        try:
            entries = container.get("keys")
            if not isinstance(entries, list) or len(entries) != number:
                count = len(entries) if isinstance(entries, list) else "no"
                raise ValueError(f"it gave {count} keys instead of {number}")
            keys.extend(_entry(entry, size, simulated=simulated) for entry in entries)
            found = {key.key_id for key in keys}
            if len(found) != number or (wanted is not None and found != wanted):
                raise ValueError("it gave other key_IDs than were asked for, or one twice")
        except ValueError as error:
            for key in keys:
                key.key.wipe()
            raise self._defect(str(error)) from None
        return keys

    def _defect(self, cause: str) -> OutsideError:
        return OutsideError("Q-KME-057", f"the KME breaks ETSI GS QKD 014: {cause}",
                            "use none of these keys; report it to the KME's maker", self.where)  # fmt: skip


def _entry(entry: object, size: int | None, *, simulated: bool) -> DeliveredKey:
    """One key of a container; raises ValueError without any key material."""
    if not isinstance(entry, dict) or not isinstance(text := entry.get("key"), str):
        raise ValueError("a key is missing")
    key_id = names.key_id(str(entry.get("key_ID")))
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key is no base64") from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("a key is not in canonical base64")
    if not raw or (size is not None and 8 * len(raw) != size):
        raise ValueError(f"it gave a key of {8 * len(raw)} bits")
    return DeliveredKey(key_id, Secret(raw), simulated)


def _message(body: bytes) -> str:
    try:
        value = strict_json(body)
    except ValueError:
        return "no message"
    text = value.get("message") if isinstance(value, dict) else None
    return str(text)[:200] if text else "no message"
