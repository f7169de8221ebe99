"""The best point of a score in a few dimensions: Nelder and Mead's simplex, deterministic, no derivative.

`follow` finds the narrow optimum of a hard problem by walking to it from an easy one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, ...]
Score: TypeAlias = Callable[[Point], float]
_STEP = 0.3
_CLOSE = 1e-6
_SHORTEST = 1 / 64


class Best(NamedTuple):
    """A point and its score."""

    point: Point
    value: float


class Followed(NamedTuple):
    """The best point at the end of the walk, or None where the score stays at or below zero before it;
    `reached` = the last place of the walk with a positive score."""

    best: Best | None
    reached: float


def maximise(score: Score, start: Point, *, step: float = _STEP, evaluations: int = 300) -> Best:
    """The highest score near `start` that so many evaluations find (Nelder and Mead 1965).

    `step` is the first edge of the simplex in every coordinate; coordinates are unbounded.
    """
    simplex = [Best(start, score(start))]
    for axis in range(len(start)):
        corner = tuple(x + step * (i == axis) for i, x in enumerate(start))
        simplex.append(Best(corner, score(corner)))
    spent = len(simplex)
    while spent < evaluations:
        simplex.sort(key=lambda corner: -corner.value)
        if simplex[0].value - simplex[-1].value <= _CLOSE * abs(simplex[0].value):
            break
        spent += _improve(score, simplex)
    return max(simplex, key=lambda corner: corner.value)


def _improve(score: Score, simplex: list[Best]) -> int:
    """Replace the worst corner, or draw all corners to the best; returns the evaluations spent."""
    best, second, worst = simplex[0], simplex[-2], simplex[-1]
    centre = tuple(sum(x) / (len(simplex) - 1) for x in zip(*(c.point for c in simplex[:-1]), strict=True))
    tried = _at(score, centre, worst.point, -1.0)
    if tried.value > best.value:
        further = _at(score, centre, worst.point, -2.0)
        simplex[-1] = max(tried, further, key=lambda corner: corner.value)
        return 2
    if tried.value > second.value:
        simplex[-1] = tried
        return 1
    inside = _at(score, centre, worst.point, -0.5 if tried.value > worst.value else 0.5)
    if inside.value > max(tried.value, worst.value):
        simplex[-1] = inside
        return 2
    simplex[1:] = [_at(score, best.point, corner.point, 0.5) for corner in simplex[1:]]
    return 1 + len(simplex)


def _at(score: Score, centre: Point, corner: Point, by: float) -> Best:
    point = tuple(c + by * (x - c) for c, x in zip(centre, corner, strict=True))
    return Best(point, score(point))


def follow(
    score_at: Callable[[float], Score], starts: Sequence[Point], first: float, last: float, stride: float
) -> Followed:
    """The optimum at `last`, continued from the best of `starts` at `first` in steps of at most `stride`.

    A step after which the former optimum scores nothing is halved: the region with a positive score
    shrinks towards the end, and whoever jumps misses it.
    """
    found = max((maximise(score_at(first), start) for start in starts), key=lambda best: best.value)
    at, step = first, stride
    while found.value > 0 and at < last:
        there = min(last, at + step)
        score = score_at(there)
        if score(found.point) <= 0 and step > stride * _SHORTEST:
            step /= 2
            continue
        moved = maximise(score, found.point, step=_STEP / 2, evaluations=150)
        if moved.value <= 0:
            return Followed(None, at)
        at, found = there, moved
    if found.value <= 0:
        return Followed(None, at)
    return Followed(_polished(score_at(last), found), last)


def _polished(score: Score, best: Best) -> Best:
    """The same optimum from two fresh simplices: a simplex that has collapsed finds no more."""
    for step in (_STEP, -_STEP / 3):
        best = max(best, maximise(score, best.point, step=step), key=lambda found: found.value)
    return best
