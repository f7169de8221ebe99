"""The listeners of a node for SKIP: one with certificates, one with pre-shared keys, each where it is needed."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from qorridor.adapters.wire import contexts
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from qorridor.run.registry import SaeEntry

FOLDER = "skip-psk"
"""Below the node's state: one file per SAE, named as the SAE."""
_LEAST, _MOST = 32, 64


def skip_contexts(
    saes: Mapping[str, SaeEntry], site: str, state: Path, credentials: contexts.Credentials, trust: Path
) -> list[tuple[str, contexts.Context]]:
    """Names and contexts of the listeners that the SAEs of `site` need: none without one that speaks SKIP.

    Raises OutsideError Q-KME-090 for a pre-shared key that cannot be used.
    """
    speakers = [entry for entry in saes.values() if entry.site == site and entry.speaks == "skip"]
    if not speakers:
        return []
    wanted = [("skip", contexts.mutual_server(credentials, trust))]
    keys = read_psks(state / FOLDER, speakers)
    if keys:
        wanted.append(("skip-psk", psk_context(keys)))
    return wanted


def psk_context(keys: Mapping[str, Secret]) -> contexts.Context:
    """A server for the pre-shared keys by identity; it holds no certificate to fall back to."""

    def lookup(identity: str) -> memoryview | None:
        key = keys.get(identity)
        return None if key is None else key.reveal()

    return contexts.psk_server(lookup)


def read_psks(folder: Path, speakers: Iterable[SaeEntry]) -> dict[str, Secret]:
    """Pre-shared keys by identity, which is the SAE's localSystemID; SAEs without a file have none.

    Raises OutsideError Q-KME-090 for a file that others may read or that holds no key.
    """
    keys = {}
    for entry in speakers:
        file = folder / entry.sae_id
        if file.exists():
            keys[entry.system] = _psk(file)
    return keys


def _psk(file: Path) -> Secret:
    """32 to 64 bytes as hexadecimal digits; no message ever shows what the file holds."""
    try:
        mode, text = file.stat().st_mode, file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise _unusable(file, "cannot be read as text") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise _unusable(file, "can be read by others")
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if not _LEAST <= len(data) <= _MOST:
        raise _unusable(file, "holds no 64 to 128 hexadecimal digits")
    return Secret(data)


def _unusable(file: Path, cause: str) -> OutsideError:
    return OutsideError("Q-KME-090", f"the file of a pre-shared key {cause}",
                        "write 64 random hexadecimal digits into it and set its mode to 0600", str(file))  # fmt: skip
