"""Load, plan, hand back: the files around the stage."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from qorridor.app.documents import read_text
from qorridor.app.estate_file import load
from qorridor.estate.model import Estate
from qorridor.plan.corridors import plan
from qorridor.records.documents import Assessment, Plan, read


def plan_file(estate_path: str, assessment_path: Path | None) -> Plan:
    """The plan of an estate file; an assessment, where given, is checked and its digest kept."""
    estate = load(estate_path)
    inputs = {"estate": estate.digest}
    if assessment_path is not None:
        text = read_text(assessment_path, "qorridor assess")
        read(Assessment, text, str(assessment_path))
        inputs["assessment"] = hashlib.sha256(text.encode()).hexdigest()
    return plan(estate, tool_version=metadata.version("qorridor"), inputs=inputs)


def corridor_rates(estate: Estate) -> dict[str, float]:
    """Secret key rate of each corridor in bit/s by the link model."""
    made = plan(estate, tool_version="", inputs={}, blocks=False)
    return {name: float(corridor.secret_key_rate) for name, corridor in made.corridors.items()}
