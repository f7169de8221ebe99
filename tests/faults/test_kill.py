"""Kill -9 of any process in mid-run: it comes back on its state and no key is released twice."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from qorridor.app import examples
from qorridor.app.demo_estate import demo_estate
from qorridor.app.supervisor import Supervisor
from tests.support.runs import (
    check_releases,
    logs_of,
    processes_of,
    recorded,
    recorder_in,
    secrets_in,
    short_folder,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run"), pytest.mark.timeout(1500)]

PATIENCE = 400


async def corridor_of(run):
    status = await run.status("london")
    return status["corridors"][0] if status and status["corridors"] else None


async def settle(run, *, more_rolls):
    """Wait until the corridor is HYBRID and has rolled `more_rolls` epochs beyond now."""
    start, now = None, None
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        now = await corridor_of(run)
        if now is not None and now["state"] == "HYBRID" and now["epoch"] > 0:
            start = now["epoch"] if start is None else start
            if now["epoch"] >= start + more_rolls:
                return
        await asyncio.sleep(0.3)
    pytest.fail(f"the corridor does not come back after {PATIENCE} s: {now}\n{logs_of(run.folder)}")


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry))
    return found


@pytest.mark.requirement("A-29")
def test_any_process_may_be_killed_in_mid_run(monkeypatch):
    with short_folder() as folder:
        keys, environment = recorder_in(folder)
        monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
        text = demo_estate(examples.text("meridian"), "127.0.0.1:1", str(folder), "127.0.0.1:9")
        told = []

        async def body():
            async with Supervisor(folder / "run", text, "thames", told.append) as run:
                await settle(run, more_rolls=2)
                victims = ["tunnel core-replication london", "tunnel core-replication slough", "optics hayes-slough",
                           "node hayes", "node slough", "node london", "authority"]  # fmt: skip
                for victim in victims:
                    os.kill(run.parts[victim].child.pid, signal.SIGKILL)
                    await settle(run, more_rolls=2)
                link_end = children_of(run.parts["node hayes"].child.pid)[0]
                os.kill(link_end, signal.SIGKILL)
                await settle(run, more_rolls=1)
                return [await run.status(site) for site in ("london", "hayes", "slough")]

        statuses = asyncio.run(body())
        assert processes_of(folder / "run") == []
        notes = recorded(keys)
        assert check_releases(notes) > 10
        assert secrets_in(folder / "run", notes) == []
        for status in statuses:
            counts = status["keys"]
            assert counts["ingested"] == sum(counts[name] for name in counts if name != "ingested")
        assert sum("started again" in line for line in told) == 7
        assert json.dumps(statuses)
