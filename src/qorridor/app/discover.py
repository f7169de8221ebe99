"""Run the scans that the estate names, and nothing else, and merge what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from qorridor.adapters.scanners.certificates import scan_folder
from qorridor.adapters.scanners.targets import Endpoint, expand
from qorridor.adapters.scanners.tls import Budget, TlsScanner
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.base.errors import EstateError, PolicyRefusal, ScanError
from qorridor.discover.merge import merge
from qorridor.estate.drivers import CertificateScan, TlsScan
from qorridor.estate.model import Estate
from qorridor.records.inventory import Inventory
from qorridor.records.observations import Coverage, Observation

Seen = Observation | Coverage
Done = Callable[[], None]


def chosen(estate: Estate, only: Sequence[str]) -> list[str]:
    """Names of the scans to run; raises EstateError for a name that the estate lacks."""
    unknown = [name for name in only if name not in estate.scans]
    if unknown:
        known = ", ".join(estate.scans) or "none"
        raise EstateError(
            "Q-ESTATE-021", f'the estate names no scan "{unknown[0]}"; it names {known}',
            "add a table [scan.NAME] or choose one of those", estate.source,
        )  # fmt: skip
    return list(only or estate.scans)


def is_open(window: str | None, minute: int) -> bool:
    """Whether a minute of the day (0..1439) lies in a window such as `22:00-05:00`; none is always open."""
    if window is None:
        return True
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in window.split("-"))
    return start <= minute < end if start <= end else minute >= start or minute < end


def check_windows(estate: Estate, names: Sequence[str], now: datetime) -> None:
    """Raises PolicyRefusal when a scan would run outside its window (local time)."""
    for name in names:
        window = estate.scans[name].window
        if not is_open(window, now.hour * 60 + now.minute):
            raise PolicyRefusal(
                "Q-POLICY-041", f'scan "{name}" may run {window}; it is {now:%H:%M}',
                "run it in its window, choose others with --only, or give --outside-window", estate.source,
            )  # fmt: skip


def scope(
    estate: Estate | None, only: Sequence[str], folder: Path | None, *, outside_window: bool
) -> list[str]:
    """Names of the scans to run now.

    Raises ScanError Q-SCAN-003 for a folder that is not there, PolicyRefusal when nothing is in scope
    (what the estate does not name is not scanned) or when a scan's window is closed.
    """
    names = chosen(estate, only) if estate else []
    if estate and not outside_window:
        check_windows(estate, names, datetime.fromtimestamp(SystemClock().now()).astimezone())
    if not names and folder is None:
        raise PolicyRefusal(
            "Q-POLICY-040", "nothing is in scope: the estate names no scan and no folder was given",
            "add a table [scan.NAME] to the estate, or name a folder: qorridor discover PATH",
        )  # fmt: skip
    if folder is not None and not folder.exists():
        raise ScanError(
            "Q-SCAN-003", "there is no such file or folder", "name one that is there: qorridor discover PATH",
            str(folder),
        )  # fmt: skip
    return names


def discover(
    estate: Estate | None,
    *,
    only: Sequence[str] = (),
    folder: Path | None = None,
    done: Done = lambda: None,
    outside_window: bool = False,
) -> Inventory:
    """The inventory of the estate's scans and of a folder named by hand; raises what `scope` raises."""
    names = scope(estate, only, folder, outside_window=outside_window)
    seen = asyncio.run(_seen(estate, names, done)) if estate else []
    if folder is not None:
        seen += _folder(folder)
    inputs = {"estate": estate.digest} if estate else {}
    return merge(
        (_labelled(one, estate) for one in seen if isinstance(one, Observation)),
        [one for one in seen if isinstance(one, Coverage)],
        at=datetime.fromtimestamp(SystemClock().now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool_version=metadata.version("qorridor"), inputs=inputs,
    )  # fmt: skip


def _folder(folder: Path) -> list[Seen]:
    if not folder.exists():
        return [Coverage("certificates", f"file:{folder}", "failed", "permission")]
    return list(scan_folder(folder))


async def _seen(estate: Estate, names: Sequence[str], done: Done) -> list[Seen]:
    seen: list[Seen] = []
    for name in names:
        scan = estate.scans[name]
        if isinstance(scan, TlsScan):
            scanner = TlsScanner(SystemEntropy(), Budget(per_second=float(scan.rate or 200.0)))
            seen += [one async for one in scanner.observe(expand(scan.targets), done)]
        elif isinstance(scan, CertificateScan):
            base = Path(estate.source).parent
            seen += [one for folder in scan.folders for one in _folder(base / folder)]
        else:
            seen += [
                Coverage(scan.scanner, target, "skipped", "unsupported-format") for target in scan.targets
            ]
    return seen


def endpoints(estate: Estate, names: Sequence[str]) -> list[Endpoint]:
    """The end points that the named scans would look at."""
    scans = [scan for name in names if isinstance(scan := estate.scans[name], TlsScan)]
    return [point for scan in scans for point in expand(scan.targets)]


def folders(estate: Estate | None, only: Sequence[str], folder: Path | None) -> list[Path]:
    """The folders of certificates that the named scans, and a call by hand, would look at."""
    scans = [estate.scans[name] for name in chosen(estate, only)] if estate else []
    base = Path(estate.source).parent if estate else Path()
    found = [base / name for scan in scans if isinstance(scan, CertificateScan) for name in scan.folders]
    return found if folder is None else [*found, folder]


def _labelled(seen: Observation, estate: Estate | None) -> Observation:
    """Owner, site and flow of what was seen, where the estate knows them; an empty field stays a finding."""
    if estate is None or not seen.locator.startswith("tls://"):
        return seen
    address = seen.locator.removeprefix("tls://")
    host = address.rsplit(":", 1)[0]
    site = next(
        (
            n
            for n, s in estate.sites.items()
            if s.node and s.node.split(":")[0] == host and host != "127.0.0.1"
        ),
        "",
    )
    flow = next((name for name in estate.flows if address in _addresses(estate, name)), "")
    owner = (estate.flows[flow].owner if flow else None) or (estate.sites[site].owner if site else None)
    return replace(seen, labels={"site": site, "flow": flow, "owner": owner or ""})


def _addresses(estate: Estate, flow: str) -> tuple[str, ...]:
    settings = estate.flows[flow].protected_by
    return tuple(getattr(settings, key) for key in ("listen", "forward") if hasattr(settings, key))
