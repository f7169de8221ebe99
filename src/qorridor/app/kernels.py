"""Where the compiler keeps the compiled loops, so that they are compiled once and not at every start."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parents[1]


def keep_kernels(state: Path | None = None) -> None:
    """Call before the first loop is loaded. Compiled loops stay beside the package where it may be written
    to; else in `state`, the process's own folder, or in the user's cache; where there is none of these, in a
    folder that lasts as long as this process.

    They are code that will be run, so never in a folder that others may write to.
    """
    if _VARIABLE in os.environ or os.access(_PACKAGE, os.W_OK):
        return
    folder = state.resolve() / "kernels" if state is not None else _of_user()
    os.environ[_VARIABLE] = str(folder if folder is not None and _is_own(folder) else _of_process())


def _of_user() -> Path | None:
    home = os.environ.get("HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    if not cache:
        return None
    return Path(cache) / "qorridor/kernels" if Path(cache).is_absolute() else None


def _is_own(folder: Path) -> bool:
    """Whether nobody else may put code into `folder`, or exchange it: it and the one above are this user's."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        for one in (folder, folder.parent):
            seen = one.lstat()
            if seen.st_uid != os.geteuid() or seen.st_mode & 0o022 or not stat.S_ISDIR(seen.st_mode):
                return False
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _of_process() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="qorridor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "kernels"
