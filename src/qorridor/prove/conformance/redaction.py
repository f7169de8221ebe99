"""Evidence without key bytes: every `key` value and whatever looks like one becomes a keyed digest.

The digest is HMAC-SHA256 under a key of this run that is never written down: it tells the keys of one report
apart and cannot be used to test a guess.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{22,}={0,2}(?![A-Za-z0-9+/_=-])")
"""22 characters of base64 carry 128 bits; a UUID is let through."""
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_MEMBER = re.compile(r'("key"\s*:\s*")([^"]*)', re.IGNORECASE)
_WORDS = frozenset({"additional_slave_SAE_IDs", "key_container_extension"})
"""Names of the standard that are as long as a key."""
_SHOWN = 2000


class Redactor:
    """Remembers the digests of the key values it has seen, so that an echo of one is found in any place."""

    def __init__(self, run_key: bytes) -> None:
        self._run_key = run_key
        self._known: set[str] = set()

    def digest(self, value: bytes) -> str:
        """Sixteen hexadecimal digits that stand for a key value in this report."""
        return hmac.digest(self._run_key, value, hashlib.sha256).hex()[:16]

    def learn(self, text: str) -> str:
        """What stands for the key value `text`, which from now on is known."""
        found = self.digest(text.encode("utf-8", "surrogatepass"))
        self._known.add(found)
        with contextlib.suppress(ValueError):
            raw = base64.b64decode(text)
            if len(raw) >= 8:
                self._known.add(self.digest(raw.hex().encode()))
        return f"HMAC:{found}"

    def knows(self, data: bytes) -> bool:
        """Whether a key value that was seen before stands somewhere in `data`."""
        tokens = _TOKEN.findall(data.decode("utf-8", "replace").replace("\\/", "/"))
        return any(self.digest(token.encode()) in self._known for token in tokens)

    def body(self, data: bytes, *, trusted: bool = False) -> str:
        """A message body as it may be shown; in a `trusted` one (Status) identifiers may be long."""
        text = data.decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._text(_MEMBER.sub(lambda found: found[1] + self.learn(found[2]), text))
        if not isinstance(value, dict | list):
            return self._text(text)
        shown = json.dumps(self._value(value, trusted=trusted), ensure_ascii=False)
        return _shortened(shown)

    def head(self, text: str) -> str:
        """A request or status line with its headers: only values that are known are taken out."""
        return _shortened(_TOKEN.sub(self._if_known, text))

    def message(self, text: str) -> str:
        """The whole message of an Error as it may be shown; it is redacted before anybody shortens it."""
        return self._string(text, trusted=False)

    def reason(self, text: str) -> str:
        """Words of our own about an answer: keys that were seen are taken out."""
        return _TOKEN.sub(self._if_known, text)

    def _value(self, value: Any, *, trusted: bool) -> Any:
        match value:
            case dict():
                return {
                    self._string(str(name), trusted=trusted): self._secret(item)
                    if str(name).lower() == "key"
                    else self._value(item, trusted=trusted)
                    for name, item in value.items()
                }
            case list():
                return [self._value(item, trusted=trusted) for item in value]
            case str():
                return self._string(value, trusted=trusted)
        return value

    def _secret(self, value: Any) -> str:
        return self.learn(value if isinstance(value, str) else json.dumps(value))

    def _string(self, text: str, *, trusted: bool) -> str:
        shown = _TOKEN.sub(self._if_known, text)
        return shown if trusted else _RUN.sub(self._unless_uuid, shown)

    def _text(self, text: str) -> str:
        return _shortened(self._string(text, trusted=False))

    def _if_known(self, found: re.Match[str]) -> str:
        candidate = self.digest(found[0].encode())
        return f"HMAC:{candidate}" if candidate in self._known else found[0]

    def _unless_uuid(self, found: re.Match[str]) -> str:
        is_plain = _UUID.fullmatch(found[0]) is not None or found[0] in _WORDS
        return found[0] if is_plain else f"HMAC:{self.digest(found[0].encode())}"


def _shortened(text: str) -> str:
    rest = len(text) - _SHOWN
    return text if rest <= 0 else f"{text[:_SHOWN]} … {rest} more characters"
