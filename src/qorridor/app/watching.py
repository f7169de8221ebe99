"""`qorridor watch`: rounds over the nodes of a run, and the Diagnosis of its links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from qorridor.app.estate_file import load
from qorridor.app.operators import Operator, Status
from qorridor.base.errors import OutsideError
from qorridor.records.documents import Diagnosis, LinkDiagnosis
from qorridor.watch.diagnosis import Verdict, diagnose, read_sample

INTERVAL = 1.0
LIMITS = (
    "Advice for people: no verdict releases a key, lifts an abort or changes a bound.",
    "An eavesdropper can imitate drift and loss; interception is not excluded by a benign cause.",
    "Causes are told apart by block counts alone: no OTDR, power monitor or detector telemetry is read.",
)

Statuses = Mapping[str, Status | None]


async def rounds(run: Path, *, once: bool = False) -> AsyncIterator[Statuses]:
    """One mapping site -> status per second; raises OutsideError Q-KME-055 when no node is known."""
    async with Operator(run) as operator:
        if not operator.sites:
            raise OutsideError("Q-KME-055", "no node of the run has said where it listens",
                               "wait until `qorridor run` has started its nodes", str(run))  # fmt: skip
        while True:
            yield await operator.statuses()
            if once:
                return
            await asyncio.sleep(INTERVAL)


def links_of(statuses: Statuses) -> dict[str, list[dict[str, Any]]]:
    """Link -> what each of its ends says."""
    found: dict[str, list[dict[str, Any]]] = {}
    for status in statuses.values():
        for link in status["links"] if status is not None else ():
            found.setdefault(str(link["link"]), []).append(link)
    return found


def verdicts(statuses: Statuses) -> list[Verdict]:
    """A verdict per link that aborts; the end that has counted the most speaks for the link."""
    found = []
    for link, ends in links_of(statuses).items():
        histories = [[read_sample(sample) for sample in end.get("samples", ())] for end in ends]
        told = max(histories, key=lambda samples: sum(sample.qber is not None for sample in samples[-3:]))
        verdict = diagnose(link, told)
        if verdict is not None:
            found.append(verdict)
    return found


def diagnosis(run: Path, statuses: Statuses, at: float) -> Diagnosis:
    """The Diagnosis document of one round; `at` in seconds since the epoch."""
    return Diagnosis(
        tool_version=metadata.version("qorridor"),
        inputs={"estate": load(run / "estate.toml").digest},
        at=datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
        links_seen=sorted(links_of(statuses)),
        findings=[
            LinkDiagnosis(
                link=verdict.link, causes=[cause.value for cause in verdict.causes],
                evidence=list(verdict.evidence), separated_by=verdict.separated_by,
                severity=verdict.severity, aborted_blocks=verdict.aborted, simulated=verdict.simulated,
            )
            for verdict in verdicts(statuses)
        ],
        silent=sorted(site for site, status in statuses.items() if status is None),
        limits=list(LIMITS),
    )  # fmt: skip
