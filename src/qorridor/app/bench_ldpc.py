"""`qorridor bench distill`, its second engine: one-way reconciliation by parity checks, frame by frame.

Only decoding is timed, in vain or not; parities take a hundredth of it. A frame that neither message decodes
counts as failed and its whole length as disclosed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from qorridor.app.bench import Progress, Result, cpu_seconds
from qorridor.base.canonical import Json
from qorridor.distill.bits import Bits
from qorridor.distill.finite_key import entropy
from qorridor.distill.ldpc import FRAME, ROUNDS, TAG_BITS, Plan, decode, make_plan, parities, tag_words
from qorridor.distill.reference_ldpc import decode_plainly, softened

QBERS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.11)
_VERDICT = 1


@dataclass(slots=True)
class Tally:
    """Sums over the frames of one error rate."""

    frames: int = 0
    shannon: float = 0.0
    disclosed: int = 0
    told_more: int = 0
    failed: int = 0
    seconds: float = 0.0

    def add(self, wrong: Bits, plan: Plan) -> None:
        """One frame with the errors `wrong`; parities are linear, so those of the errors are the differences."""
        told = parities(wrong, plan, tag_words(b"bench", plan))
        self.frames += 1
        self.shannon += len(wrong) * entropy(float(wrong.mean()))
        self.disclosed += plan.checks + TAG_BITS + _VERDICT
        if self._decoded(wrong, plan, told.first(plan), None):
            return
        self.told_more += 1
        self.disclosed += plan.more + _VERDICT
        if not self._decoded(wrong, plan, told.first(plan), told.more(plan)):
            self.failed += 1
            self.disclosed += len(wrong)

    def _decoded(self, wrong: Bits, plan: Plan, first: Bits, more: Bits | None) -> bool:
        began = time.process_time()
        found = decode(plan, len(wrong), first, more)
        self.seconds += time.process_time() - began
        return found is not None and bool(np.array_equal(found, wrong))


def bench_ldpc(frames: int, seed: int, tell: Progress) -> list[Result]:
    """All results: `frames` frames of 65,536 bits at each error rate."""
    Tally().add(np.zeros(FRAME, np.uint8), make_plan(FRAME, 0.02))  # compiled, and the caches warm
    results: list[Result] = []
    for qber in QBERS:
        tell(f"ldpc at QBER {qber:.1%}")
        results += _ldpc(qber, frames, np.random.default_rng(seed))
    tell("ldpc against the plain reference")
    return [*results, _against_reference(np.random.default_rng(seed))]


def _ldpc(qber: float, frames: int, rng: np.random.Generator) -> list[Result]:
    tally, plan = Tally(), make_plan(FRAME, qber)
    for _ in range(frames):
        tally.add((rng.random(FRAME) < qber).view(np.uint8), plan)
    told: dict[str, Json] = {"qber": qber, "frame": FRAME}
    counted: dict[str, Json] = {**told, "frames": frames}
    return [
        Result(
            "ldpc.throughput",
            frames * FRAME / tally.seconds,
            "bit/s sifted per CPU second of the decoder",
            told,
        ),
        Result("ldpc.efficiency", tally.disclosed / tally.shannon, "1", told),
        Result("ldpc.frame_error_rate", tally.failed / frames, "1", counted),
        Result("ldpc.told_more_rate", tally.told_more / frames, "1", counted),
    ]


def _against_reference(rng: np.random.Generator) -> Result:
    """How much faster than one check after the other, on a frame that both decode in few rounds."""
    size = 4096
    plan, wrong = make_plan(size, 0.02), (rng.random(size) < 0.01).view(np.uint8)
    first = parities(wrong, plan, tag_words(b"bench", plan)).first(plan)
    fast = cpu_seconds(partial(decode, plan, size, first))
    slow = cpu_seconds(partial(decode_plainly, plan, size, first, rounds=ROUNDS, combine=softened))
    return Result(
        "ldpc.speedup", slow / fast, "1", {"reference": "plain Python", "qber": 0.02, "frame": size}
    )
