"""`qorridor bench chain`: sifted to secret key with both parties as processes of their own, as on a real link.

The modules are synthetic: both processes draw the same detections of the preset's law, so that nothing but the
protocol is measured. The clock on the wall runs from the sifted block to the released one; where it says so each
message arrives later by a delay, as over a long fibre: its sender goes on meanwhile.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import numpy as np

from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.bench import Progress, Result
from qorridor.base.canonical import Json
from qorridor.base.errors import LinkError
from qorridor.base.secret import Secret
from qorridor.distill.authentication import Authenticator, Role, bootstrap_size
from qorridor.distill.block import Endpoint, Outcome, Settings
from qorridor.distill.channel import Collect, Recall, Recalled, Receive, Received, Reply, Send, Step
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Source
from qorridor.distill.party import receiver, transmitter
from qorridor.distill.reconciliation import CASCADE
from qorridor.photonics.expectation import observe
from qorridor.photonics.presets import load_preset

KEY_BASIS = 0.6
WARM_UP = 1_000_000
_LATER = 10**12  # slots of the second block, behind all of the first
CASES = ((10**6, 0.0), (10**7, 0.0), (10**6, 0.0025), (10**7, 0.0025), (10**6, 0.025))
"""Sifted bits of a block, and seconds added to each message one way."""
_STAGES = ("reconcile", "verify", "amplify", "authenticate")


@dataclass(frozen=True, slots=True)
class _Told:
    """What one end says of its block."""

    released: bool
    cause: str
    seconds: float
    processor: float
    memory: int
    messages: int
    profile: str
    qber: float


def bench_chain(seed: int, tell: Progress, cases: tuple[tuple[int, float], ...] = CASES) -> list[Result]:
    """Sifted bits per second on the wall for each case, and what the slower process took of memory.

    Raises LinkError Q-LINK-051 when a block yields no key.
    """
    results = []
    for size, delay in cases:
        tell(f"{size:,} bits, {1000 * delay:g} ms a message")
        slower = max(_pair(size, delay, seed), key=lambda end: end.seconds)
        told: dict[str, Json] = {
            "n": size, "one_way_ms": 1000 * delay, "profile": slower.profile, "qber": round(slower.qber, 4),
            "messages": slower.messages,
        }  # fmt: skip
        results.append(Result("chain.throughput", size / slower.seconds, "bit/s sifted, wall", told))
        results.append(
            Result("chain.processor", size / slower.processor, "bit/s per party and CPU second", told)
        )
        results.append(
            Result("chain.memory", slower.memory, "B resident at most, synthetic module included", told)
        )
    return results


def _pair(size: int, delay: float, seed: int) -> list[_Told]:
    """Both ends of one block, each in a process."""
    context = multiprocessing.get_context("spawn")
    wires, reports = context.Pipe(), [context.Pipe(duplex=False) for _ in range(2)]
    ends = [
        context.Process(target=_end, args=(role, wire, report[1], size, delay, seed), daemon=True)
        for role, wire, report in zip(("transmitter", "receiver"), wires, reports, strict=True)
    ]
    for end in ends:
        end.start()
    told = [_heard(report[0], end) for report, end in zip(reports, ends, strict=True)]
    for end in ends:
        end.join(5)
        end.kill()
    if not all(isinstance(one, _Told) and one.released for one in told):
        causes = ", ".join(one.cause or "released" if isinstance(one, _Told) else "no answer" for one in told)
        raise LinkError("Q-LINK-051", f"the block of the bench yields no key: {causes}", "take larger blocks")
    return [one for one in told if isinstance(one, _Told)]


def _heard(report: Connection, end: SpawnProcess) -> object:
    """What an end says, or None when it ended without a word."""
    while not report.poll(1.0):
        if not end.is_alive():
            return None
    return report.recv()


def _end(role: Role, wire: Connection, report: Connection, size: int, delay: float, seed: int) -> None:
    """One end in its process: a small block to warm up, then the one that counts."""
    settings = Settings(
        Names("bench", "transmitter", "receiver"), _source(), n_key=WARM_UP, key_basis=KEY_BASIS
    )
    secret = Secret(np.random.Generator(np.random.Philox(seed)).bytes(bootstrap_size(64)))
    pool = Authenticator(secret, role, lambda _direction, _index: None)
    end = Endpoint(settings, pool, SystemEntropy(), SystemClock())
    outcome = _drive(end, role, _Module(WARM_UP, seed), wire, delay)
    spent = 0.0
    if outcome.released:
        end.settings = replace(settings, n_key=size)
        module = _Module(size, seed + 1, first=_LATER)
        began = time.process_time()
        outcome = _drive(end, role, module, wire, delay)
        spent = time.process_time() - began
    stages = outcome.record["stage_seconds"]
    seconds = [float(str(stages.get(name, 0))) for name in _STAGES] if isinstance(stages, dict) else []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report.send(
        _Told(
            outcome.released,
            str(outcome.record.get("abort_text", "")),
            max(1e-9, sum(seconds)),
            spent,
            memory,
            int(str(outcome.record["messages"])),
            str(outcome.record.get("profile" if outcome.record.get("engine") == CASCADE else "engine")),
            end.qber or 0.0,
        )
    )


def _source() -> Source:
    link = load_preset("demo-1ghz", loss=6.9)
    (a, b, c), (p, q, r) = link.intensities, link.probabilities
    return Source((a, b, c), (p, q, r))


class _Module:
    """Both halves of a synthetic module: detections by the law of the preset, the same at both ends."""

    def __init__(self, n_key: int, seed: int, first: int = 0) -> None:
        rng = np.random.Generator(np.random.Philox(seed))
        link = load_preset("demo-1ghz", loss=6.9)
        gains, errors = (np.array(values) for values in observe(link))
        count = int(1.05 * n_key / KEY_BASIS**2) + 10_000
        weights = np.array(link.probabilities) * gains
        self.slots = first + np.cumsum(rng.integers(1, 40, count))
        self.intensities = rng.choice(3, count, p=weights / weights.sum()).astype(np.uint8)
        self.sent, self.measured = (
            (rng.random(count) >= KEY_BASIS).astype(np.uint8) for _ in range(2)
        )  # bases
        self.bits = rng.integers(0, 2, count, dtype=np.uint8)
        wrong = rng.random(count) < np.where(self.sent == self.measured, errors[self.intensities], 0.5)
        self.clicks = (np.uint8(1) << (self.bits ^ wrong)).astype(np.uint8)
        self._at = 0

    def collect(self, count: int) -> Received:
        """The next detections."""
        part = slice(self._at, self._at + count)
        self._at += count
        return Received(self.slots[part], self.measured[part], self.clicks[part])

    def recall(self, slots: np.ndarray) -> Recalled:
        """What was sent in these slots."""
        at = np.searchsorted(self.slots, slots)
        return Recalled(self.intensities[at], self.sent[at], self.bits[at])


def _drive(end: Endpoint, role: Role, module: _Module, wire: Connection, delay: float) -> Outcome:
    """Run one party over the wire; each message arrives `delay` seconds after it was sent."""
    steps: Generator[Step, Reply, Outcome] = (transmitter if role == "transmitter" else receiver)(end)
    reply: Reply = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        match step:
            case Send(message):
                wire.send(time.monotonic() + delay)  # one clock for both: they run on one machine
                wire.send_bytes(message)
                reply = None
            case Receive():
                due = float(wire.recv())
                reply = wire.recv_bytes()
                time.sleep(max(0.0, due - time.monotonic()))
            case Collect(count):
                reply = module.collect(count)
            case Recall(slots):
                reply = module.recall(slots)
