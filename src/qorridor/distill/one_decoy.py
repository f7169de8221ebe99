"""What the one-decoy proofs share: photon bounds from two intensities mu1 > mu2 > 0 and the errors seen.

Formulas of Rusca, Boaron, Grünenfelder, Martin and Zbinden, Applied Physics Letters 112, 171104 (2018).
Without a vacuum intensity the empty pulses are bounded from above by their errors, half of them wrong.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from qorridor.base.errors import LinkError
from qorridor.distill.finite_key_terms import Counts, Estimate, Source, hoeffding


class Basis(NamedTuple):
    """Bounds of one basis; `clipped` keeps each bound on a count between 0 and the count of the basis."""

    source: Source
    detections: tuple[float, ...]
    errors: tuple[float, ...]
    eps: float
    clipped: bool

    @property
    def total(self) -> float:
        """n: detections of the basis."""
        return math.fsum(self.detections)

    def low(self, counts: tuple[float, ...]) -> list[float]:
        """Lower bounds e^k/p_k (n_k - delta)."""
        spread = hoeffding(math.fsum(counts), self.eps)
        return self.source.scaled([max(0.0, n - spread) if self.clipped else n - spread for n in counts])

    def high(self, counts: tuple[float, ...]) -> list[float]:
        """Upper bounds e^k/p_k (n_k + delta)."""
        total = math.fsum(counts)
        spread = hoeffding(total, self.eps)
        return self.source.scaled([min(total, n + spread) if self.clipped else n + spread for n in counts])

    def vacuum(self) -> float:
        """s_0 from below: tau0/(mu1-mu2) (mu1 n-_mu2 - mu2 n+_mu1)."""
        mu1, mu2 = self.source.intensities
        least = mu1 * self.low(self.detections)[1] - mu2 * self.high(self.detections)[0]
        return self.source.weight(0) / (mu1 - mu2) * least

    def vacuum_above(self) -> float:
        """s_0 from above: min over k of 2 [tau0 e^k/p_k (m_k + delta(m)) + delta(n)]."""
        most = min(self.high(self.errors))
        above = 2 * (self.source.weight(0) * most + hoeffding(self.total, self.eps))
        return min(above, self.total) if self.clipped else above

    def single(self) -> float:
        """s_1 from below: tau1 mu1/(mu2 (mu1-mu2)) [n-_mu2 - mu2^2/mu1^2 n+_mu1 - (mu1^2-mu2^2)/mu1^2 s_0/tau0]."""
        mu1, mu2 = self.source.intensities
        seen = self.low(self.detections)[1] - mu2**2 / mu1**2 * self.high(self.detections)[0]
        empty = (mu1**2 - mu2**2) / mu1**2 * self.vacuum_above() / self.source.weight(0)
        return min(self.source.weight(1) * mu1 / (mu2 * (mu1 - mu2)) * (seen - empty), self.total)

    def wrong(self) -> float:
        """v_1 from above: tau1/(mu1-mu2) (m+_mu1 - m-_mu2)."""
        mu1, mu2 = self.source.intensities
        most = self.high(self.errors)[0] - self.low(self.errors)[1]
        return max(0.0, self.source.weight(1) / (mu1 - mu2) * most)


def estimate(source: Source, counts: Counts, eps: float, *, clipped: bool) -> Estimate:
    """Bounds of both bases; LinkError Q-LINK-016 without the errors of the key basis."""
    if counts.m_key is None:
        raise LinkError(
            "Q-LINK-016", "a one-decoy proof needs the errors of the key basis, known after correction",
            "compute the length after reconciliation, with m_key in the counts",
        )  # fmt: skip
    key = Basis(source, counts.n_key, counts.m_key, eps, clipped)
    test = Basis(source, counts.n_test, counts.m_test, eps, clipped)
    return Estimate(max(0.0, key.vacuum()), key.single(), test.single(), test.wrong(), key.vacuum_above())
