"""What is right in an estate but not there yet: drivers that this version lacks, files, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qorridor.estate.drivers import CertificateScan, Driver, MemoryStore, StreamLink, VendorLink
from qorridor.estate.model import Estate


@dataclass(frozen=True, order=True)
class Finding:
    """Something to know; it never changes an exit code."""

    line: int
    path: str
    code: str
    cause: str
    remedy: str


def drivers(estate: Estate) -> Iterator[tuple[tuple[str, ...], str, Driver]]:
    """Path, name and settings of each driver that the estate names."""
    for name, scan in estate.scans.items():
        yield ("scan", name), scan.scanner, scan
    for name, flow in estate.flows.items():
        if flow.protected_by is not None:
            yield ("flow", name, "protected_by"), flow.protected_by.driver, flow.protected_by
    for name, corridor in estate.corridors.items():
        for link, settings in corridor.links.items():
            yield ("corridor", name, "link", link), settings.driver, settings
    for name, sink in estate.sinks.items():
        yield ("sink", name), sink.driver, sink
    if estate.store is not None:
        yield ("store", "keys"), estate.store.keys.driver, estate.store.keys


def missing_drivers(estate: Estate) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and name of each driver that this version knows but does not bring."""
    return ((path, name) for path, name, settings in drivers(estate) if not settings.available)


def _files(estate: Estate) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and file name of each file that must be there."""
    for name, sae in estate.saes.items():
        if sae.certificate:
            yield ("sae", name), sae.certificate
    for path, _, settings in drivers(estate):
        if isinstance(settings, VendorLink | StreamLink):
            yield path, settings.ca
            if settings.certificate:
                yield path, settings.certificate
        if isinstance(settings, CertificateScan):
            yield from ((path, folder) for folder in settings.folders)


def _gaps(estate: Estate) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Places that the estate leaves open and a production run will need."""
    for name, corridor in estate.corridors.items():
        for site in corridor.path:
            if estate.sites[site].node is None:
                yield (
                    ("site", site),
                    "Q-ESTATE-012",
                    f'site "{site}" on corridor "{name}" names no node',
                    (f'add node = "node.{site}.example" before production'),
                )
    for name, sae in estate.saes.items():
        for other in sae.may_pair_with:
            if name not in estate.saes[other].may_pair_with:
                yield (
                    ("sae", name),
                    "Q-ESTATE-013",
                    f'"{other}" does not name "{name}" back, so the pair is refused',
                    (f'add "{name}" to may_pair_with of "{other}"'),
                )
    keys = estate.store.keys if estate.store else None
    if keys is not None and not isinstance(keys, MemoryStore) and not keys.root_key.startswith("file:"):
        scheme = keys.root_key.partition(":")[0]
        yield (
            ("store", "keys"),
            "Q-ESTATE-010",
            f'a root key from "{scheme}" is not part of this version',
            ('write root_key = "file:root.key" meanwhile'),
        )


def findings(estate: Estate, exists: Callable[[str], bool]) -> list[Finding]:
    """All findings by line; `exists` tells whether a file named in the estate is there."""
    found = [
        Finding(
            estate.line(*path), ".".join(path), "Q-ESTATE-010",
            f'driver "{name}" is not part of this version', "`qorridor plugins` shows what is",
        )
        for path, name in missing_drivers(estate)
    ]  # fmt: skip
    found += [
        Finding(
            estate.line(*path),
            ".".join(path),
            "Q-ESTATE-011",
            f'"{file}" is not there yet',
            f"put the file at {file}",
        )
        for path, file in _files(estate)
        if not exists(file)
    ]
    found += [Finding(estate.line(*path), ".".join(path), *words) for path, *words in _gaps(estate)]
    return sorted(found)
