"""`qorridor bench photonics`: how fast the simulator draws detections of a link that drifts."""

from __future__ import annotations

import time

from qorridor.app.bench import Progress, Result
from qorridor.base.canonical import Json
from qorridor.photonics.drift import Drift, Rates
from qorridor.photonics.events import Conditions
from qorridor.photonics.expectation import expect
from qorridor.photonics.onset import MOMENTS
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.presets import load_preset
from qorridor.photonics.sampler import Carried
from qorridor.photonics.simulation import simulate, stream

CLICKS = 1_000_000
"""Detections to draw for one figure."""
SUB_BLOCKS = 5
"""Stretches that they are drawn in: about as long as those of the optics at 1 GHz."""
LOSSES = (6.9, 20.0, 30.0)
_SECONDS = 30.0  # of drift per stretch, so that something moves


def bench_photonics(seed: int, tell: Progress) -> list[Result]:
    """Detections per CPU second at three losses, with dead time, afterpulses and drift, each without and
    with a quarter of the pulses intercepted; the law of every moment is worked out anew."""
    results = []
    for fraction in (0.0, 0.25):
        for loss in LOSSES:
            tell(f"{loss} dB, {fraction:.0%} intercepted")
            link = load_preset("demo-1ghz", loss=loss)
            slots = int(CLICKS / SUB_BLOCKS / expect(link).detections_per_second * link.clock)
            _run(link, slots, Conditions(intercept=fraction), seed)  # compiles, and warms the memory
            began = time.process_time()
            clicks = _run(link, slots, Conditions(intercept=fraction), seed + 1)
            spent = max(1e-9, time.process_time() - began)
            told: dict[str, Json] = {
                "preset": "demo-1ghz", "loss_db": loss, "intercept": fraction, "slots": SUB_BLOCKS * slots,
                "dead_time_s": link.dead_time, "afterpulse": link.afterpulse,
                "drift": "polarisation, phase, loss",
            }  # fmt: skip
            results.append(Result("photonics.detections", clicks / spent, "1/s", told))
            results.append(Result("photonics.slots", SUB_BLOCKS * slots / spent, "1/s", told))
    return results


def _run(link: LinkParameters, slots: int, now: Conditions, seed: int) -> int:
    """Number of clicks of the stretches, one after the other."""
    carried: Carried | None = None
    drift, clicks = Drift(Rates()), 0
    for number in range(SUB_BLOCKS):
        rng = stream(seed, number)
        before = drift.conditions()
        after = drift.advance(_SECONDS, rng)
        course = [now.plus(before.between(after, at / (MOMENTS - 1))) for at in range(MOMENTS)]
        block = simulate(link, number * slots, slots, rng, course, carried)
        carried = block.carried
        clicks += len(block.received.slots)
    return clicks
