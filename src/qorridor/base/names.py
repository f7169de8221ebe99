"""Names and identities: SPIFFE URIs of nodes, SAEs and link ends, key IDs, trust domains."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_KEY_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SPIFFE = re.compile(r"spiffe://([a-z0-9.-]{1,255})/(node|sae|operator|authority|link)/([a-z0-9/-]{1,128})")

Kind = Literal["node", "sae", "operator", "authority", "link"]


class Identity(NamedTuple):
    """Who a certificate speaks for (SPIFFE ID, one URI SAN): `spiffe://DOMAIN/KIND/NAME`."""

    trust_domain: str
    kind: str
    name: str

    @property
    def uri(self) -> str:
        """The SAN URI."""
        return f"spiffe://{self.trust_domain}/{self.kind}/{self.name}"

    @classmethod
    def parse(cls, uri: str) -> Identity:
        """Read a SAN URI; raises ValueError for every other form."""
        match = _SPIFFE.fullmatch(uri)
        if match is None:
            raise ValueError(f"{uri[:80]!r} is no identity of the form spiffe://DOMAIN/KIND/NAME")
        return cls(*match.groups())


def trust_domain(organisation: str) -> str:
    """The trust domain of an organisation: its name in lower case with hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", organisation.lower()).strip("-") or "organisation"


def key_id(text: str) -> str:
    """A key_ID in lower case; raises ValueError unless it is a 36-character hyphenated UUID."""
    if _KEY_ID.fullmatch(text) is None:
        raise ValueError("a key_ID is a 36-character hyphenated UUID")
    return text.lower()


def key_id_bytes(text: str) -> bytes:
    """The 16 bytes of a key_ID."""
    return bytes.fromhex(key_id(text).replace("-", ""))


def key_id_text(data: bytes) -> str:
    """UUIDv4-shaped text of 16 bytes: version and variant bits are set (RFC 9562 section 5.4)."""
    shaped = bytearray(data[:16])
    shaped[6] = shaped[6] & 0x0F | 0x40
    shaped[8] = shaped[8] & 0x3F | 0x80
    text = shaped.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
