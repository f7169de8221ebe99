"""Why a link aborts its blocks: the set of causes that its last samples leave open.

    no detections                               -> fibre damage
    errors up, noise share of the clicks level  -> interception, calibration drift (a step: interception first)
    noise share of the clicks up                -> fibre damage, interception
    tags of the classical channel fail          -> unknown, treated as an attack

The verdict is advice. An eavesdropper can imitate drift and loss, so interception is never ruled out
while blocks show errors, and a set is given where the samples cannot decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any, Literal

MEMORY = 12
"""Blocks before the first abort that serve as the reference."""
STEP_SHARE = 0.5
"""A rise is a step when one block takes at least this share of it."""
LOSS_LIMIT = 0.5
"""dB of noise share that counts as a change; three sigma of a block of 10^6 is 0.25 dB."""

Severity = Literal["P1", "P2", "P3", "P4"]


class Cause(StrEnum):
    """What may stand behind aborted blocks."""

    INTERCEPTION = "interception"
    FIBRE = "fibre damage"
    DRIFT = "calibration drift"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sample:
    """One block as a person may see it.

    `qber`: errors over bits of the disclosed basis, 0 to 1; `noise`: clicks per vacuum pulse over clicks
    per signal pulse, which grows with loss and with stray light. Both None where nothing was counted, and
    `noise` on links with one decoy, which send no vacuum.
    """

    released: bool
    cause: str = ""
    qber: float | None = None
    noise: float | None = None
    simulated: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Causes that remain, most likely first, with the evidence and what would separate them."""

    link: str
    causes: tuple[Cause, ...]
    evidence: tuple[str, ...]
    separated_by: str
    severity: Severity
    aborted: int
    simulated: bool


def read_sample(record: Mapping[str, Any]) -> Sample:
    """A sample from a block record or from the telemetry that a node shows; unreadable parts are absent."""
    n, m = _counts(record, "n", "test"), _counts(record, "m", "test")
    qber = m[0] / n[0] if n is not None and m is not None and n[0] > 0 else _number(record.get("qber_key"))
    return Sample(
        record.get("state") == "RELEASED", str(record.get("abort_cause") or ""), qber, _noise(record),
        record.get("simulated") is not False,
    )  # fmt: skip


def _counts(record: Mapping[str, Any], name: str, basis: str) -> tuple[float, float | None] | None:
    """Count of the signal and of the vacuum in a basis; two intensities are signal and decoy."""
    try:
        first, _, *vacuum = record[name][basis]
        return float(first), float(vacuum[0]) if vacuum else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _noise(record: Mapping[str, Any]) -> float | None:
    """Clicks per vacuum pulse over clicks per signal pulse, from both bases: few of either are disclosed bits."""
    try:
        signal, _, vacuum = (float(share) for share in record["p"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    counted = [n for basis in ("key", "test") if (n := _counts(record, "n", basis)) is not None]
    seen, dark = sum(n[0] for n in counted), sum(n[1] or 0.0 for n in counted)
    if not counted or counted[-1][1] is None or min(seen, signal, vacuum) <= 0:
        return None
    return (dark / vacuum) / (seen / signal)


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def diagnose(link: str, samples: Sequence[Sample]) -> Verdict | None:
    """The verdict on a link from its samples, oldest first; None while its last block was released."""
    if not samples or samples[-1].released:
        return None
    start = next((at for at in range(len(samples), 0, -1) if samples[at - 1].released), 0)
    before, aborted = [s for s in samples[:start] if s.released][-MEMORY:], samples[start:]
    causes, evidence, separated_by, severity = _judge(before, aborted)
    return Verdict(link, causes, evidence, separated_by, severity, len(aborted),
                   any(sample.simulated for sample in samples))  # fmt: skip


_Judgement = tuple[tuple[Cause, ...], tuple[str, ...], str, Severity]


def _judge(before: Sequence[Sample], aborted: Sequence[Sample]) -> _Judgement:
    if any(sample.cause == "auth-failure" for sample in aborted):
        return (
            (Cause.UNKNOWN,), ("the tags of the classical channel fail: treat it as attacked",),
            "the log of the network between the two ends", "P1",
        )  # fmt: skip
    counted = [sample for sample in aborted if sample.qber is not None]
    if not counted:
        return _silent(aborted)
    usual, now = _middle(before, "qber"), _middle(counted, "qber")
    if usual is None or now is None:
        return (
            (Cause.UNKNOWN,), (f"QBER {_percent(now)}, no released block to compare with",),
            "a block from before the fault", "P2",
        )  # fmt: skip
    loss = _loss_change(before, counted)
    return _compare(before, counted, (usual, now), loss)


def _silent(aborted: Sequence[Sample]) -> _Judgement:
    """Nothing was counted in any block."""
    if any(sample.cause in {"no-key", "peer-aborted"} for sample in aborted):
        return (
            (Cause.FIBRE,), ("no detections: fibre or equipment",),
            "the OTDR and the power of the modules", "P2",
        )  # fmt: skip
    return (
        (Cause.UNKNOWN,),
        (f"blocks end with {aborted[-1].cause or 'no cause'}",),
        "the link's journal",
        "P3",
    )


def _compare(
    before: Sequence[Sample], counted: Sequence[Sample], qber: tuple[float, float], loss: float | None
) -> _Judgement:
    usual, now = qber
    told = "loss not observed" if loss is None else f"loss and noise {loss:+.1f} dB"
    evidence = [f"QBER {_percent(usual)} → {_percent(now)}", told]
    if loss is not None and loss > LOSS_LIMIT:
        return (
            (Cause.FIBRE, Cause.INTERCEPTION), tuple(evidence), "the OTDR and the launch power of lit channels", "P2"
        )  # fmt: skip
    if now <= usual * 1.2:
        return (Cause.UNKNOWN,), tuple(evidence), "the link's journal", "P3"
    if _is_step(before, counted[0], usual):
        evidence.append("in one step")
        causes: tuple[Cause, ...] = (Cause.INTERCEPTION, Cause.DRIFT)
    else:
        evidence.append("over several blocks")
        causes = (Cause.DRIFT, Cause.INTERCEPTION)
    return (
        causes,
        tuple(evidence),
        "a realignment of both modules: drift recovers, interception does not",
        "P1",
    )


def _is_step(before: Sequence[Sample], first: Sample, usual: float) -> bool:
    last = next((sample.qber for sample in reversed(before) if sample.qber is not None), usual)
    return first.qber is not None and first.qber - last >= STEP_SHARE * (first.qber - usual)


def _loss_change(before: Sequence[Sample], counted: Sequence[Sample]) -> float | None:
    """Change of the noise share in dB."""
    usual, now = _middle(before, "noise"), _middle(counted, "noise")
    return 10 * math.log10(now / usual) if usual and now else None


def _middle(samples: Sequence[Sample], name: Literal["qber", "noise"]) -> float | None:
    values = [value for sample in samples if (value := getattr(sample, name)) is not None]
    return median(values) if values else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
