"""How faults come over a link: at once, or slowly over a span of time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from qorridor.photonics.causes import CAUSES
from qorridor.photonics.events import Basis, Conditions, Light

MOMENTS = 5
"""Conditions given to one stretch of time while something changes; probabilities are linear in between."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """One severity on its way: from `before` in slot `begins` to `after` in slot `ends`."""

    cause: str
    before: float
    after: float
    begins: int
    ends: int

    def at(self, slot: int) -> float:
        """The severity in a slot."""
        share = (slot - self.begins) / (self.ends - self.begins)
        return self.before + min(1.0, max(0.0, share)) * (self.after - self.before)


@dataclass(frozen=True, slots=True)
class Course:
    """What is settled, and what is on its way; `settled` holds where each ramp will end."""

    settled: Conditions = field(default_factory=Conditions)
    ramps: tuple[Ramp, ...] = ()

    def inject(
        self, cause: str, severity: float, slot: int, span: int = 0, *, basis: Basis = Basis.RANDOM,
        light: Light = Light.KEPT,
    ) -> Course:  # fmt: skip
        """The course after one more cause from `slot` on, reached `span` slots later; `clear` ends all at
        once. LinkError Q-LINK-003 as of Conditions.after."""
        settled = self.settled.after(cause, severity, basis, light)
        if cause == "clear":
            return Course(settled)
        before = getattr(self.at(slot), CAUSES[cause].field)
        left = tuple(ramp for ramp in self.ramps if ramp.cause != cause and ramp.ends > slot)
        rising = (Ramp(cause, before, severity, slot, slot + span),) if span > 0 else ()
        return Course(settled, left + rising)

    def at(self, slot: int) -> Conditions:
        """The conditions in a slot."""
        moving: dict[str, Any] = {CAUSES[ramp.cause].field: ramp.at(slot) for ramp in self.ramps}
        return replace(self.settled, **moving) if moving else self.settled

    def over(self, start: int, stop: int) -> tuple[Conditions, ...]:
        """The conditions at equally spaced moments of a stretch, one where nothing moves."""
        if all(ramp.ends <= start or ramp.begins >= stop for ramp in self.ramps):
            return (self.at(start),)
        return tuple(self.at(start + (stop - start) * at // (MOMENTS - 1)) for at in range(MOMENTS))
