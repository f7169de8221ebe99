"""The catalogue of what can be done to a link: name, severity and its unit, and who would do it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Who would bring a cause about."""

    ATTACK = "attack"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause: `field` of the conditions, severity from `least` to `most` in `unit`."""

    name: str
    field: str
    unit: str
    most: float
    kind: Kind
    told: str
    least: float = 0.0


_ROWS = (
    Cause("intercept", "intercept", "share of the pulses", 1.0, Kind.ATTACK,
          "an eavesdropper measures pulses and resends what she found"),
    Cause("splitting", "splitting", "share of the pulses", 1.0, Kind.ATTACK,
          "she keeps one photon of every pulse that has several and stops single ones"),
    Cause("blinding", "blinding", "share of the pulses", 1.0, Kind.ATTACK,
          "bright light blinds the detectors, faked pulses make them click as she measured"),
    Cause("time-shift", "shift", "share of the pulses", 1.0, Kind.ATTACK,
          "she delays or hastens pulses to where one detector is the more efficient"),
    Cause("trojan", "trojan", "of a full beam", 1.0, Kind.ATTACK,
          "light sent into the transmitter reads its settings from the reflection"),
    Cause("cut", "cut", "share of the light lost", 1.0, Kind.FAULT, "the fibre is severed"),
    Cause("bend", "bend", "dB", 100.0, Kind.FAULT, "the fibre is bent"),
    Cause("connector", "connector", "dB", 40.0, Kind.FAULT, "a connector is dirty"),
    Cause("ageing", "ageing", "dB", 40.0, Kind.FAULT, "fibre or a splice ages; give it time with --over"),
    Cause("raman", "raman", "mW of another channel", 100.0, Kind.FAULT, "a channel is lit in the same fibre"),
    Cause("stray", "stray", "photons counted per gate and detector", 0.1, Kind.FAULT, "stray light enters"),
    Cause("cooler", "cooler", "K", 60.0, Kind.FAULT, "the cooler of detector 1 fails"),
    Cause("detector", "detector", "share of its efficiency lost", 0.95, Kind.FAULT, "detector 1 ages"),
    Cause("drift", "drift", "added error of both bases", 0.5, Kind.FAULT, "the calibration drifts"),
    Cause("polarisation", "polarisation", "rad on the Poincaré sphere", 3.2, Kind.FAULT,
          "the polarisation turns, the test basis suffers most", -3.2),
    Cause("phase", "phase", "rad", 3.2, Kind.FAULT, "the interferometer of the test basis drifts", -3.2),
    Cause("laser", "laser", "pm", 8.0, Kind.FAULT, "the laser's wavelength drifts", -8.0),
    Cause("modulator", "modulator", "relative excess", 4.0, Kind.FAULT,
          "the intensity modulator sends the weaker intensities too bright"),
    Cause("wander", "wander", "times a buried fibre's", 20.0, Kind.FAULT,
          "polarisation, phase and loss drift by themselves, as on every link"),
    Cause("clock", "clock", "ps", 50_000.0, Kind.FAULT, "light no longer meets the middle of the gate", -50_000.0),
)  # fmt: skip

CAUSES = {cause.name: cause for cause in _ROWS}
FAULTS = (*CAUSES, "clear")
ELSEWHERE = {
    "tampering": "a man in the middle sits on the classical channel between the link ends, where tags show him",
    "software": "a fault of software or keys sits in the link ends, where verification shows it",
}
"""Rows of the signature table that no light can bring about, and where they belong."""
