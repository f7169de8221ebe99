"""An encryptor as the roll-over sees it (docs/inside/roll-over.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from qorridor.base.secret import Secret


@dataclass(frozen=True, slots=True)
class InUse:
    """What the traffic really uses: an epoch, or None when the encryptor cannot tell; `evidence` says how."""

    epoch: int | None
    evidence: str


class Encryptor(Protocol):
    """Puts the key of an epoch into one real encryptor; every call is idempotent for its epoch.

    Calls raise OutsideError when the encryptor does not answer or refuses.
    """

    async def prepare(self, epoch: int, key: Secret, reason: str) -> None:
        """Stage a key; no effect on traffic."""
        ...

    async def commit(self, epoch: int, step: Literal["accept", "switch"]) -> None:
        """Accept an epoch beside its predecessor (responder), or make traffic use it (initiator)."""
        ...

    async def probe(self, epoch: int) -> InUse:
        """What traffic uses now, read from the encryptor."""
        ...

    async def running(self) -> int | None:
        """The epoch that an encryptor runs after a restart of either process."""
        ...

    async def rollback(self, epoch: int, reason: str) -> None:
        """Back to the predecessor of an epoch."""
        ...

    async def retire(self, epoch: int) -> None:
        """Remove the keys of an epoch and of all before it."""
        ...

    async def kill(self, reason: str) -> None:
        """Stop traffic; returns when a negative probe has shown it stopped."""
        ...
