"""Runs the suite in this process, pressing less hard than the contract does."""

import tempfile
from dataclasses import replace
from pathlib import Path

from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.conform.bench import Settings
from qorridor.app.conform.suite import run_suite
from qorridor.prove.conformance.table import CASES
from qorridor.prove.conformance.verdicts import Profile

GENTLE = Settings(
    budget=20_000, seconds=5.0, hold=4.0, parallel=8, both_ways=12, fetches=6, at_once=20, half_sent=4, leaving=4,
    unsatisfiable={"acme_route": "moon"},
)  # fmt: skip


async def play(parties, *, cases=CASES, profile=Profile.QORRIDOR, **settings):
    """The report of a run."""
    with tempfile.TemporaryDirectory() as folder:
        return await run_suite(
            parties, replace(GENTLE, **settings), cases, profile, SystemClock(), SystemEntropy(), Path(folder)
        )


def verdicts(report, *wanted):
    """Names of the cases with one of these verdicts."""
    return {result.case.name for result in report.results if result.verdict in wanted}


def told(report):
    """What a failing test shows."""
    return [f"{r.case.name} {r.verdict}: {r.reason}" for r in report.results if r.verdict != "pass"]
