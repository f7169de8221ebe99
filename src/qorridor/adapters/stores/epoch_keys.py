"""The key of the epoch: wrapped by the root key in a file of its own, it seals what the database keeps.

    root key -> key of the epoch -> key of a block -> pages;   key of the epoch -> held keys, roll outputs

The file is overwritten and removed when its epoch is over. What older sectors, journals or copies of the
database still hold opens with no key that is left then; where the medium keeps old sectors of this small
file too (flash does), the root key belongs into hardware.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from qorridor.adapters.stores.sealing import Sealer
from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError
from qorridor.ports.world import Clock

EPOCH_SECONDS = 86400.0
PREFIX = 4
"""Bytes before each sealed value that number its epoch."""
_NAME = re.compile(r"[0-9]{8}")


class EpochKeys:
    """Seals under the newest epoch's key and opens under any that is left; same calls as a `Sealer`."""

    def __init__(self, folder: Path, root: Sealer, clock: Clock, used: set[int]) -> None:
        """`used`: epochs under which something lies in the database. Raises OutsideError Q-KEY-040 for a key
        file that the root key does not open, Q-KEY-043 for one that cannot be read."""
        self._folder, self._root, self._clock = folder, root, clock
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sealers: dict[int, Sealer] = {}
        self._born = 0.0
        for number in sorted(int(file.name) for file in folder.iterdir() if _NAME.fullmatch(file.name)):
            self._load(number)
        self.missing = used - self._sealers.keys()
        """Epochs of the database whose keys are gone: it is an old copy, or they were not restored with it."""
        if not self._sealers or self.missing:
            self.begin()

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return max(self._sealers)

    @property
    def is_over(self) -> bool:
        """Whether the newest epoch has lasted a day."""
        return self._clock.now() - self._born >= EPOCH_SECONDS

    def begin(self) -> None:
        """Make the key of the next epoch, durably; the older ones still open."""
        number = max(self._sealers.keys() | self.missing, default=0) + 1
        born = int(self._clock.now())
        sealed = self._root.seal(born.to_bytes(8, "big") + os.urandom(32), f"epoch/{number}")
        write_atomically(self._file(number), sealed)
        self._load(number)

    def end_all_but(self, used: set[int]) -> None:
        """Destroy the keys of older epochs that seal nothing any more."""
        for number in self._sealers.keys() - used - {self.epoch}:
            _destroy(self._file(number))
            del self._sealers[number]

    def seal(self, plain: bytes | bytearray | memoryview, place: str) -> bytes:
        """Number of the epoch, nonce and ciphertext of `plain`, valid only at `place`."""
        return self.epoch.to_bytes(PREFIX, "big") + self._sealers[self.epoch].seal(plain, place)

    def open(self, sealed: bytes, place: str) -> bytearray:
        """The plaintext; raises OutsideError Q-KEY-040 when it is not what was sealed at `place`, or its
        epoch's key is gone."""
        number = int.from_bytes(sealed[:PREFIX], "big")
        sealer = self._sealers.get(number)
        if sealer is None:
            raise OutsideError(
                "Q-KEY-040", f"the key of epoch {number}, under which a stored key lies, is gone: the store is an "
                "old copy or its files were mixed", "begin a new store: keys are made anew", str(self._folder),
            )  # fmt: skip
        return sealer.open(sealed[PREFIX:], place)

    def again(self, sealed: bytes, place: str) -> bytes:
        """The same value under the newest epoch's key."""
        plain = self.open(sealed, place)
        fresh = self.seal(plain, place)
        plain[:] = bytes(len(plain))
        return fresh

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:08}"

    def _load(self, number: int) -> None:
        try:
            sealed = self._file(number).read_bytes()
        except OSError as error:
            raise OutsideError(
                "Q-KEY-043", f"the key of an epoch cannot be read: {error.strerror}", "correct the file's rights",
                str(self._file(number)),
            ) from error  # fmt: skip
        if not any(sealed):  # a destruction that was not finished
            self._file(number).unlink()
            return
        plain = self._opened(sealed, number)
        self._born = float(int.from_bytes(plain[:8], "big"))
        self._sealers[number] = Sealer(plain[8:])
        plain[:] = bytes(len(plain))

    def _opened(self, sealed: bytes, number: int) -> bytearray:
        try:
            return self._root.open(sealed, f"epoch/{number}")
        except OutsideError as error:
            raise OutsideError(
                error.code, "the key of an epoch does not open: it or the root key was changed",
                "restore the root key that belongs to this store, or begin a new one: move keys.db*, epochs/ and "
                "incarnation away", str(self._file(number)),
            ) from error  # fmt: skip


def epochs_used(database: sqlite3.Connection) -> set[int]:
    """Epochs under whose keys something in the database lies."""
    rows: list[bytes] = []
    for column, table in (("dek", "block"), ("material", "key"), ("sealed", "roll")):
        found = database.execute(
            f"SELECT DISTINCT substr({column}, 1, {PREFIX}) FROM {table} WHERE {column} IS NOT NULL"
        )
        rows += [row[0] for row in found]
    return {int.from_bytes(row, "big") for row in rows}


def _destroy(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(bytes(file.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())
    file.unlink()
