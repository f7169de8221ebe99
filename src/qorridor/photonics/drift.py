"""What every link does by itself: polarisation, interferometer and loss wander with time and temperature.

Ornstein-Uhlenbeck processes, drawn exactly over any span: x -> x e^(-t/T) + s sqrt(1 - e^(-2t/T)) N(0, 1).
The time T stands for the compensator that brings polarisation and phase back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qorridor.base.errors import LinkError
from qorridor.photonics.events import Conditions

DAY = 86_400.0  # s


@dataclass(frozen=True, slots=True)
class Rates:
    """How much a link wanders; zero spreads stand still. LinkError Q-LINK-001 outside 0..1000, times > 0.

    polarisation, phase = spread in rad, with their times in s; loss = spread in dB, with its time;
    temperature = amplitude of the day's course in K; weather = spread of the temperature around it in K,
    with its time; phase_per_kelvin = rad by which the interferometer follows. Defaults: buried fibre in an
    air-conditioned room, order only.
    """

    polarisation: float = 0.1
    polarisation_time: float = 600.0
    phase: float = 0.05
    phase_time: float = 60.0
    loss: float = 0.05
    loss_time: float = DAY
    temperature: float = 2.0
    weather: float = 0.5
    weather_time: float = 7200.0
    phase_per_kelvin: float = 0.02

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            least = 1e-6 if name.endswith("_time") else 0.0
            if not least <= value <= (1e9 if name.endswith("_time") else 1000.0):
                raise LinkError(
                    "Q-LINK-001", f"drift {name} is {value:g}", "give a drift that is none or slow"
                )


@dataclass(slots=True)
class Drift:
    """One link's wandering; `advance` moves it in time. Starts at its middle, at midnight."""

    rates: Rates
    seconds: float = 0.0
    polarisation: float = 0.0
    phase: float = 0.0
    loss: float = 0.0
    weather: float = 0.0

    @property
    def temperature(self) -> float:
        """Kelvin above the mean of the day."""
        return self.rates.temperature * math.sin(2 * math.pi * self.seconds / DAY) + self.weather

    def advance(self, seconds: float, rng: np.random.Generator) -> Conditions:
        """Move on by `seconds` and return the conditions there, to be added to those injected."""
        rates, noise = self.rates, rng.standard_normal(4)
        self.seconds += seconds
        self.polarisation = _moved(
            self.polarisation, seconds, rates.polarisation, rates.polarisation_time, noise[0]
        )
        self.phase = _moved(self.phase, seconds, rates.phase, rates.phase_time, noise[1])
        self.loss = _moved(self.loss, seconds, rates.loss, rates.loss_time, noise[2])
        self.weather = _moved(self.weather, seconds, rates.weather, rates.weather_time, noise[3])
        return self.conditions()

    def conditions(self) -> Conditions:
        """The conditions as they are; loss only ever adds to that of the commissioned fibre."""
        phase = self.phase + self.rates.phase_per_kelvin * self.temperature
        return Conditions(
            polarisation=max(-3.2, min(3.2, self.polarisation)), phase=max(-3.2, min(3.2, phase)),
            ageing=min(40.0, abs(self.loss)),
        )  # fmt: skip


def _moved(value: float, seconds: float, spread: float, time: float, noise: float) -> float:
    kept = math.exp(-seconds / time)
    return value * kept + spread * math.sqrt(-math.expm1(-2 * seconds / time)) * noise
