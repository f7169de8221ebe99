"""Where the compiler keeps the compiled loops, so that they are compiled once and not at every start."""

from __future__ import annotations

import atexit
import os
import shutil
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
    folder = state.resolve() if state is not None else _of_user() or _of_process()
    os.environ[_VARIABLE] = str(folder / "kernels")


def _of_user() -> Path | None:
    home = os.environ.get("HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    if not cache:
        return None
    try:
        (folder := Path(cache) / "qorridor").mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _of_process() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="qorridor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
