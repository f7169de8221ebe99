"""Load, assess, hand back: the files around the stage."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

from qorridor.adapters.wire.system import SystemClock
from qorridor.app.documents import read_text
from qorridor.app.estate_file import load
from qorridor.app.plan import corridor_rates
from qorridor.assess.flows import assess
from qorridor.records import cyclonedx
from qorridor.records.documents import Assessment


def today() -> date:
    """The day in UTC."""
    return datetime.fromtimestamp(SystemClock().now(), UTC).date()


def assess_file(estate_path: str, inventory_path: Path | None, as_of: date | None = None) -> Assessment:
    """The assessment of an estate file with an inventory file; both may come from elsewhere."""
    estate = load(estate_path)
    inputs, inventory = {"estate": estate.digest}, None
    if inventory_path is not None:
        text = read_text(inventory_path, "qorridor discover")
        inventory = cyclonedx.read(text, str(inventory_path))
        inputs["inventory"] = hashlib.sha256(text.encode()).hexdigest()
    return assess(
        estate, inventory, as_of=as_of or today(), rates=corridor_rates(estate),
        tool_version=metadata.version("qorridor"), inputs=inputs,
    )  # fmt: skip
