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

    def __post_init__(self) -> None:
        for field, low, high, unit in _RANGES:
            _within(field, getattr(self, field), low, high, unit)
        _source(self.intensities, self.probabilities)

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
        """Channel, receiver optics and detector together."""
        return float(self.channel_transmittance * 10 ** (-self.receiver_loss / 10) * self.efficiency)

    @property
    def noise(self) -> float:
        """Probability of a click without signal per gate and detector: dark counts and Raman light."""
        return min(0.5, self.dark + raman_noise(self))

    @property
    def dead_slots(self) -> int:
        """Slots after a click in which both gates are vetoed."""
        return round(self.dead_time * self.clock)

    def degraded(self, extra_loss: float = 0.0, misalignment: float = 0.0) -> LinkParameters:
        """The same link with a bend (more loss, dB) or a drift (added misalignment, capped at 0.5)."""
        return replace(
            self,
            extra_loss=self.extra_loss + extra_loss,
            misalignment=min(0.5, self.misalignment + misalignment),
        )


_RANGES = (
    ("clock", 1e3, 1e11, "Hz"), ("length", 0.0, 2000.0, "km"), ("attenuation", 0.0, 10.0, "dB/km"),
    ("extra_loss", 0.0, 200.0, "dB"), ("receiver_loss", 0.0, 60.0, "dB"), ("efficiency", 1e-6, 1.0, ""),
    ("dark", 0.0, 0.5, "per gate"), ("misalignment", 0.0, 0.5, ""), ("afterpulse", 0.0, 0.5, ""),
    ("afterpulse_decay", 0.0, 1e-2, "s"), ("dead_time", 0.0, 1e-2, "s"), ("key_basis", 0.01, 0.99, ""),
    ("basis_factor", 0.0, 1.0, ""), ("reconciliation", 1.0, 3.0, ""), ("gate", 1e-12, 1e-6, "s"),
    ("filter_width", 1e-4, 100.0, "nm"), ("raman_coefficient", 0.0, 1e-6, "1/(km nm)"),
    ("jitter", 0.0, 1e-8, "s"),
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
