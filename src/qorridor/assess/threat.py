"""When may a cryptographically relevant quantum computer exist? A curve, its conditioning, and exposure.

All times are years as decimals since 2000-01-01, a year being 365.25 days. The curve is opinion, not
measurement; it is printed with every result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from qorridor.estate.model import Threats

_ORIGIN = date(2000, 1, 1)
_ANCHOR = date(2025, 1, 1)
DAYS = 365.25


def years(day: date) -> float:
    """A day as years since 2000-01-01."""
    return (day - _ORIGIN).days / DAYS


def day(moment: float) -> date | None:
    """Years since 2000-01-01 as a day; None beyond the calendar."""
    try:
        return _ORIGIN + timedelta(days=moment * DAYS)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative probability by date: -ln(1 - F) is piecewise linear from (`anchor`, 0), last slope kept."""

    anchor: float
    points: tuple[tuple[float, float], ...]

    def hazard(self, moment: float) -> float:
        """H = -ln(1 - F) at a time; 0 before the anchor."""
        left, low = self.anchor, 0.0
        slope = 0.0
        for at, probability in self.points:
            high = -math.log1p(-probability)
            slope = (high - low) / (at - left)
            if moment <= at:
                return low + slope * max(0.0, moment - left)
            left, low = at, high
        return low + slope * (moment - left)

    def by(self, moment: float, now: float) -> float:
        """F(t | n): probability of a machine by `moment` when none is known at `now`, 0..1."""
        return -math.expm1(self.hazard(now) - self.hazard(moment)) if moment > now else 0.0

    def until(self, probability: float, now: float) -> float:
        """Years from `now` until F(t | n) reaches `probability`, by bisection to a second."""
        low, high = 0.0, 1.0
        while self.by(now + high, now) < probability and high < 4096:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.by(now + middle, now) < probability else (low, middle)
        return high


def curve(points: Sequence[tuple[float, float]], anchor: date = _ANCHOR) -> Curve:
    """A curve from (years after the anchor, F)."""
    start = years(anchor)
    return Curve(start, tuple((start + after, probability) for after, probability in points))


def of_estate(threats: Threats) -> Curve:
    """F = 5, 50 and 95 % at the ends of the estate's three years."""
    ends = [years(date(year + 1, 1, 1)) for year in (threats.earliest, threats.expected, threats.latest)]
    start = min(years(_ANCHOR), ends[0] - 1)
    return Curve(start, tuple(zip(ends, (0.05, 0.5, 0.95), strict=True)))


def hndl(threat: Curve, keep_secret: float, now: float, migrated: float, steps: int = 400) -> float:
    """Probability that data recorded from `now` to `migrated` is read while it must still be secret.

    Mean of F(u + X | n) over the recording times u (Simpson's rule, even `steps`); 0 once migrated.
    """
    if migrated <= now:
        return 0.0
    width = (migrated - now) / steps
    weights = [*[1, *([4, 2] * (steps // 2))][:steps], 1]
    values = (threat.by(now + index * width + keep_secret, now) for index in range(steps + 1))
    return (
        sum(weight * value for weight, value in zip(weights, values, strict=True))
        * width
        / 3
        / (migrated - now)
    )
