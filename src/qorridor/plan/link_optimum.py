"""Intensities, their probabilities, key-basis share and block size for the loss at hand.

One function for `plan`, `link optimise`, the links of `run` (link_design) and whoever writes a preset: a source
taken at face value can yield no key at all where a fitting one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import PROOFS, Security
from qorridor.distill.reconciliation import CASCADE, LDPC, LDPC_SIFTED
from qorridor.photonics.parameters import LinkParameters
from qorridor.plan.finite_blocks import (
    LEAST_BLOCK,
    MOST_BLOCK,
    FiniteRate,
    engines_for,
    finite_rate,
    sifted_per_second,
)
from qorridor.plan.search import Followed, Point, Score, follow

VACUUM = 2e-4
"""Mean photon number of the third intensity where the link has none: a modulator's extinction."""
BRIGHTEST = 1.0
_LEAST_SHARE = 0.01
_FIRST, _STRIDE = 3.0, 4.0  # dB
_LARGE, _DECADES = 1e7, 0.5
_DIGITS = (3, 5)  # at the very end of the reach, rounding to three may lose the key
_STARTS = ((0.0, -0.7, 0.0, 0.0, 0.5), (-0.3, -0.7, 1.0, 0.0, 1.5), (-0.3, -1.0, -0.7, 0.5, 0.0))


@dataclass(frozen=True, slots=True)
class Block:
    """How large a block may be: `size` detections of the key basis, or as many as `longest` seconds bring.

    LinkError Q-LINK-022 unless exactly one is given, within 1e3 to 1e8 detections or above zero seconds.
    """

    size: int | None = None
    longest: float | None = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.longest is None):
            raise _refused("a block has either a size or a longest time")
        if self.size is not None and not LEAST_BLOCK <= self.size <= MOST_BLOCK:
            raise _refused(
                f"blocks of {self.size:,} detections; allowed are {LEAST_BLOCK:,} to {MOST_BLOCK:,}"
            )
        if self.longest is not None and not 0 < self.longest < math.inf:
            raise _refused(f"a longest block time of {self.longest:g} s")

    def times(self, factor: float) -> Block:
        """A block so many times as large, at most the largest."""
        if self.size is not None:
            return Block(size=min(MOST_BLOCK, round(self.size * factor)))
        return Block(longest=(self.longest or 0.0) * factor)

    def detections(self, link: LinkParameters, *, vetoed: bool) -> int:
        """Size of the block for this link; 0 where its time brings fewer than the least block."""
        if self.size is not None:
            return self.size
        seen = min(MOST_BLOCK, int(sifted_per_second(link, vetoed=vetoed) * (self.longest or 0.0)))
        return seen if seen >= LEAST_BLOCK else 0


@dataclass(frozen=True, slots=True)
class Optimum:
    """The link with its source chosen, what it yields, and the loss in dB up to which a choice yields key.

    `rate` is None where no choice does; then `link` is the one that was given.
    """

    link: LinkParameters
    rate: FiniteRate | None
    reached: float
    point: Point | None = None

    @property
    def yields(self) -> float:
        """Secret bits per second, 0 without key."""
        return self.rate.secret_key_rate if self.rate else 0.0


def optimise(
    link: LinkParameters,
    block: Block,
    security: Security,
    *,
    margins: bool = False,
    near: Point | None = None,
) -> Optimum:
    """The source and basis share that give the most secret bits per second, and the block that goes with it.

    Deterministic, and rounded: three digits of an intensity, three decimals of a share, so that a last bit
    of a float that differs between two machines changes nothing. The number of intensities is the proof's;
    the darkest of three stays as the link has it. With `margins` a source is sought for either engine of
    reconciliation, and the better one taken.

    The walk begins with large blocks at low loss and continues to the link's own, because the optimum at
    long reach and for small blocks is too narrow to be met from outside. `near`, the point of an optimum at
    a slightly lower loss, saves the walk.
    """
    best = _for_engine(CASCADE, link, block, security, margins=margins, near=near)
    if not margins or not _may_sustain(best.link):
        return best
    other = _for_engine(LDPC, link, block, security, margins=True, near=best.point or near)
    return max(best, other, key=lambda found: (found.yields, found.reached))


def _may_sustain(link: LinkParameters) -> bool:
    """Whether a source like this one's may sift as little as LDPC sustains."""
    return sifted_per_second(link, vetoed=True) <= 2 * LDPC_SIFTED


def _for_engine(
    engine: str, link: LinkParameters, block: Block, security: Security, *, margins: bool, near: Point | None
) -> Optimum:
    """The optimum where blocks are charged as for this engine; its rate is that of the best engine there."""

    def score_at(loss: float, factor: float) -> Score:
        there, size = at_loss(link, loss), block.times(factor)
        return lambda point: _score(
            chosen(there, point, security), size, security, margins=margins, engine=engine
        )

    found = _walked(score_at, link.loss, block, security, near)
    if found.best is None:
        return Optimum(link, None, found.reached)
    exact = chosen(link, found.best.point, security)
    for digits in _DIGITS:
        best = _tidy(exact, digits)
        rate = face_value(best, block, security, margins=margins)
        if rate is not None and rate.length:
            return Optimum(best, rate, link.loss, found.best.point)
    return Optimum(link, None, found.reached)


def _walked(
    score_at: Callable[[float, float], Score],
    loss: float,
    block: Block,
    security: Security,
    near: Point | None,
) -> Followed:
    """From `near`, where key is left there; else from large blocks to this one, then from low loss to this."""
    here = score_at(loss, 1.0)
    if near is not None and here(near) > 0:
        return follow(lambda _: here, [near], loss, loss, _STRIDE)
    count, first = PROOFS[security.proof].intensities, min(_FIRST, loss)
    starts = [start if count == 3 else (start[0], start[1], start[2], start[4]) for start in _STARTS]
    large = math.log10(_LARGE / (block.size or _LARGE / 100))
    small = follow(lambda decades: score_at(first, 10**-decades), starts, min(0.0, -large), 0.0, _DECADES)
    if small.best is None:
        return Followed(None, 0.0)
    return follow(lambda there: score_at(there, 1.0), [small.best.point], first, loss, _STRIDE)


def face_value(
    link: LinkParameters, block: Block, security: Security, *, margins: bool = False
) -> FiniteRate | None:
    """What the link yields with its source as it is; None where the longest time brings too few detections.

    With `margins` the ends reconcile by whichever engine leaves more. LinkError Q-LINK-016 where the proof is
    for another number of intensities.
    """
    size = block.detections(link, vetoed=margins)
    if not size:
        return None
    engines = engines_for(link) if margins else (CASCADE,)
    rates = [finite_rate(link, size, security, margins=margins, engine=engine) for engine in engines]
    return max(rates, key=lambda rate: rate.surplus)


def chosen(link: LinkParameters, point: Point, security: Security) -> LinkParameters:
    """The link with the source of a point of the search, whose coordinates are unbounded.

    Three intensities: mu1 up to 1, mu2 between mu3 and mu1 - mu3, two shares, key basis; two likewise.
    """
    mu1 = 0.02 + (BRIGHTEST - 0.02) * _between(point[0])
    key_basis = 0.02 + 0.96 * _between(point[-1])
    if PROOFS[security.proof].intensities == 2:
        intensities: tuple[float, ...] = (mu1, mu1 * (0.01 + 0.98 * _between(point[1])))
    else:
        mu3 = min(darkest(link), mu1 / 10)
        intensities = (mu1, mu3 + (mu1 - 2 * mu3) * (0.01 + 0.98 * _between(point[1])), mu3)
    return replace(
        link, intensities=intensities, probabilities=_shares(point[2:-1]), key_basis=key_basis,
        basis_factor=key_basis**2,
    )  # fmt: skip


def darkest(link: LinkParameters) -> float:
    """Mean photon number of the vacuum intensity: the link's own third, or what a modulator leaves."""
    return link.intensities[2] if len(link.intensities) == 3 else VACUUM


def at_loss(link: LinkParameters, loss: float) -> LinkParameters:
    """The same link with another loss of the channel in dB: fewer panels first, then a better fibre."""
    fibre = link.length * link.attenuation
    if loss >= fibre:
        return replace(link, extra_loss=loss - fibre)
    return replace(link, extra_loss=0.0, attenuation=max(0.0, loss) / link.length)


def _score(link: LinkParameters, block: Block, security: Security, *, margins: bool, engine: str) -> float:
    """Secret bits per pulse; where there are none, how far it is to them, at or below zero."""
    size = block.detections(link, vetoed=margins)
    if not size:
        return -10.0
    found = finite_rate(link, size, security, margins=margins, engine=engine)
    return found.surplus if found.length else min(0.0, found.surplus)


def _shares(logits: Point) -> tuple[float, ...]:
    """Probabilities that sum to one, none below a hundredth."""
    weights = [math.exp(max(-30.0, min(30.0, x))) for x in (*logits, 0.0)]
    free = 1 - _LEAST_SHARE * len(weights)
    return tuple(_LEAST_SHARE + free * weight / sum(weights) for weight in weights)


def _tidy(link: LinkParameters, digits: int) -> LinkParameters:
    """Figures that can be set: so many digits of intensities, decimals of shares that sum to one."""
    shares = [round(share, digits) for share in link.probabilities[1:]]
    key_basis = round(link.key_basis, digits)
    return replace(
        link, intensities=tuple(float(f"{k:.{digits}g}") for k in link.intensities),
        probabilities=(round(1 - sum(shares), digits), *shares), key_basis=key_basis, basis_factor=key_basis**2,
    )  # fmt: skip


def _between(x: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, x))))


def _refused(cause: str) -> LinkError:
    return LinkError("Q-LINK-022", cause, 'give one, for example --block 1000000 or --block-time "60 s"')
