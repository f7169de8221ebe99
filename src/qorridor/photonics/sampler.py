"""Clicks of any law of independent slots, drawn exactly, and what one stretch of time leaves to the next.

    law      per slot: a setting (what both ends chose) and a cell (setting, detectors, origin)
    nodes    one law, or several equally spaced over the stretch with probabilities linear in between
    walk     geometric gaps at the highest click probability, thinned to the one that holds, dead time, echoes

Two calls of n slots with what is carried over equal one of 2n in distribution; no dead time and no echo is
lost at a border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qorridor.base.errors import LinkError
from qorridor.photonics.outcomes import Table

_ROOM = 1 << 16
_Buffers = tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Carried:
    """What clicks leave to later slots: last dead slot of each detector, and the echoes due, as slot
    and detector; absolute slots."""

    dead: tuple[int, ...]
    echo_slots: tuple[int, ...] = ()
    echo_detectors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """Probabilities of one slot. `cells[settings, masks, origins]`, mask 0 (no click) left out of it:
    cells[s, m - 1, o]; `settings[s]` = probability of the setting and of no click."""

    cells: Table
    settings: Table

    @property
    def chance(self) -> float:
        """Probability of a click in a live slot."""
        return float(self.cells.sum())


@dataclass(frozen=True, slots=True)
class Memory:
    """What a click does to the slots after it, per side of two detectors: dead slots, probability of an
    echo, and its mean delay in slots beyond the dead time."""

    dead: tuple[int, ...]
    echo: tuple[float, ...]
    decay: tuple[float, ...]
    vetoes_both: bool = True


@dataclass(frozen=True, slots=True)
class Drawn:
    """Slots that clicked, in order, absolute; setting and detectors of each; `origin` = index of the
    cells' last axis, -1 where nothing but an echo fired."""

    slots: NDArray[np.int64]
    settings: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    origins: NDArray[np.int8]
    carried: Carried


def draw(
    laws: Sequence[Law], memory: Memory, span: tuple[int, int], rng: np.random.Generator,
    carried: Carried | None = None, *, highest: float | None = None,
) -> Drawn:  # fmt: skip
    """Clicks of the slots span[0] to span[1] under `laws`, first and last at the ends of the span.

    Raises LinkError Q-LINK-005 if a click probability passes `highest`, which nobody gives but a test:
    the highest of the laws is one.
    """
    from qorridor.photonics import kernels  # noqa: PLC0415 - its cache folder may be named after the import of this module

    start, stop = span
    ready = _prepared(tuple(laws))
    top = float(ready.chances.max()) if highest is None else highest
    dead, heap, pending = _state(carried, 2 * len(memory.dead), start)
    sides = (
        np.array(memory.dead, np.int64),
        np.array(memory.echo, float),
        np.array(memory.decay, float),
    )
    found: list[_Buffers] = []
    at = 0
    while at < stop - start:
        expected = (stop - start - at) * top * (1 + max(memory.echo))
        out = _buffers(int(min(1.02 * expected + 6 * math.sqrt(expected) + 64, 4e6)))
        count, at, pending, verdict = kernels.walk(
            rng, (at, stop - start), _rate(top), ready.chances, ready.cells, ready.settings, ready.masks, sides,
            int(memory.vetoes_both), dead, heap, pending, out,
        )  # fmt: skip
        if verdict == kernels.VIOLATED:
            raise _violated(start + at, top)
        found.append((out[0][:count], out[1][:count], out[2][:count]))
        if heap.size - pending < 2:
            heap = np.concatenate([heap, np.empty_like(heap)])
    slots, codes, masks = _joined(found)
    slots += start
    return Drawn(
        slots, ready.setting_of.take(codes), masks, ready.origin_of.take(codes),
        _carried(dead, heap[:pending], start, stop),
    )  # fmt: skip


def _joined(found: Sequence[_Buffers]) -> _Buffers:
    """The pieces as one; a single piece, the usual case, is not copied."""
    if len(found) == 1:
        return found[0]
    slots, codes, masks = (
        (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else _buffers(0)
    )
    return slots, codes, masks


Alias = tuple[Table, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class _Ready:
    """Laws as the walk wants them: chances[M], alias tables of the cells that can occur and of the
    settings, the detectors of each cell, and setting and origin by code."""

    chances: Table
    cells: Alias
    settings: Alias
    masks: NDArray[np.uint8]
    setting_of: NDArray[np.uint8]
    origin_of: NDArray[np.int8]


@lru_cache(maxsize=16)
def _prepared(laws: tuple[Law, ...]) -> _Ready:
    cells = np.stack([law.cells.ravel() for law in laws])
    used = np.flatnonzero(cells.any(axis=0))
    setting, mask, origin = np.unravel_index(used, laws[0].cells.shape)
    quiet = np.arange(len(laws[0].settings))
    return _Ready(
        np.minimum(cells.sum(axis=1), 1.0), _tables(cells[:, used]),
        _tables(np.stack([law.settings for law in laws])), (mask + 1).astype(np.uint8),
        np.concatenate([setting, quiet]).astype(np.uint8),
        np.concatenate([origin, np.full(len(quiet), -1)]).astype(np.int8),
    )  # fmt: skip


def _rate(top: float) -> float:
    """-log(1 - p) of a geometric gap; a certain click has no gap at all."""
    return -math.log1p(-top) if top < 1 else math.inf


def _violated(slot: int, top: float) -> LinkError:
    return LinkError(
        "Q-LINK-005", f"the click probability in slot {slot} passes its bound of {top:g}",
        "report it: the simulator's own bound is wrong",
    )  # fmt: skip


def _buffers(size: int) -> _Buffers:
    return np.empty(size, np.int64), np.empty(size, np.int16), np.empty(size, np.uint8)


def _tables(weights: Table) -> Alias:
    """Alias tables of each row; one entry where nothing can happen."""
    from qorridor.photonics import kernels  # noqa: PLC0415 - as above

    rows = weights if weights.shape[1] else np.ones((len(weights), 1))
    keep, other = np.empty(rows.shape), np.empty(rows.shape, np.int64)
    for row, kept, others in zip(rows, keep, other, strict=True):
        kernels.alias(row, kept, others)
    return keep, other


def _state(
    carried: Carried | None, detectors: int, start: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Dead-until per detector, the heap of echoes and how many there are, relative to `start`."""
    if carried is None:
        return np.full(detectors, -1, np.int64), np.empty(_ROOM, np.int64), 0
    due = np.sort(
        (np.array(carried.echo_slots, np.int64) - start) << 2 | np.array(carried.echo_detectors, np.int64)
    )
    due = due[due >= 0]
    heap = np.empty(max(_ROOM, 2 * len(due)), np.int64)
    heap[: len(due)] = due
    return np.array(carried.dead, np.int64) - start, heap, len(due)


def _carried(dead: NDArray[np.int64], due: NDArray[np.int64], start: int, stop: int) -> Carried:
    ordered = np.sort(due)
    return Carried(
        tuple(max(int(last) + start, stop - 1) for last in dead),
        tuple(((ordered >> 2) + start).tolist()), tuple((ordered & 3).tolist()),
    )  # fmt: skip
