"""What can happen to a link while it runs: damage, drift, and an eavesdropper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qorridor.base.errors import LinkError
from qorridor.photonics.parameters import LinkParameters

FAULTS = ("cut", "bend", "drift", "intercept", "clear")


@dataclass(frozen=True, slots=True)
class Conditions:
    """State of the fibre during one sub-block; all zero is the undisturbed link.

    cut: no light arrives, dark counts remain. bend: added loss, 0..100 dB. drift: added misalignment,
    0..0.5. intercept: share of the pulses that an eavesdropper measures in a random basis and resends
    at the same intensity, 0..1 (intercept-resend; matched-basis QBER e -> (1-f) e + f (1/4 + e/2)).
    """

    cut: bool = False
    bend: float = 0.0
    drift: float = 0.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        for name, value, most in (
            ("bend", self.bend, 100.0), ("drift", self.drift, 0.5), ("intercept", self.intercept, 1.0),
        ):  # fmt: skip
            if not 0 <= value <= most:
                raise LinkError(
                    "Q-LINK-003", f"fault {name} of {value:g}, allowed are 0 to {most:g}",
                    "inject the fault again with a value in that range",
                )  # fmt: skip

    def after(self, fault: str, value: float = 0.0) -> Conditions:
        """The conditions after one more fault; `clear` ends all. LinkError Q-LINK-003 otherwise."""
        match fault:
            case "clear":
                return Conditions()
            case "cut":
                return replace(self, cut=True)
            case "bend":
                return replace(self, bend=value)
            case "drift":
                return replace(self, drift=value)
            case "intercept":
                return replace(self, intercept=value)
            case _:
                raise LinkError(
                    "Q-LINK-003", f"there is no fault {fault[:40]!r}", f"use one of {', '.join(FAULTS)}"
                )

    def apply(self, link: LinkParameters) -> LinkParameters:
        """The link as these conditions leave it; an eavesdropper changes no parameter."""
        return link.degraded(extra_loss=_CUT if self.cut else self.bend, misalignment=self.drift)


_CUT = 150.0  # dB: no photon in the age of the universe
