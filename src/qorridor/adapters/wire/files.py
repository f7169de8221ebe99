"""Files that are either old or new, never half: write aside, sync, rename, sync the folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from qorridor.base.errors import OutsideError


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o600) -> None:
    """Replace `path` by `data` durably; raises OutsideError Q-KME-040 and leaves the old file."""
    raw = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(aside, path)  # noqa: PTH105 - the pair mkstemp/replace reads best in os
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise OutsideError(
            "Q-KME-040", f"cannot write {path}: {error.strerror}",
            "free space or correct the folder's rights; the old file is untouched", str(path),
        ) from error  # fmt: skip


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
