"""What can happen to a link while it runs: faults of fibre and equipment, drift, and an eavesdropper.

Faults change the parameters of the link, so that closed forms hold for a faulty link too. Attacks change
no parameter: they change what a slot does (photonics/attacks.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from qorridor.base.errors import LinkError
from qorridor.photonics.causes import CAUSES, ELSEWHERE, FAULTS
from qorridor.photonics.parameters import LinkParameters, LitChannel

__all__ = ["FAULTS", "Basis", "Conditions", "Light"]


class Basis(StrEnum):
    """How an eavesdropper chooses the basis in which she measures."""

    RANDOM = "random"
    KEY = "key"
    TEST = "test"


class Light(StrEnum):
    """What an eavesdropper resends: light of the intensity that left, or the same light each time she saw
    any, so bright that the signal intensity keeps its gain."""

    KEPT = "kept"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Conditions:
    """State of the link at one moment; all zero is the undisturbed link. `CAUSES` gives each field's
    meaning, unit and range; LinkError Q-LINK-003 for a value outside it. `wander` is a wish to whoever moves
    a link in time (photonics/drift.py); at one moment it does nothing by itself."""

    cut: float = 0.0
    bend: float = 0.0
    drift: float = 0.0
    intercept: float = 0.0
    splitting: float = 0.0
    blinding: float = 0.0
    shift: float = 0.0
    trojan: float = 0.0
    connector: float = 0.0
    ageing: float = 0.0
    raman: float = 0.0
    stray: float = 0.0
    cooler: float = 0.0
    detector: float = 0.0
    polarisation: float = 0.0
    phase: float = 0.0
    laser: float = 0.0
    modulator: float = 0.0
    clock: float = 0.0
    wander: float = 0.0
    basis: Basis = Basis.RANDOM
    light: Light = Light.KEPT

    def __post_init__(self) -> None:
        for cause in CAUSES.values():
            value = getattr(self, cause.field)
            if not cause.least <= value <= cause.most:
                raise LinkError(
                    "Q-LINK-003",
                    f"fault {cause.name} of {value:g}, allowed are {cause.least:g} to {cause.most:g}",
                    "inject the fault again with a value in that range",
                )  # fmt: skip

    def after(
        self, fault: str, value: float = 1.0, basis: Basis = Basis.RANDOM, light: Light = Light.KEPT
    ) -> Conditions:
        """The conditions after one more fault; `clear` ends all, `basis` and `light` are the
        eavesdropper's. LinkError Q-LINK-003 for a name that is no fault of optics."""
        if fault == "clear":
            return Conditions()
        if fault in ELSEWHERE:
            raise LinkError("Q-LINK-003", f"{fault} is no matter of optics", ELSEWHERE[fault])
        if fault not in CAUSES:
            raise LinkError(
                "Q-LINK-003", f"there is no fault {fault[:40]!r}", f"use one of {', '.join(FAULTS)}"
            )
        severity: dict[str, Any] = {CAUSES[fault].field: value}
        changed = replace(self, **severity)
        return replace(changed, basis=basis, light=light) if fault == "intercept" else changed

    def between(self, other: Conditions, share: float) -> Conditions:
        """The conditions `share` of the way to `other`; the eavesdropper's choices are those of `other`."""
        here, there = ({name: getattr(c, name) for name in _SEVERITIES} for c in (self, other))
        severities: dict[str, Any] = {name: here[name] + share * (there[name] - here[name]) for name in here}
        return replace(other, **severities)

    def scaled(self, factor: float) -> Conditions:
        """The severities times `factor`, each capped at its range."""
        severities: dict[str, Any] = {
            cause.field: max(cause.least, min(cause.most, getattr(self, cause.field) * factor))
            for cause in CAUSES.values()
        }
        return replace(self, **severities)

    def plus(self, other: Conditions) -> Conditions:
        """Both at once, each severity capped at its highest; the choices are those of `self`."""
        severities: dict[str, Any] = {
            cause.field: max(
                cause.least, min(cause.most, getattr(self, cause.field) + getattr(other, cause.field))
            )
            for cause in CAUSES.values()
        }
        return replace(self, **severities)

    @property
    def is_attacked(self) -> bool:
        """Whether somebody touches the quantum signals."""
        return any((self.intercept, self.splitting, self.blinding, self.shift))

    def apply(self, link: LinkParameters) -> LinkParameters:
        """The link as these conditions leave it; an eavesdropper changes no parameter."""
        if self == _CALM:
            return link
        severed = 0.0 if not self.cut else min(_CUT, -10 * math.log10(max(1e-15, 1 - self.cut)))
        loss = link.extra_loss + severed + self.bend + self.connector + self.ageing
        misalignment = min(0.5, link.misalignment + self.drift)
        lamp = (LitChannel(10 * math.log10(max(1e-6, self.raman))),) if self.raman else ()
        return replace(
            link,
            extra_loss=min(200.0, loss),
            misalignment=misalignment,
            misalignment_offsets=self._misaligned(misalignment, link.misalignment_offsets),
            lit=link.lit + lamp,
            stray=min(0.5, link.stray + self.stray + _TROJAN_NOISE * self.trojan),
            dark_factors=(link.dark_factors[0], min(1e6, link.dark_factors[1] * self._dark_factor())),
            efficiency_factors=(
                link.efficiency_factors[0], max(1e-3, link.efficiency_factors[1] * (1 - self.detector)),
            ),
            intensity_factors=self._sent(link),
            gate_offset=max(-1e-7, min(1e-7, link.gate_offset + self.clock * 1e-12)),
        )  # fmt: skip

    def _dark_factor(self) -> float:
        return float(2 ** (self.cooler / DARK_DOUBLING) * (1 + 9 * self.detector))

    def _sent(self, link: LinkParameters) -> tuple[float, ...]:
        """A modulator that extinguishes badly sends its weaker intensities too bright."""
        factors = link.intensity_factors or (1.0,) * len(link.intensities)
        if not self.modulator:
            return link.intensity_factors
        return factors[:1] + tuple(min(10.0, factor * (1 + self.modulator)) for factor in factors[1:])

    def _misaligned(self, misalignment: float, offsets: tuple[float, float]) -> tuple[float, float]:
        """Offsets per basis with the rotations of polarisation and phase added to them.

        A rotation by t about an axis at angle a from a basis turns its states wrong with probability
        sin(t/2)^2 sin(a)^2; the axis lies near the key basis. A phase concerns the interferometer of the
        test basis alone: e = (1 - V cos(phase)) / 2. Independent turns e, f add to e + f - 2 e f.
        """
        turned = math.sin(self.polarisation / 2) ** 2
        phase = math.sin((self.phase + PHASE_PER_PICOMETRE * self.laser) / 2) ** 2
        angle = math.sin(_AXIS) ** 2
        key, test = (min(1.0, misalignment + offset) for offset in offsets)
        key = _both(key, turned * angle)
        test = _both(_both(test, turned * (1 - angle)), phase)
        return key - misalignment, test - misalignment


def _both(first: float, second: float) -> float:
    return first + second - 2 * first * second


DARK_DOUBLING = 9.0
"""Kelvin that double a dark count rate (link model section 4; 8 to 10 K, unverified)."""
PHASE_PER_PICOMETRE = 0.39
"""Radians that one picometre of wavelength turns an interferometer of 500 ps at 1550 nm."""
_AXIS = 0.5  # rad between the axis of a polarisation drift and the key basis
_TROJAN_NOISE = 1e-7  # photons that scatter of a full Trojan-horse beam leaves in a gate, order only
_CUT = 150.0  # dB: no photon in the age of the universe
_CALM = Conditions()
_SEVERITIES = tuple(field.name for field in fields(Conditions) if field.name not in {"basis", "light"})
