"""What every bench has in common: named results with their conditions, and the machine that they came from."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from qorridor.base.canonical import Json

Progress = Callable[[str], None]
"""Told at each step of something long."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure: its name, value, unit, and under which conditions it holds."""

    name: str
    value: float
    unit: str
    conditions: Mapping[str, Json] = field(default_factory=dict)


def document(bench: str, results: list[Result]) -> dict[str, Json]:
    """The object that `qorridor bench … --json` prints."""
    return {"bench": bench, "machine": machine(), "results": [dict(asdict(result)) for result in results]}


def machine() -> dict[str, Json]:
    """What ran the bench: processor, cores that this process may use, versions."""
    packages = ("numpy", "numba", "cryptography", "qorridor")
    return {
        "processor": _processor(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}", "load": round(os.getloadavg()[0], 2),
        **{name: metadata.version(name) for name in packages},
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time that `work` takes in this process; never 0."""
    began = time.process_time()
    work()
    return max(1e-9, time.process_time() - began)
