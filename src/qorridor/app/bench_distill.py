"""`qorridor bench distill`: reconciliation and privacy amplification, each party's processor time on its own.

Both parties run in this process and only their own steps are timed, so that a figure is per party and core.
Errors are drawn at random; a frame whose errors were not all found counts as failed and its whole length as
disclosed, as distillation would charge it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from qorridor.app.bench import Progress, Result, cpu_seconds
from qorridor.app.bench_ldpc import bench_ldpc
from qorridor.base.canonical import Json
from qorridor.distill.amplification import amplify
from qorridor.distill.bits import Bits
from qorridor.distill.cascade import EFFICIENT, FRAME, PROFILES, Profile, Reconciled, make_plan, reconcile
from qorridor.distill.finite_key import entropy
from qorridor.distill.reference import reconcile_plainly, toeplitz_plainly

QBERS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.11)
SIZES = (10**6, 10**7)
"""Bits of a block before privacy amplification."""
BATCH = 32
"""Frames in lock-step."""
WHOLE_BLOCK = 153
"""Frames of a block of 10^7 bits."""
LDPC_SHARE = 16
"""One frame of so many is decoded by the second engine: it takes longer, and its errors are less rare."""


@dataclass(slots=True)
class End:
    """One party of an exchange and the processor time that it took."""

    exchange: Generator[Bits, Bits, Reconciled]
    seconds: float = 0.0
    result: Reconciled | None = None

    def step(self, heard: Bits | None) -> Bits | None:
        """Hand over what the other end said; returns what this end says next, None when it is done."""
        began = time.process_time()
        try:
            return next(self.exchange) if heard is None else self.exchange.send(heard)
        except StopIteration as stop:
            self.result = stop.value
            return None
        finally:
            self.seconds += time.process_time() - began


@dataclass(slots=True)
class _Tally:
    """Sums over the batches of one error rate."""

    bits: int = 0
    shannon: float = 0.0
    disclosed: int = 0
    rounds: int = 0
    batches: int = 0
    failed: int = 0
    slower: float = 0.0

    def add(self, size: int, wrong: np.ndarray, ends: Sequence[End]) -> None:
        """One batch: `wrong` marks the true errors."""
        found = ends[1].result
        if found is None or ends[0].result is None:
            raise RuntimeError("one end ended before the other")
        missed = np.setxor1d(np.flatnonzero(wrong), found.errors)
        failed = len(np.unique(missed // FRAME))
        self.bits += size
        self.shannon += size * entropy(float(wrong.mean()))
        self.disclosed += found.bits_each_way + failed * FRAME
        self.rounds += found.rounds
        self.failed += failed
        self.batches += 1
        self.slower += max(end.seconds for end in ends)


def bench_distill(frames: int, seed: int, tell: Progress) -> list[Result]:
    """All results: `frames` frames of 65,536 bits at each error rate (rounded up to whole batches)."""
    exchange(FRAME, 0.02, np.random.default_rng(seed))  # compiled, and the caches warm
    results: list[Result] = []
    for qber in QBERS:
        tell(f"cascade at QBER {qber:.1%}")
        results += _cascade(qber, frames, np.random.default_rng(seed))
    for profile in PROFILES.values():
        tell(f"cascade, {profile.name}, a whole block of 10^7")
        results += _cascade(0.02, frames, np.random.default_rng(seed), profile, WHOLE_BLOCK)
    tell("cascade against the plain reference")
    results.append(_against_reference(np.random.default_rng(seed)))
    results += bench_ldpc(-(-frames // LDPC_SHARE), seed, tell)
    for size in SIZES:
        tell(f"privacy amplification of {size:,} bits")
        results.append(_amplification(size, np.random.default_rng(seed)))
    tell("privacy amplification against the exact reference")
    results.append(_amplification_errors(np.random.default_rng(seed)))
    return results


def _cascade(
    qber: float, frames: int, rng: np.random.Generator, profile: Profile = EFFICIENT, batch: int | None = None
) -> list[Result]:
    """All figures of `frames` frames, rounded up to whole batches of `batch` in lock-step."""
    batch, tally = batch or BATCH, _Tally()
    for _ in range(-(-frames // batch)):
        wrong, ends = exchange(batch * FRAME, qber, rng, profile)
        tally.add(batch * FRAME, wrong, ends)
    told: dict[str, Json] = {"qber": qber, "frame": FRAME, "lock_step": batch, "profile": profile.name}
    count = tally.batches * batch
    return [
        Result("cascade.throughput", tally.bits / tally.slower, "bit/s per party and CPU second", told),
        Result("cascade.efficiency", tally.disclosed / tally.shannon, "1", told),
        Result("cascade.frame_error_rate", tally.failed / count, "1", {**told, "frames": count}),
        Result("cascade.messages", tally.rounds / tally.batches, "one-way messages", told),
        Result("cascade.bytes", tally.disclosed / tally.batches / 8, "B each way and batch", told),
    ]


def exchange(
    size: int, qber: float, rng: np.random.Generator, profile: Profile = EFFICIENT
) -> tuple[np.ndarray, list[End]]:
    """One exchange of both ends over `size` random bits: which bits were wrong, and the ends after it."""
    wrong = rng.random(size) < qber
    alice = rng.integers(0, 2, size, dtype=np.uint8)
    bob = alice ^ wrong.view(np.uint8)
    seed = rng.bytes(16)
    planning = 0.0
    ends: list[End] = []
    for bits in (alice, bob):  # each party lays out the plan by itself
        began = time.process_time()
        plan = make_plan(size, qber, seed, profile)
        planning = time.process_time() - began
        ends.append(End(reconcile(bits, plan), planning))
    said = [end.step(None) for end in ends]
    while all(one is not None for one in said):
        said = [end.step(heard) for end, heard in zip(ends, reversed(said), strict=True)]
    return wrong, ends


def _against_reference(rng: np.random.Generator) -> Result:
    """How much faster than the plain exchange, both parties' time counted in either."""
    wrong, ends = exchange(FRAME, 0.02, rng)
    fast = sum(end.seconds for end in ends)
    alice = rng.integers(0, 2, FRAME, dtype=np.uint8)
    plan = make_plan(FRAME, 0.02, rng.bytes(16))
    slow = cpu_seconds(lambda: reconcile_plainly(alice, alice ^ wrong.view(np.uint8), plan))
    return Result(
        "cascade.speedup", slow / fast, "1", {"reference": "plain Python", "qber": 0.02, "frame": FRAME}
    )


def _amplification(size: int, rng: np.random.Generator) -> Result:
    """Bits in per CPU second at a ratio of 0.3, with a fresh seed each time."""
    bits, length = rng.integers(0, 2, size, dtype=np.uint8), 3 * size // 10
    seeds = [rng.integers(0, 2, size - 1, dtype=np.uint8) for _ in range(3)]
    best = min(cpu_seconds(partial(amplify, seed, bits, length)) for seed in seeds)
    return Result(
        "amplification.throughput", size / best, "bit/s in per CPU second", {"n": size, "ratio": 0.3}
    )


def _amplification_errors(rng: np.random.Generator) -> Result:
    """Wrong bits against XOR of seed windows."""
    size, length = 200_000, 60_000
    bits, seed = rng.integers(0, 2, size, dtype=np.uint8), rng.integers(0, 2, size - 1, dtype=np.uint8)
    exact = bits[:length] ^ toeplitz_plainly(seed, bits[length:], length)
    wrong = int(np.count_nonzero(exact != amplify(seed, bits, length).bits))
    return Result("amplification.wrong_bits", wrong, "bit", {"n": size, "reference": "XOR of windows"})
