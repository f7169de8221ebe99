"""What a link is made of, checked at construction: source, fibre, detectors, light beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from qorridor.base.errors import LinkError


class Direction(StrEnum):
    """How a classical channel travels relative to the quantum light."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True)
class LitChannel:
    """One classical channel in the same fibre; `launch` is its own power in dBm, -60 to 20."""

    launch: float
    direction: Direction = Direction.FORWARD

    def __post_init__(self) -> None:
        _within("lit channel launch power", self.launch, -60.0, 20.0, "dBm")


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """One point-to-point link. Raises LinkError Q-LINK-001 for a value outside its range.

    clock Hz; length km; attenuation dB/km; extra_loss dB (splices, panels, bends); receiver_loss dB;
    efficiency of each detector 0..1; dark = probability of a dark count per gate and detector;
    misalignment = error of the optics in the matched basis 0..0.5; afterpulse = probability that a
    click spawns one avalanche; afterpulse_decay, dead_time, gate, jitter in s; intensities = mean photon
    numbers, brightest first, with their probabilities; key_basis = probability of the key basis at
    either end; basis_factor = share of detections that enters the asymptotic rate (1/2 symmetric,
    key_basis^2 biased); reconciliation = f over the Shannon limit; filter_width nm and
    raman_coefficient 1/(km nm) count only beside lit channels.

    What makes the parts unequal, all neutral by default: efficiency_factors and dark_factors multiply the
    efficiency and the dark probability of detectors 0 and 1; misalignment_offsets add to the misalignment
    of the key and the test basis; intensity_factors multiply what the transmitter really sends of each
    intensity (empty: 1); intensity_noise is the sigma of a log-normal factor of mean 1 per pulse and
    intensity (empty: 0); gate_offset in s is where light arrives relative to the gate's middle, for which
    the efficiency holds; stray = light of no channel, counted per gate and detector; vetoes_both = a click
    in one detector makes both dead, as a receiver must lest a lone live detector give biased bits.
    """

    name: str
    clock: float
    length: float
    attenuation: float
    efficiency: float
    receiver_loss: float
    dark: float
    misalignment: float
    intensities: tuple[float, ...]
    probabilities: tuple[float, ...]
    extra_loss: float = 0.0
    afterpulse: float = 0.0
    afterpulse_decay: float = 1e-6
    dead_time: float = 0.0
    key_basis: float = 0.5
    basis_factor: float = 0.5
    reconciliation: float = 1.05
    gate: float = 1e-9
    filter_width: float = 0.8
    raman_coefficient: float = 2e-9
    jitter: float = 5e-11
    lit: tuple[LitChannel, ...] = ()
    efficiency_factors: tuple[float, float] = (1.0, 1.0)
    dark_factors: tuple[float, float] = (1.0, 1.0)
    misalignment_offsets: tuple[float, float] = (0.0, 0.0)
    intensity_factors: tuple[float, ...] = ()
    intensity_noise: tuple[float, ...] = ()
    gate_offset: float = 0.0
    stray: float = 0.0
    vetoes_both: bool = True

    def __post_init__(self) -> None:
        for field, low, high, unit in _RANGES:
            _within(field, getattr(self, field), low, high, unit)
        _source(self.intensities, self.probabilities)
        for field, size, low, high in _PARTS:
            _parts(field, getattr(self, field), (size,) if size else (0, len(self.intensities)), (low, high))
        for value in (self.efficiency * factor for factor in self.efficiency_factors):
            _within("efficiency of a detector", value, 1e-7, 1.0, "")
        for value in (self.misalignment + offset for offset in self.misalignment_offsets):
            _within("misalignment of a basis", value, -1e-12, 1 + 1e-12, "")

    @property
    def loss(self) -> float:
        """Loss of the channel alone in dB, the receiver not counted."""
        return self.length * self.attenuation + self.extra_loss

    @property
    def channel_transmittance(self) -> float:
        """10^(-loss/10); the eta of the PLOB bound."""
        return float(10 ** (-self.loss / 10))

    @property
    def transmittance(self) -> float:
        """Channel, receiver optics, gate and detector together, mean of both detectors."""
        optics = self.channel_transmittance * 10 ** (-self.receiver_loss / 10) * self.gate_share
        return float(optics * self.efficiency * (sum(self.efficiency_factors) / 2))

    @property
    def gate_share(self) -> float:
        """Share of the light that meets the gate, relative to light that arrives in its middle, 0..1."""
        return 1.0 if not self.gate_offset else _caught(self, self.gate_offset) / _caught(self, 0.0)

    @property
    def noise(self) -> float:
        """Probability of a click without signal per gate, mean of both detectors."""
        return (self.detector_noise(0) + self.detector_noise(1)) / 2

    def detector_noise(self, detector: int) -> float:
        """Probability of a click without signal per gate of detector 0 or 1: dark counts, Raman, stray."""
        light = (raman_noise(self) + self.stray) * self.efficiency_factors[detector]
        return min(0.5, self.dark * self.dark_factors[detector] + light)

    @property
    def misalignments(self) -> tuple[float, float]:
        """Error of the optics in the key and in the test basis, 0..1; above 1/2 bits come out inverted."""
        key, test = (max(0.0, min(1.0, self.misalignment + offset)) for offset in self.misalignment_offsets)
        return key, test

    @property
    def is_uneven(self) -> bool:
        """Whether detectors, bases or sent intensities differ from what one number each would say."""
        factors = (*self.efficiency_factors, *self.dark_factors, *self.intensity_factors)
        return set(factors) != {1.0} or any(self.misalignment_offsets) or any(self.intensity_noise)

    @property
    def sent_intensities(self) -> tuple[float, ...]:
        """Mean photon numbers as they really leave, in the order of `intensities`."""
        factors = self.intensity_factors or (1.0,) * len(self.intensities)
        return tuple(k * factor for k, factor in zip(self.intensities, factors, strict=True))

    @property
    def dead_slots(self) -> int:
        """Slots after a click in which both gates are vetoed."""
        return round(self.dead_time * self.clock)

    def degraded(self, extra_loss: float = 0.0, misalignment: float = 0.0) -> LinkParameters:
        """The same link with a bend (more loss, dB, 200 in all) or a drift (added misalignment, 0.5 in all)."""
        return replace(
            self,
            extra_loss=min(200.0, self.extra_loss + extra_loss),
            misalignment=min(0.5, self.misalignment + misalignment),
        )


_RANGES = (
    ("clock", 1e3, 1e11, "Hz"), ("length", 0.0, 2000.0, "km"), ("attenuation", 0.0, 10.0, "dB/km"),
    ("extra_loss", 0.0, 200.0, "dB"), ("receiver_loss", 0.0, 60.0, "dB"), ("efficiency", 1e-6, 1.0, ""),
    ("dark", 0.0, 0.5, "per gate"), ("misalignment", 0.0, 0.5, ""), ("afterpulse", 0.0, 0.5, ""),
    ("afterpulse_decay", 0.0, 1e-2, "s"), ("dead_time", 0.0, 1e-2, "s"), ("key_basis", 0.01, 0.99, ""),
    ("basis_factor", 0.0, 1.0, ""), ("reconciliation", 1.0, 3.0, ""), ("gate", 1e-12, 6.5e-8, "s"),
    ("filter_width", 1e-4, 100.0, "nm"), ("raman_coefficient", 0.0, 1e-6, "1/(km nm)"),
    ("jitter", 0.0, 1e-8, "s"), ("gate_offset", -1e-7, 1e-7, "s"), ("stray", 0.0, 0.5, "per gate"),
)  # fmt: skip
_PARTS = (  # field, how many (0: one per intensity, or none at all), range of each
    ("efficiency_factors", 2, 1e-3, 1e3), ("dark_factors", 2, 0.0, 1e6),
    ("misalignment_offsets", 2, -0.5, 1.0), ("intensity_factors", 0, 0.0, 10.0),
    ("intensity_noise", 0, 0.0, 1.0),
)  # fmt: skip
_PHOTON_ENERGY = 1.28e-19  # J at 1550 nm
_DECIBEL = 10 / math.log(10)


def raman_noise(link: LinkParameters) -> float:
    """Raman photons counted per gate and detector (link model 3.1, form after Eraerds 2010).

    Forward P e^(-aL) L beta dl, backward P beta dl (1 - e^(-2aL))/(2a), a in 1/km, equal attenuation at
    both wavelengths; two detectors share the light.
    """
    per_watt = link.gate * link.efficiency * 10 ** (-link.receiver_loss / 10) / (2 * _PHOTON_ENERGY)
    return sum(raman_power(link, channel) for channel in link.lit) * per_watt


def raman_power(link: LinkParameters, channel: LitChannel) -> float:
    """Raman light of one channel behind the receiver's filter, W."""
    launch = 1e-3 * 10 ** (channel.launch / 10)
    decay = link.attenuation / _DECIBEL
    scattered = launch * link.raman_coefficient * link.filter_width
    if channel.direction == Direction.FORWARD:
        return scattered * math.exp(-decay * link.length) * link.length
    if not decay:
        return scattered * link.length
    return scattered * -math.expm1(-2 * decay * link.length) / (2 * decay)


def _caught(link: LinkParameters, offset: float) -> float:
    """Share of photons, normally spread around `offset`, that arrive within the gate."""
    half = link.gate / 2
    if not link.jitter:
        return float(abs(offset) <= half)
    scale = link.jitter * math.sqrt(2)
    near, far = (half - abs(offset)) / scale, (half + abs(offset)) / scale
    if near > 0:
        return 1 - (math.erfc(near) + math.erfc(far)) / 2
    return (math.erfc(-near) - math.erfc(far)) / 2


def _parts(
    field: str, values: tuple[float, ...], sizes: tuple[int, ...], limits: tuple[float, float]
) -> None:
    if len(values) not in sizes:
        raise _refused(f"{field} has {len(values)} values, needed are {sizes[-1]}")
    for value in values:
        _within(field, value, *limits, "")


def _within(field: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise _refused(f"{field} is {value:g} {unit}".rstrip() + f", allowed are {low:g} to {high:g}")


def _source(intensities: tuple[float, ...], probabilities: tuple[float, ...]) -> None:
    if not 1 <= len(intensities) <= 8 or len(intensities) != len(probabilities):
        raise _refused(f"{len(intensities)} intensities with {len(probabilities)} probabilities")
    for value in intensities:
        _within("intensity", value, 0.0, 5.0, "photons per pulse")
    if list(intensities) != sorted(set(intensities), reverse=True):
        raise _refused("the intensities are not distinct and brightest first")
    for value in probabilities:
        _within("probability", value, 1e-6, 1.0, "")
    if abs(sum(probabilities) - 1) > 1e-9:
        raise _refused(f"the probabilities of the intensities sum to {sum(probabilities):g}, not 1")


def _refused(cause: str) -> LinkError:
    return LinkError("Q-LINK-001", cause, "correct the link's preset or its entry in the estate")
