"""`qorridor prove verify`: verify the journals of a run against what lies there and what others hold.

run.json, estate, folders, held checkpoints -> sites -> per site: keys, checkpoint, records -> findings
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qorridor.adapters.stores.journal import JournalFiles
from qorridor.app.estate_file import load
from qorridor.app.run_folder import FACTS
from qorridor.base.errors import EvidenceError, OutsideError
from qorridor.prove.note import ED25519, MLDSA44, Checkpoint, VerificationKey, open_note, read_key
from qorridor.prove.verify import Verified, verify_journal

_TILE = re.compile(r"(?:entries|0)/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?")


@dataclass(slots=True)
class SiteVerdict:
    """What was verified of one site's journal, and everything that speaks against it."""

    site: str
    verified: Verified | None = None
    findings: list[EvidenceError] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """The journal was verified and nothing speaks against it."""
        return self.verified is not None and not self.findings


def sites_of(run: Path) -> list[str]:
    """Every site that must have a journal: its folder lies there, a neighbour holds something of it, or
    the run's own facts name it. Who removes a journal must not remove the question for it.

    Raises OutsideError Q-PROOF-009 where nothing names a site.
    """
    found = {path.name.removeprefix("node-") for path in run.glob("node-*") if path.is_dir()}
    for kind in ("checkpoint", "vkeys"):
        found |= {path.name.removesuffix(f".{kind}") for path in run.glob(f"node-*/checkpoints/*.{kind}")}
    found |= _named(run)
    if not found:
        raise OutsideError(
            "Q-PROOF-009", "no journal lies here, and nothing names a site that should have one",
            "give the run's folder with --run", str(run),
        )  # fmt: skip
    return sorted(found)


def _named(run: Path) -> set[str]:
    """Sites that ran: as the run noted, else those of the corridor, where its estate has one only."""
    facts, estate = run / FACTS, run / "estate.toml"
    if facts.exists():
        try:
            return {str(site) for site in json.loads(facts.read_bytes())["sites"]}
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise EvidenceError("Q-PROOF-023", f"the facts of the run cannot be read ({type(error).__name__})",
                                "they name the sites that ran: restore the file", str(facts)) from error  # fmt: skip
    if not estate.exists():
        return set()
    corridors = load(estate).corridors.values()
    return set(next(iter(corridors)).path) if len(corridors) == 1 else set()


def verify_run(run: Path, only: Sequence[str] = ()) -> list[SiteVerdict]:
    """The verdict on every site's journal, also on those after the first that fails.

    Raises OutsideError Q-PROOF-009 for a site in `only` that nothing names.
    """
    sites = sites_of(run)
    for site in only:
        if site not in sites:
            raise OutsideError("Q-PROOF-009", f"nothing in this run names the site {site}",
                               f"choose one of: {', '.join(sites)}", str(run))  # fmt: skip
    return [verify_site(run, site) for site in only or sites]


def verify_site(run: Path, site: str) -> SiteVerdict:
    """Verify one site's journal.

    The log's keys are taken from the neighbours that have pinned them, where there are any: keys that
    lie beside the log are only a convenience. A node may go on meanwhile: signed sizes are read first,
    the records that they cover afterwards.
    """
    verdict = SiteVerdict(site)
    folder = run / f"node-{site}" / "journal"
    held, pins = _held(run, verdict)
    own = _own(folder, pins, verdict)
    if not folder.is_dir():
        holders = ", ".join(
            f"{name} holds a checkpoint of {note.size} records" for name, note in held.items()
        )
        verdict.findings.insert(0, EvidenceError(
            "Q-PROOF-021", f"the journal of {site} is not there{f', although {holders}' if holders else ''}",
            "it was removed, or the site's node never ran: restore it", str(folder),
        ))  # fmt: skip
    elif own is not None:
        for name, note in [*held.items()]:
            if note.origin != own.origin:
                verdict.findings.append(
                    _unsigned(f"{name} holds a checkpoint of another log, {note.origin}", folder)
                )
                del held[name]
        _records(folder, own, held, verdict)
    return verdict


def _held(run: Path, verdict: SiteVerdict) -> tuple[dict[str, Checkpoint], dict[str, list[VerificationKey]]]:
    """The newest checkpoint of a site, and the keys of its log, that each other node of a run holds."""
    notes: dict[str, Checkpoint] = {}
    pins: dict[str, list[VerificationKey]] = {}
    for folder in sorted(run.glob("node-*/checkpoints")):
        holder = folder.parent.name.removeprefix("node-")
        note, keys = folder / f"{verdict.site}.checkpoint", folder / f"{verdict.site}.vkeys"
        if holder == verdict.site or not (note.exists() or keys.exists()):
            continue
        try:
            pins[holder] = _keys(keys)
            if note.exists():  # the keys are written first
                notes[holder] = _note(note, pins[holder])
        except EvidenceError as error:
            verdict.findings.append(error)
    return notes, pins


def _own(folder: Path, pins: dict[str, list[VerificationKey]], verdict: SiteVerdict) -> Checkpoint | None:
    """The log's own newest checkpoint, signed with the keys that its neighbours know."""
    if not folder.is_dir():
        return None
    try:
        beside = _keys(folder / "vkeys")
    except EvidenceError as error:
        verdict.findings.append(error)
        beside = []
    own = None
    for keys in [*pins.values()] or ([beside] if beside else []):
        try:
            own = _note(folder / "checkpoint", keys)
        except EvidenceError as error:
            if str(error) not in map(str, verdict.findings):
                verdict.findings.append(error)
    return own


def _records(folder: Path, own: Checkpoint, held: dict[str, Checkpoint], verdict: SiteVerdict) -> None:
    try:
        entries, hashes = JournalFiles(folder).read()
        if len(entries) != len(hashes):
            verdict.findings.append(EvidenceError(
                "Q-PROOF-022", f"the journal holds {len(entries)} records and {len(hashes)} hashes of records",
                "files of the journal were removed: restore them", str(folder / "tile"),
            ))  # fmt: skip
        verdict.verified = verify_journal(entries, hashes, own, held)
    except EvidenceError as error:
        verdict.findings.append(error)
    except OSError as error:
        verdict.findings.append(_unreadable(folder / "tile", error))
    verdict.findings += [
        EvidenceError("Q-PROOF-022", "this file is none that a journal writes",
                      "find out who put it there, and move it away", str(file))
        for file in _strangers(folder / "tile")
    ]  # fmt: skip


def _strangers(tiles: Path) -> list[Path]:
    """Files that a journal does not write; names with a dot before them are its own, half-written."""
    files = [path for path in tiles.rglob("*") if not path.is_dir() and not path.name.startswith(".")]
    return sorted(path for path in files if _TILE.fullmatch(path.relative_to(tiles).as_posix()) is None)


def _text(file: Path) -> str:
    """A small text file that is evidence; raises EvidenceError that names it."""
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise EvidenceError("Q-PROOF-023", "the file is no text", "restore it: somebody has changed it", str(file)) from None  # fmt: skip  # noqa: E501
    except FileNotFoundError:
        raise EvidenceError("Q-PROOF-005", "the file is not there", "it was removed, or the node never ran for five seconds",
                            str(file)) from None  # fmt: skip
    except OSError as error:
        raise _unreadable(file, error) from error


def _keys(file: Path) -> list[VerificationKey]:
    """The keys of a log: one of each kind, or a signature could be left out unseen."""
    try:
        keys = [read_key(line) for line in _text(file).splitlines()]
    except EvidenceError as error:
        raise _at(error, file) from error
    if sorted(key.kind for key in keys) != [ED25519, MLDSA44]:
        raise EvidenceError("Q-PROOF-002", "the file does not hold the two keys of a log, Ed25519 and ML-DSA-44",
                            "take the keys from the log's operator again", str(file))  # fmt: skip
    return keys


def _note(file: Path, keys: list[VerificationKey]) -> Checkpoint:
    try:
        return open_note(_text(file), keys)
    except EvidenceError as error:
        raise _at(error, file) from error


def _at(error: EvidenceError, file: Path) -> EvidenceError:
    return EvidenceError(error.code, error.cause, error.remedy, str(file))


def _unsigned(cause: str, place: Path) -> EvidenceError:
    return EvidenceError(
        "Q-PROOF-003", cause, "compare the neighbours' checkpoints with one another", str(place)
    )


def _unreadable(file: Path, error: OSError) -> EvidenceError:
    return EvidenceError("Q-PROOF-023", f"it cannot be read: {(error.strerror or 'unknown').lower()}",
                         "restore it, or correct its rights", str(file))  # fmt: skip
