"""What the monitors of the devices show beside the counts, each with the noise of a monitor.

    transmitter    its own light: power monitor, back-reflection, laser
    receiver       its detectors: arrival histograms, dark counts between gates, temperature, current
    line           what the transport system of the fibre tells: supervisory channel, OTDR, launch power

None stands for a device that has no such monitor, or a value that cannot be measured now. Levels are of the
order of real devices, none is a vendor's figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from qorridor.photonics.events import Conditions
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.simulation import Detections, SubBlock

BINS = 64
_SAMPLE = 20_000  # clicks of a stretch of which the followers are counted
OFF_GATE_SHARE = 0.01
"""Gates, per slot, that a receiver opens where no pulse is due, to count what comes in the dark."""


@dataclass(frozen=True, slots=True)
class TransmitterHousekeeping:
    """power = mean light that leaves over the mean that is set; back_reflection in dBm; laser_temperature
    in °C; laser_bias in mA."""

    power: float | None
    back_reflection: float | None
    laser_temperature: float | None
    laser_bias: float | None


@dataclass(frozen=True, slots=True)
class ReceiverHousekeeping:
    """Counts since the last reading, per detector where there are two: clicks, arrivals in 64 equal bins
    over the gate (single clicks), off_gate_gates opened and off_gate_darks counted in them; tail = pairs of
    clicks of a sample that lie a decay time apart at most beyond the dead time, and pairs of an equally wide
    window five decay times later: the excess are echoes. dead_share of the slots 0..1.

    Readings: temperatures °C, bias V, photocurrents µA, visibility 0..1 in the interferometer of the test
    basis, interferometer_temperature °C, optical_power dBm."""

    slots: int
    clicks: tuple[int, int] | None
    doubles: int | None
    arrivals: tuple[tuple[int, ...], tuple[int, ...]] | None
    off_gate_gates: int | None
    off_gate_darks: tuple[int, int] | None
    tail: tuple[int, int] | None
    dead_share: float | None
    temperatures: tuple[float, float] | None
    bias: tuple[float, float] | None
    photocurrents: tuple[float, float] | None
    visibility: float | None
    interferometer_temperature: float | None
    optical_power: float | None


@dataclass(frozen=True, slots=True)
class LineHousekeeping:
    """supervisory_power received in dBm (None: lost); launch_power of all lit channels in dBm (None: dark
    fibre); loss_ratio = loss at 1625 nm over that at 1550 nm; otdr_step = largest step that commissioning
    did not know, dB, with its otdr_reflection in dB; supervisory_polarisation = turn of its state, rad."""

    supervisory_power: float | None
    launch_power: float | None
    loss_ratio: float | None
    otdr_step: float | None
    otdr_reflection: float | None
    supervisory_polarisation: float | None


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The three records of one stretch of time; no end is handed more than its own module's."""

    transmitter: TransmitterHousekeeping
    receiver: ReceiverHousekeeping
    line: LineHousekeeping

    def and_then(self, later: Housekeeping) -> Housekeeping:
        """Both stretches: counts add up, readings are the later ones; absent stays absent."""
        mine, theirs = self.receiver, later.receiver
        slots = mine.slots + theirs.slots
        added: dict[str, Any] = {
            name: _added(getattr(mine, name), getattr(theirs, name))
            for name in ("clicks", "doubles", "arrivals", "off_gate_gates", "off_gate_darks", "tail")
        }
        share = theirs.dead_share
        if share is not None and mine.dead_share is not None and slots:
            share = (mine.dead_share * mine.slots + share * theirs.slots) / slots
        return replace(later, receiver=replace(theirs, slots=slots, dead_share=share, **added))

    def without(self, absent: frozenset[str]) -> Housekeeping:
        """The same from devices that lack the monitors named, as `receiver.photocurrents`."""
        parts: dict[str, Any] = {}
        for part in fields(self):
            record = getattr(self, part.name)
            lacking: dict[str, Any] = {
                at.name: None for at in fields(record) if f"{part.name}.{at.name}" in absent
            }
            parts[part.name] = replace(record, **lacking)
        return Housekeeping(**parts)


def monitor(
    link: LinkParameters, block: SubBlock, now: Conditions | Sequence[Conditions], rng: np.random.Generator
) -> Housekeeping:
    """Readings of one stretch of a simulated link; of conditions that change, those at its end."""
    last = now if isinstance(now, Conditions) else now[-1]
    worse = last.apply(link)
    return Housekeeping(
        _transmitter(link, worse, last, rng),
        _receiver(worse, block, last, rng),
        _line(link, worse, last, rng),
    )


def _transmitter(
    link: LinkParameters, worse: LinkParameters, now: Conditions, rng: np.random.Generator
) -> TransmitterHousekeeping:
    means = [math.fsum(p * k for p, k in zip(link.probabilities, kind, strict=True))
             for kind in (worse.sent_intensities, link.intensities)]  # fmt: skip
    power = means[0] / means[1] if means[1] else 1.0
    return TransmitterHousekeeping(
        power=power * (1 + 0.003 * rng.standard_normal()),
        back_reflection=_power(1e-6 + 1e-3 * now.trojan, rng, 0.3),
        laser_temperature=25 + now.laser / 100 + 0.002 * rng.standard_normal(),  # a laser moves 0.1 nm per K
        laser_bias=60 + 0.02 * rng.standard_normal(),
    )


def _receiver(
    worse: LinkParameters, block: SubBlock, now: Conditions, rng: np.random.Generator
) -> ReceiverHousekeeping:
    slots, seen = block.stop - block.start, block.received
    first, second, double = _histograms(seen, worse.gate)
    doubles = sum(double)
    clicks = sum(first) + doubles, sum(second) + doubles
    seconds, awake = slots / worse.clock, 1 - now.blinding
    gates = round(slots * OFF_GATE_SHARE)
    current = [clicks[at] / max(seconds, 1e-9) * 1e-7 + 300 * now.blinding for at in (0, 1)]  # 0.1 pC a click
    set_point = -40.0
    return ReceiverHousekeeping(
        slots=slots, clicks=clicks, doubles=doubles,
        arrivals=(first, second), off_gate_gates=gates,
        off_gate_darks=_pair([int(rng.binomial(gates, awake * worse.detector_noise(at))) for at in (0, 1)]),
        tail=_tail(worse, seen), dead_share=min(1.0, len(seen.slots) * worse.dead_slots / max(1, slots)),
        temperatures=_pair([set_point + warm + 0.02 * rng.standard_normal() for warm in (0.0, now.cooler)]),
        bias=_pair([62 + 0.002 * rng.standard_normal() for _ in (0, 1)]),
        photocurrents=_pair([amount * (1 + 0.01 * rng.standard_normal()) + 0.001 for amount in current]),
        visibility=min(1.0, 1 - 2 * worse.misalignments[1] + 0.001 * rng.standard_normal()),
        interferometer_temperature=30 + now.phase / 2 + 0.005 * rng.standard_normal(),
        optical_power=_power(1e-7 + 1e-3 * now.blinding, rng, 0.1),
    )  # fmt: skip


def _line(
    link: LinkParameters, worse: LinkParameters, now: Conditions, rng: np.random.Generator
) -> LineHousekeeping:
    received = -worse.loss + 0.02 * rng.standard_normal()
    steps = {"bend": now.bend, "connector": now.connector, "ageing": now.ageing}
    step = max(steps.values())
    reflection = -20.0 if now.cut == 1 else (-65.0 if step != now.connector or not step else -35.0)
    launch = sum(10 ** (channel.launch / 10) for channel in worse.lit)
    longer = 1.1 * (worse.loss - now.bend) + 2.5 * now.bend  # a bend loses more at the longer wavelength
    return LineHousekeeping(
        supervisory_power=received if received > -45 else None,
        launch_power=_power(launch, rng, 0.05) if launch else None,
        loss_ratio=longer / worse.loss + 0.003 * rng.standard_normal() if worse.loss else None,
        otdr_step=max(0.0, worse.loss - link.loss if now.cut else step) + 0.01 * abs(rng.standard_normal()),
        otdr_reflection=reflection + 0.5 * rng.standard_normal(),
        supervisory_polarisation=now.polarisation + 0.01 * rng.standard_normal(),
    )


def _histograms(seen: Detections, gate: float) -> list[tuple[int, ...]]:
    """Arrivals of clicks of detector 0 alone, of 1 alone, and of both."""
    half = round(gate * 5e11)
    bin_of = np.minimum(np.arange(2 * half + 1) * BINS // max(1, 2 * half), BINS - 1).astype(np.uint8)
    index = bin_of.take(seen.arrival + np.int32(half)) | (seen.clicks << np.uint8(6))
    counts = np.bincount(index, minlength=4 * BINS).reshape(4, BINS)
    return [tuple(row) for row in counts[1:].tolist()]


def _tail(link: LinkParameters, seen: Detections) -> tuple[int, int]:
    slots, dead = seen.slots[: 2 * _SAMPLE], link.dead_slots
    first, reach = slots[:_SAMPLE], max(1, round(link.afterpulse_decay * link.clock))
    near, far = (
        int((np.searchsorted(slots, first + start + reach, "right") - np.searchsorted(slots, first + start, "right")).sum())
        for start in (dead, dead + 5 * reach)
    )  # fmt: skip
    return near, far


def _pair(values: list[Any]) -> tuple[Any, Any]:
    first, second = values
    return first, second


def _power(milliwatts: float, rng: np.random.Generator, noise: float) -> float:
    """A power in dBm as a meter with `noise` dB shows it."""
    return 10 * math.log10(milliwatts) + noise * rng.standard_normal()


def _added(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return None
    if isinstance(mine, tuple):
        return tuple(_added(left, right) for left, right in zip(mine, theirs, strict=True))
    return mine + theirs


def document(record: TransmitterHousekeeping | ReceiverHousekeeping | LineHousekeeping) -> dict[str, Any]:
    """A record as JSON can carry it."""
    return asdict(record)
