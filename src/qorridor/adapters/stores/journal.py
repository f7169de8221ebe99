"""The journal of a node on disk: entry bundles and hash tiles (C2SP tlog-tiles), and signed checkpoints.

journal/tile/entries/000[.p/17]   u16 length + entry, 256 a file
journal/tile/0/000[.p/17]         leaf hashes
journal/checkpoint  journal/vkeys
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.prove.merkle import EMPTY_ROOT, Frontier, consistency_proof, leaf_hash, range_root, root_of
from qorridor.prove.note import Checkpoint, LogSigner, open_note, read_key

BUNDLE = 256
_LOOKS = 20
_BETWEEN_LOOKS = 0.05
_HASH = 32


def tile_name(number: int) -> str:
    """Path of a tile number: groups of three digits, all but the last with `x`."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


class JournalFiles:
    """Reads and writes bundles and level-0 tiles; a partial file is replaced by its longer successor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, kind: str, number: int, width: int) -> Path:
        name = tile_name(number)
        return self.folder / "tile" / kind / (name if width == BUNDLE else f"{name}.p/{width}")

    def write(self, number: int, entries: Sequence[bytes]) -> None:
        """Write one bundle and its tile, then drop shorter ones (entries first: order of section 4)."""
        width = len(entries)
        bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
        tile = b"".join(leaf_hash(entry) for entry in entries)
        write_atomically(self._path("entries", number, width), bundle)
        write_atomically(self._path("0", number, width), tile)
        for kind in ("0", "entries"):
            for old in self._parts(kind, number):
                if width == BUNDLE or int(old.name) < width:
                    old.unlink()

    def read(self) -> tuple[list[bytes], list[bytes]]:
        """All entries and all stored leaf hashes; raises EvidenceError Q-PROOF-007 for a broken file.

        The log's writer may be at work: a look that falls between its steps is taken again.
        """
        seen: tuple[list[bytes], list[bytes]] | None = None
        for _ in range(_LOOKS):
            with contextlib.suppress(FileNotFoundError):  # replaced by its longer successor in between
                seen = entries, hashes = self._look()
                if len(entries) == len(hashes):
                    return seen
            time.sleep(_BETWEEN_LOOKS)
        if seen is None:
            raise EvidenceError("Q-PROOF-007", "files of the journal vanish while they are read",
                                "verify a copy of the folder, or stop what removes them", str(self.folder))  # fmt: skip
        return seen

    def _look(self) -> tuple[list[bytes], list[bytes]]:
        entries: list[bytes] = []
        hashes: list[bytes] = []
        number = 0
        while (bundle := self._newest("entries", number)) is not None:
            tile = self._newest("0", number)
            entries += _split_bundle(bundle)
            data = tile.read_bytes() if tile is not None else b""
            hashes += [data[at : at + _HASH] for at in range(0, len(data), _HASH)]
            number += 1
        return entries, hashes

    def bundle(self, number: int) -> list[bytes]:
        """The entries of one whole bundle."""
        return _split_bundle(self._path("entries", number, BUNDLE))

    def _newest(self, kind: str, number: int) -> Path | None:
        whole = self._path(kind, number, BUNDLE)
        if whole.is_file():
            return whole
        if parts := self._parts(kind, number):
            return parts[-1]
        return whole if whole.is_file() else None  # it may have become whole since the first question

    def _parts(self, kind: str, number: int) -> list[Path]:
        """The partial files of a tile, shortest first; what a crash left half-written is none."""
        whole = self._path(kind, number, BUNDLE)
        parts = [path for path in whole.parent.glob(f"{whole.name}.p/*") if path.name.isdecimal()]
        return sorted(parts, key=lambda path: int(path.name))


def _split_bundle(file: Path) -> list[bytes]:
    data, entries, at = file.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        if at + 2 + size > len(data):
            raise EvidenceError(
                "Q-PROOF-007",
                "a bundle of the journal is cut short",
                "restore the journal's files",
                str(file),
            )
        entries.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


class Journal:
    """The one writer of a log: appends leaves, signs checkpoints; refuses to sign over lost records."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.files = JournalFiles(folder)
        self._folder = folder
        self._signer = _signer(folder, origin)
        self._frontier = Frontier()
        self._whole: list[bytes] = []
        """Roots of the whole bundles: from these and one bundle every proof follows."""
        self._tail: list[bytes] = []
        entries, _ = self.files.read()
        for start in range(0, len(entries), BUNDLE):
            self._extend(entries[start : start + BUNDLE])
        self._check_against_own_checkpoint(entries)
        self._signed_size = -1

    @property
    def size(self) -> int:
        """Records in the journal."""
        return self._frontier.size

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.origin

    @property
    def verification_keys(self) -> list[str]:
        """The log's public keys."""
        return self._signer.verification_keys

    def _check_against_own_checkpoint(self, entries: Sequence[bytes]) -> None:
        file = self._folder / "checkpoint"
        if not file.is_file():
            return
        signed = open_note(file.read_text(), [read_key(key) for key in self.verification_keys])
        frontier = Frontier()
        for entry in entries[: signed.size]:
            frontier.append(leaf_hash(entry))
        if len(entries) < signed.size or frontier.root() != signed.root:
            raise OutsideError(
                "Q-PROOF-001", "the journal is not the one that was signed: nothing more is signed under its name",
                "restore it forward, or begin a new journal in a new state directory", str(self._folder),
            )  # fmt: skip

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves durably, bundle by bundle; what could not be written is not counted."""
        left = list(leaves)
        while left:
            room = BUNDLE - len(self._tail)
            taken, left = left[:room], left[room:]
            tail = [*self._tail, *taken]
            self.files.write(self._frontier.size // BUNDLE, tail)
            self._extend(taken)

    def _extend(self, entries: Sequence[bytes]) -> None:
        """Count entries that fit into the bundle at the end."""
        for entry in entries:
            self._frontier.append(leaf_hash(entry))
        self._tail = [*self._tail, *entries]
        if len(self._tail) == BUNDLE:
            self._whole.append(root_of([leaf_hash(entry) for entry in self._tail]))
            self._tail = []

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` records; raises ValueError when there are fewer."""
        if not 0 <= size <= self.size:
            raise ValueError(f"the journal has {self.size} records, not {size}")
        return range_root(0, size, self._subtree) if size else EMPTY_ROOT

    def proof(self, first: int, size: int) -> list[bytes]:
        """That the log of `size` records goes on from its first `first` (RFC 6962 section 2.1.2)."""
        return consistency_proof(first, size, self._subtree)

    def _subtree(self, start: int, size: int) -> bytes:
        if size >= BUNDLE:
            return root_of(self._whole[start // BUNDLE : (start + size) // BUNDLE])
        number, first = divmod(start, BUNDLE)
        entries = self.files.bundle(number) if number < len(self._whole) else self._tail
        return root_of([leaf_hash(entry) for entry in entries[first : first + size]])

    def checkpoint(self) -> str | None:
        """Sign the present size and root and store the note; None when nothing has been added since."""
        if self._signed_size == self.size:
            return None
        note = self._signer.sign(
            Checkpoint(self._signer.origin, self.size, self._frontier.root()), int(time.time())
        )
        write_atomically(self._folder / "checkpoint", note)
        self._signed_size = self.size
        return note


def _signer(folder: Path, origin: str) -> LogSigner:
    """The log's keys, made on first use; the public halves lie in `vkeys`."""
    file = folder / "log.key"
    if not file.is_file():
        keys = (ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate())
        write_atomically(file, b"".join(_pem(key) for key in keys))
        orphan = folder / "checkpoint"  # signed by keys that are gone: evidence, but none of this log's
        if orphan.is_file():
            orphan.rename(folder / "checkpoint.orphan")
    text = file.read_bytes()
    end = text.index(b"-----END PRIVATE KEY-----\n") + len(b"-----END PRIVATE KEY-----\n")
    ed = cast("ed25519.Ed25519PrivateKey", serialization.load_pem_private_key(text[:end], None))
    ml = cast("mldsa.MLDSA44PrivateKey", serialization.load_pem_private_key(text[end:], None))
    signer = LogSigner(origin, ed, ml)
    public, text_of_keys = folder / "vkeys", "\n".join(signer.verification_keys) + "\n"
    if not public.is_file() or public.read_text() != text_of_keys:  # a full disk does not stop a start
        write_atomically(public, text_of_keys)
    return signer


def _pem(key: ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
