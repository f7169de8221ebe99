"""Key bytes that cannot be printed, copied, pickled or compared by accident."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn


class Secret:
    """Bytes that show only their size; wiped on request (best effort in Python: copies made by
    libraries cannot be reached, see docs/inside/security.md).

    Equality is constant-time and only with another Secret; `reveal` gives a read-only view.
    """

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._bytes = bytearray(data)

    def reveal(self) -> memoryview:
        """The bytes, read-only; valid until `wipe`."""
        return memoryview(self._bytes).toreadonly()

    def wipe(self) -> None:
        """Overwrite the bytes with zeros and forget them."""
        for index in range(len(self._bytes)):
            self._bytes[index] = 0
        self._bytes = bytearray()

    def __enter__(self) -> Secret:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._bytes)

    def __repr__(self) -> str:
        return f"Secret({len(self._bytes)} bytes)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes, other.reveal())

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is a leak

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError("a Secret is not copied, pickled or turned into bytes; use reveal()")

    __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = __bytes__ = __iter__ = _refuse
    __getstate__ = _refuse
