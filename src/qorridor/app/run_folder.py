"""The folder of a run: one state directory per process, the address book, the sockets.

    RUN/estate.toml  run.json  addresses.json  approvers.json  policy-FLOW.json
    RUN/authority/   node-SITE/   tunnel-FLOW-SITE/   sae-NAME/   optics-LINK/   operator/   logs/
    RUN/inventory.cdx.json  assessment.json  plan.json  service/   of a demo

Processes work with RUN as current folder, so that socket paths stay short (108 bytes at most).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError
from qorridor.estate.model import Estate

BOOK = Path("addresses.json")
FACTS = Path("run.json")
MARKER = "qorridor-run"
MADE = (
    "estate.toml", "run.json", "addresses.json", "approvers.json", "policy-*.json", "authority", "node-*", "tunnel-*",
    "sae-*", "optics-*", "operator", "logs", "inventory.cdx.json", "assessment.json", "plan.json", "service",
)  # fmt: skip
"""What a run makes in its folder, and therefore may remove from it before the next."""
Address = tuple[str, int]

_NODE_PORTS = {"kme": 8443, "kme-etsi-compat": 8444, "peer": 8445, "operator": 8446, "skip": 8447,
               "skip-psk": 8448}  # fmt: skip
_LINK_PORT = 8450
_TUNNEL_PORT = 8500


def production_address(estate: Estate, name: str) -> Address:
    """Where a part listens without an address book: its site's `node` host and a port fixed by the
    estate's order. Names are `ROLE/SITE`, `link/LINK/SITE`, `tunnel/FLOW/SITE`.

    Raises OutsideError Q-KME-049 for a site without `node` and for unknown names.
    """
    role, *rest = name.split("/")
    site = estate.sites.get(rest[-1]) if rest else None
    try:
        if role in _NODE_PORTS:
            port = _NODE_PORTS[role]
        elif role == "link":
            port = _LINK_PORT + list(estate.fibres).index(rest[0])
        else:
            port = _TUNNEL_PORT + list(estate.flows).index(rest[0])
        if site is None or site.node is None:
            raise ValueError("no host")
    except (ValueError, IndexError):
        raise OutsideError(
            "Q-KME-049",
            f"the estate does not say where {name} listens",
            "give its site a `node` address",
            name,
        ) from None
    return site.node.partition(":")[0], port


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Where other parts listen: in a run by its address book, read afresh for each dial since ports
    come and go; without a book, as the estate and the fixed ports say."""

    file: Path
    estate: Estate | None = None

    def find(self, name: str) -> Address:
        """The address of a part; raises OutsideError Q-KME-049 while it is unknown."""
        if not self.file.is_file() and self.estate is not None:
            return production_address(self.estate, name)
        entries = self.entries() if self.file.is_file() else {}
        if name not in entries:
            raise OutsideError(
                "Q-KME-049",
                f"the address of {name} is not known yet",
                "start its process, or wait for it",
                name,
            )
        return split_address(entries[name])

    def entries(self) -> dict[str, str]:
        """The whole book; raises OutsideError Q-KME-070 for one that is damaged."""
        try:
            return read_addresses(self.file.read_bytes())
        except (OSError, ValueError) as error:
            raise OutsideError(
                "Q-KME-070", f"the address book of the run cannot be read: {error}",
                "a run that goes on writes it again when a part starts; otherwise start the run anew", str(self.file),
            ) from error  # fmt: skip


def read_addresses(text: bytes) -> dict[str, str]:
    """Names of parts and their `host:port`; raises ValueError for anything else."""
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("it holds no names and addresses")
    for name, address in told.items():
        split_address(address)
        if not name:
            raise ValueError("a part without a name")
    return dict(told)


def split_address(text: str) -> Address:
    """`host:port` as a pair; raises ValueError for anything else."""
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is no address")
    return host, int(port)


def merge_book(file: Path, entries: dict[str, str]) -> None:
    """Add addresses to the book; what is damaged of it begins anew with them."""
    known: dict[str, str] = {}
    if file.is_file():
        with contextlib.suppress(ValueError):
            known = read_addresses(file.read_bytes())
    write_atomically(file, json.dumps(known | entries, indent=1, sort_keys=True))


def announce(state: Path, entries: dict[str, str]) -> None:
    """Tell the supervisor that this process is ready: ready.json, then the notify socket (sd_notify)."""
    write_atomically(state / "ready.json", json.dumps({"pid": os.getpid(), "addresses": entries}))
    target = os.environ.get("NOTIFY_SOCKET")
    if target:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto(b"READY=1", "\0" + target[1:] if target.startswith("@") else target)
            except OSError:
                return  # nobody listens: ready.json says the same


def own_port(estate: Estate, state: Path, name: str, bind: str) -> int:
    """The port to listen on: on loopback the one before a restart (0, any free one, at the first
    start), else the fixed one that other sites dial."""
    if not bind.startswith("127."):
        return production_address(estate, name)[1]
    return port_before(state, name, bind)


def port_before(state: Path, name: str, bind: str) -> int:
    """The port that `name` had before a restart; 0, any free one, at the first start or when it is taken."""
    try:
        port = split_address(json.loads((state / "ready.json").read_text())["addresses"][name])[1]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
    except (OSError, ValueError, LookupError, TypeError):
        return 0
    return port


def read_ready(state: Path, pid: int) -> dict[str, str] | None:
    """The addresses that process `pid` announced; None while it has not."""
    try:
        told = json.loads((state / "ready.json").read_text())
        return dict(told["addresses"]) if told["pid"] == pid else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def find_run(folder: Path | None) -> Path:
    """The folder of a run: the one given, or the only one below ./run; raises OutsideError Q-KME-053."""
    if folder is not None and (folder / BOOK).is_file():
        return folder.resolve()
    found = [book.parent for book in Path("run").glob(f"*/{BOOK}")] if folder is None else []
    if len(found) != 1:
        cause = "no run is here" if not found else f"{len(found)} runs are here"
        raise OutsideError("Q-KME-053", cause, "start one with `qorridor run CORRIDOR`, or name it with --run",
                           str(folder or Path("run").resolve()))  # fmt: skip
    return found[0].resolve()


def check_free(folder: Path) -> None:
    """Raises OutsideError Q-KME-062 for a folder that no run may use: nothing of it is touched."""
    try:
        if folder.exists() and not folder.is_dir():
            raise _not_free("this is no folder", folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise _not_free("the folder holds something that no run has made", folder)
    except OSError as error:
        raise _not_free(
            f"the folder cannot be read: {(error.strerror or 'unknown').lower()}", folder
        ) from error


def _not_free(cause: str, folder: Path) -> OutsideError:
    return OutsideError("Q-KME-062", cause, "name an empty or new folder with --run", str(folder))


def claim(folder: Path) -> IO[str]:
    """Remove what an earlier run made in a folder; returns the lock that a second run does not get.

    Files that no run makes are kept. Raises OutsideError Q-KME-062 as `check_free` does, and for a
    folder in which a run is at work.
    """
    check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / MARKER).open("a")
    except OSError as error:
        raise _not_free(
            f"the folder cannot be used: {(error.strerror or 'unknown').lower()}", folder
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise OutsideError(
            "Q-KME-062",
            "another run works in this folder",
            "end it first, or name another folder with --run",
            str(folder),
        ) from error
    for entry in [entry for pattern in MADE for entry in folder.glob(pattern)]:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return lock
