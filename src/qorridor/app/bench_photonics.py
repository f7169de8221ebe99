"""`qorridor bench photonics`: how fast the simulator draws detections."""

from __future__ import annotations

import time

from qorridor.app.bench import Progress, Result
from qorridor.base.canonical import Json
from qorridor.photonics.events import Conditions
from qorridor.photonics.expectation import expect
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream

CLICKS = 1_000_000
"""Detections to draw for one figure."""


def bench_photonics(seed: int, tell: Progress) -> list[Result]:
    """Detections per CPU second at three losses, and under interception."""
    results = []
    for loss, fraction in ((6.9, 0.0), (20.0, 0.0), (30.0, 0.0), (6.9, 0.25)):
        tell(f"{loss} dB, {fraction:.0%} intercepted")
        link = load_preset("demo-1ghz", loss=loss)
        conditions = Conditions(intercept=fraction)
        slots = int(CLICKS / expect(link).detections_per_second * link.clock)
        simulate(link, 0, slots // 10, stream(seed, 0), conditions)
        began = time.process_time()
        block = simulate(link, 0, slots, stream(seed, 1), conditions)
        spent = max(1e-9, time.process_time() - began)
        told: dict[str, Json] = {
            "preset": "demo-1ghz",
            "loss_db": loss,
            "intercept": fraction,
            "slots": slots,
        }
        results.append(Result("photonics.detections", len(block.received.slots) / spent, "1/s", told))
        results.append(Result("photonics.slots", slots / spent, "1/s", told))
    return results
