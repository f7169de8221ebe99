"""Quantities: a number whose unit is its type, read from and written as text with a unit.

Each type is a float in its base unit, so arithmetic is plain; what crosses a border is the type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import ClassVar, Self

_TEXT = re.compile(r"\s*([+-]?[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9]+)?|[+-]?\.[0-9]+)\s*(.*?)\s*")


class Quantity(float):
    """A finite number in the base unit `unit`; `units` maps each accepted spelling to its factor."""

    unit: ClassVar[str] = ""
    units: ClassVar[Mapping[str, float]] = {}
    minimum: ClassVar[float] = 0.0
    maximum: ClassVar[float] = math.inf
    example: ClassVar[str] = ""
    __slots__ = ()

    def __new__(cls, value: float) -> Self:
        """A value in the base unit; raises ValueError outside the type's range."""
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is not a finite number")
        if not cls.minimum <= number <= cls.maximum:
            raise ValueError(f"{number:g} {cls.unit} is outside {cls._range()}".replace("  ", " "))
        return super().__new__(cls, number)

    @classmethod
    def _range(cls) -> str:
        top = "" if math.isinf(cls.maximum) else f" to {cls.maximum:g}"
        return f"{cls.minimum:g}{top} {cls.unit}".strip() if top else f"{cls.minimum:g} {cls.unit} or more"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `27.4 km`; raises ValueError with the cause and an example that would do."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f'"{text}" is not a number with a unit; write for example "{cls.example}"')
        number, unit = match.groups()
        if not unit and "" not in cls.units:
            raise ValueError(f'{text.strip()} has no unit; write for example "{cls.example}"')
        if unit not in cls.units:
            known = ", ".join(name for name in cls.units if name)
            raise ValueError(
                f'"{unit}" is no unit of this quantity; use one of {known}, as in "{cls.example}"'
            )
        return cls(float(number.replace("_", "")) * cls.units[unit])

    def __str__(self) -> str:
        return f"{self:g} {self.unit}".strip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({float(self)!r})"

    def scaled(self) -> str:
        """The value in the largest unit that keeps it at or above one."""
        fitting = [(factor, name) for name, factor in self.units.items() if factor <= abs(self)]
        factor, name = max(fitting, default=(1.0, self.unit))
        return f"{self / factor:.4g} {name}"


class Kilometre(Quantity):
    """Length of fibre or distance in kilometres, 0 to 100 000."""

    unit, units, maximum, example = "km", {"km": 1.0, "m": 1e-3}, 1e5, "27.4 km"
    __slots__ = ()


class Decibel(Quantity):
    """A loss as a ratio in decibels, 0 to 200; a ratio is never in dBm."""

    unit, units, maximum, example = "dB", {"dB": 1.0}, 200.0, "6.9 dB"
    __slots__ = ()


class DecibelPerKilometre(Quantity):
    """Attenuation of fibre in dB/km, 0 to 10."""

    unit, units, maximum, example = "dB/km", {"dB/km": 1.0}, 10.0, "0.2 dB/km"
    __slots__ = ()


class DecibelMilliwatt(Quantity):
    """Optical power in dBm, -150 to 60."""

    unit, units, minimum, maximum, example = "dBm", {"dBm": 1.0}, -150.0, 60.0, "-28 dBm"
    __slots__ = ()


class Duration(Quantity):
    """A span of time in seconds; a year is 365.25 days."""

    unit, example = "s", "2 min"
    units = {
        "ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "second": 1.0, "seconds": 1.0,
        "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
        "d": 86400.0, "day": 86400.0, "days": 86400.0, "week": 604800.0, "weeks": 604800.0,
        "month": 2629800.0, "months": 2629800.0, "year": 31557600.0, "years": 31557600.0,
    }  # fmt: skip
    _shown = (("year", 31557600.0), ("day", 86400.0), ("hour", 3600.0), ("min", 60.0), ("s", 1.0),
              ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))  # fmt: skip
    __slots__ = ()

    def __str__(self) -> str:
        for name, factor in self._shown:
            if self >= factor:
                count = f"{self / factor:.4g}"
                plural = "s" if name in {"year", "day", "hour"} and count != "1" else ""
                return f"{count} {name}{plural}"
        return f"{self:g} s"


class BitRate(Quantity):
    """Bits per second."""

    unit, example = "bit/s", "10 Gbit/s"
    units = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9, "Tbit/s": 1e12}
    __slots__ = ()
    __str__ = Quantity.scaled


class Frequency(Quantity):
    """Cycles or pulses per second."""

    unit, units, example = "Hz", {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "THz": 1e12}, "1 GHz"
    __slots__ = ()
    __str__ = Quantity.scaled


class Rate(Quantity):
    """Events per second."""

    unit, example = "per second", "200 per second"
    units = {"per second": 1.0, "/s": 1.0, "per minute": 1 / 60, "per hour": 1 / 3600}
    __slots__ = ()


class Probability(Quantity):
    """A probability or ratio, 0 to 1; `5 %` and `0.05` are the same."""

    unit, units, maximum, example = "", {"": 1.0, "%": 0.01}, 1.0, "0.25"
    __slots__ = ()


class Money(str):
    """An amount with its ISO 4217 currency and, for a price over time, its period: `18_000 GBP/year`."""

    __slots__ = ()
    example: ClassVar[str] = "18_000 GBP/year"
    _form = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)\s+([A-Z]{3})(?:/(year|month|day))?")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an amount; raises ValueError with an example."""
        if cls._form.fullmatch(text.strip()) is None:
            raise ValueError(f'"{text}" is no amount of money; write for example "{cls.example}"')
        return cls(text.strip())

    @property
    def amount(self) -> float:
        """The number alone."""
        match = self._form.fullmatch(self)
        return float(match[1].replace("_", "")) if match else 0.0
