"""Look at this machine: what the product needs, what is there, and the command that mends the rest."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from qorridor.app.estate_file import findings_of, load
from qorridor.base.errors import EstateError

LEAST_DISK = 512 * 1024 * 1024
_TOOLS = {
    "wireguard": ("wg", "apt install wireguard-tools"),
    "strongswan": ("swanctl", "apt install strongswan-swanctl"),
}


class Check(NamedTuple):
    """One line: `ok`, `warn` or `fail`, what was looked at, and what mends it."""

    state: Literal["ok", "warn", "fail"]
    what: str
    remedy: str = ""


def examine(estate: str) -> list[Check]:
    """All checks; nothing is changed, no network is touched."""
    return [_python(), _ml_kem(), *_packages(), _disk(), *_estate(estate)]


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check(
        "ok" if good else "fail",
        f"python {platform.python_version()}",
        "" if good else "apt install python3.11",
    )


def _ml_kem() -> Check:
    version = metadata.version("cryptography")
    try:
        module = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mlkem")
        module.MLKEM768PrivateKey.generate()
    except Exception:  # noqa: BLE001 - whatever fails, ML-KEM is not there
        return Check(
            "fail",
            f"cryptography {version} has no ML-KEM-768",
            "pip install --require-hashes -r requirements.lock",
        )
    return Check("ok", f"cryptography {version} with ML-KEM-768")


def _packages() -> Iterator[Check]:
    for name in ("click", "httptools", "numpy", "pydantic", "pyOpenSSL", "rich"):
        try:
            yield Check("ok", f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Check(
                "fail", f"{name} is not installed", "pip install --require-hashes -r requirements.lock"
            )


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free // 2**20} MiB free in the working folder"
    return (
        Check("ok", text)
        if free >= LEAST_DISK
        else Check("warn", text, "free some space: a full disk stops the journal")
    )


def _estate(path: str) -> Iterator[Check]:
    if not Path(path).exists():
        yield Check("warn", f"no estate at {path}", "qorridor init")
        return
    try:
        estate = load(path)
    except EstateError as error:
        yield Check("fail", f"estate {path}: {error.cause}", "qorridor check")
        return
    yield Check("ok", f"estate {path}: {estate.organisation}")
    for finding in findings_of(estate):
        yield Check("warn", f"{finding.path}: {finding.cause}", finding.remedy)
    for flow in estate.flows.values():
        tool, remedy = _TOOLS.get(flow.protected_by.driver if flow.protected_by else "", ("", ""))
        if tool and shutil.which(tool) is None:
            yield Check("warn", f"{tool}: not found: its driver cannot install keys", remedy)
