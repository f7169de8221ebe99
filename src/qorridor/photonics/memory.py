"""The transmitter's memory of a simulated link, kept lazily: what was sent in which slot.

Nobody holds a record of all pulses. Slots that clicked have their answer from the joint draw; every
other slot is drawn from the prior when it is asked for, and then remembered. Answers do not show which
of the two a slot was.
"""

from __future__ import annotations

import numpy as np

from qorridor.base.errors import LinkError
from qorridor.photonics.pairs import PairLink
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.simulation import Bits, Sent, Slots


class TransmitterMemory:
    """Answers (intensity, basis, bit) for slots in the past; grows with clicks and questions."""

    def __init__(self, link: LinkParameters | PairLink, rng: np.random.Generator) -> None:
        self._edges = np.cumsum(link.probabilities)
        self._edges[-1] = 1.0
        self._test_share = 1 - link.key_basis
        self._rng = rng
        self._known = _empty()
        self._pending: list[Sent] = []
        self._first = self._horizon = 0

    def record(self, sent: Sent, stop: int) -> None:
        """Add the jointly drawn answers of a sub-block that ends before slot `stop`."""
        self._pending.append(sent)
        self._horizon = stop

    def forget(self, before: int) -> None:
        """Drop what was sent before slot `before`; it is never asked for again."""
        self._settle()
        keep = self._known.slots >= before
        self._known = _select(self._known, keep)
        self._first = max(self._first, before)

    def answer(self, slots: Slots) -> Sent:
        """What was sent in `slots` (strictly increasing); the same for every repetition.

        LinkError Q-LINK-004 for slots in the future, already forgotten or out of order.
        """
        _in_order(slots, self._first, self._horizon)
        self._settle()
        at = np.searchsorted(self._known.slots, slots)
        inside = np.minimum(at, max(0, len(self._known.slots) - 1))
        known = np.zeros(len(slots), bool)
        if len(self._known.slots):
            known = self._known.slots[inside] == slots
        if not known.all():
            self._remember(self._draw(slots[~known]))
            inside = np.searchsorted(self._known.slots, slots)
        return _select(self._known, inside)

    def _draw(self, slots: Slots) -> Sent:
        size = len(slots)
        intensities = np.searchsorted(self._edges, self._rng.random(size), side="right").astype(np.uint8)
        bases: Bits = (self._rng.random(size) < self._test_share).view(np.uint8)
        return Sent(slots, intensities, bases, self._rng.integers(0, 2, size, dtype=np.uint8))

    def _remember(self, sent: Sent) -> None:
        self._pending.append(sent)
        self._settle()

    def _settle(self) -> None:
        if not self._pending:
            return
        parts = [self._known, *self._pending]
        self._pending = []
        merged = Sent(
            np.concatenate([part.slots for part in parts]),
            np.concatenate([part.intensities for part in parts]),
            np.concatenate([part.bases for part in parts]),
            np.concatenate([part.bits for part in parts]),
        )
        self._known = _select(merged, np.argsort(merged.slots, kind="stable"))


def _empty() -> Sent:
    none = np.empty(0, np.uint8)
    return Sent(np.empty(0, np.int64), none, none, none)


def _select(sent: Sent, index: np.ndarray) -> Sent:
    return Sent(sent.slots[index], sent.intensities[index], sent.bases[index], sent.bits[index])


def _in_order(slots: Slots, first: int, horizon: int) -> None:
    if len(slots) and not (
        first <= int(slots[0]) and int(slots[-1]) < horizon and bool((np.diff(slots) > 0).all())
    ):
        raise LinkError(
            "Q-LINK-004", f"slots asked for lie outside {first}..{horizon - 1} or out of order",
            "abort the block; the receiver announces each slot once, in order and after it has passed",
        )  # fmt: skip
