"""Two decoys: Lim, Curty, Walenta, Xu and Zbinden, Physical Review A 89, 022307 (2014).

Key basis X, test basis Z, three intensities mu1 > mu2 + mu3, mu2 > mu3 >= 0, all used for key.
"""

from __future__ import annotations

import math

from qorridor.distill.finite_key_terms import (
    ASSUMPTIONS,
    Bound,
    Counts,
    Estimate,
    Proof,
    Source,
    concluded,
    hoeffding,
    sampled,
)

PARTS = 21
"""eps_sec = 2(2 a1 + a2 + a3) + nu + 10 e1 + 2 e2 with all equal."""


def length(source: Source, counts: Counts, eps_sec: float, eps_cor: float, leak: float) -> Bound:
    """L = floor[s_X0 + s_X1 (1 - h(phi)) - leak - 6 log2(21/eps_sec) - log2(2/eps_cor)] (eq. 1)."""
    eps = eps_sec / PARTS
    key, test = _Bounds(source, counts.n_key, eps), _Bounds(source, counts.n_test, eps)
    found = Estimate(
        vacuum=max(0.0, key.vacuum()),
        single=min(key.single(), key.total),
        test_single=min(test.single(), test.total),
        wrong=max(0.0, _Bounds(source, counts.m_test, eps).wrong()),
    )
    fixed = 6 * math.log2(PARTS / eps_sec) + math.log2(2 / eps_cor)
    return concluded(found, lambda: sampled(found.wrong, found.test_single, found.single, eps), leak + fixed)


class _Bounds:
    """Hoeffding bounds n+- per intensity and what the decoy states make of them (eq. 2 to 4)."""

    def __init__(self, source: Source, counts: tuple[float, ...], eps: float) -> None:
        self.source = source
        self.total = math.fsum(counts)
        spread = hoeffding(self.total, eps)
        self.low = source.scaled([n - spread for n in counts])
        self.high = source.scaled([n + spread for n in counts])

    def vacuum(self) -> float:
        _, mu2, mu3 = self.source.intensities
        return self.source.weight(0) * (mu2 * self.low[2] - mu3 * self.high[1]) / (mu2 - mu3)

    def single(self) -> float:
        mu1, mu2, mu3 = self.source.intensities
        empty = max(0.0, self.vacuum()) / self.source.weight(0)
        bright = (mu2**2 - mu3**2) / mu1**2 * (self.high[0] - empty)
        gained = self.low[1] - self.high[2] - bright
        return self.source.weight(1) * mu1 * gained / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)

    def wrong(self) -> float:
        _, mu2, mu3 = self.source.intensities
        return self.source.weight(1) * (self.high[1] - self.low[2]) / (mu2 - mu3)


PROOF = Proof(
    "lim2014-2decoy", 1, public_error_pattern=False, assumptions=ASSUMPTIONS, intensities=3, eps_parts=PARTS,
    source="Lim, Curty, Walenta, Xu, Zbinden, Phys. Rev. A 89, 022307 (2014)", length=length,
)  # fmt: skip
