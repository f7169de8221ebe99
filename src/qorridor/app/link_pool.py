"""The authentication pool of a link end on disk, so that a restarted end goes on with the link's own key.

    pool         what the pool was when it last changed, replaced as a whole
    pool-index   the next one-time index of each direction, appended and synced before a value is used

A start takes the larger index of the two: a crash skips values and never repeats one. An end that was restored
from a copy is told the other end's index when they meet and skips as well; both ends restored to one moment
would use values again, so the state of a link end is not to be backed up. Both files are this user's alone,
like the private key beside them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from qorridor.adapters.wire.files import write_atomically
from qorridor.base import cbor
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from qorridor.distill.authentication import Authenticator, Role

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptPool:
    """A pool from disk: its id, and whether it still rests on the exporter of TLS alone."""

    auth: Authenticator
    pool_id: bytes
    is_computational: bool


class PoolFiles:
    """Both files of one link end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pool, self._index = folder / "pool", folder / "pool-index"
        self._handle = os.open(self._index, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, direction: str, index: int) -> None:
        """Append the next index of a direction and wait for the disk."""
        line = f"\n{direction} {index}\n".encode()  # behind a line that a crash cut short, too
        if os.write(self._handle, line) != len(line):
            raise OSError(errno.ENOSPC, "the index of a one-time value could not be written whole")
        os.fsync(self._handle)

    def keep(self, auth: Authenticator, pool_id: bytes, *, is_computational: bool) -> None:
        """Replace what is kept; where that fails the next start begins a pool afresh."""
        with auth.dump() as dumped:
            data = cbor.encode([pool_id, is_computational, bytes(dumped.reveal())])
        try:
            write_atomically(self._pool, data)
        except OutsideError as error:
            _LOG.warning("the authentication pool is not kept: %s", error)
            return
        os.ftruncate(self._handle, 0)

    def forget(self) -> None:
        """Drop what is kept: another pool begins."""
        self._pool.unlink(missing_ok=True)
        os.ftruncate(self._handle, 0)

    def load(self, role: Role) -> KeptPool | None:
        """The pool that is kept, if it can be read and belongs together."""
        try:
            match cbor.decode(self._pool.read_bytes()):
                case [bytes(pool_id), bool(is_computational), bytes(dumped)]:
                    auth = Authenticator.load(Secret(dumped), role, self.note, self._used())
                    return KeptPool(auth, pool_id, is_computational)
                case _:
                    raise ValueError("it has another form")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _LOG.warning("the authentication pool on disk is not used: %s", error)
            return None

    def _used(self) -> dict[str, int]:
        used: dict[str, int] = {}
        for line in self._index.read_text().splitlines():
            direction, _, index = line.partition(" ")
            with contextlib.suppress(ValueError):  # a line that a crash cut short was not used yet
                used[direction] = max(used.get(direction, 0), int(index))
        return used

    def close(self) -> None:
        """Close the file that stays open."""
        os.close(self._handle)
