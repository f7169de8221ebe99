"""One decoy, the default: Wiesemann, Krause, Tupkary, Lütkenhaus, Rusca, Walenta, arXiv 2405.16578.

Statistics may be taken after correction; the vacuum term is dropped; bounds on counts stay within them.
Two registered forms differ in how the phase error is sampled: Serfling's inequality, or gamma as in Lim.
"""

from __future__ import annotations

import math
from functools import partial

from qorridor.distill.finite_key_terms import ASSUMPTIONS, Bound, Counts, Proof, Source, concluded, sampled
from qorridor.distill.one_decoy import estimate

PARTS = 15


def length(
    source: Source, counts: Counts, eps_sec: float, eps_cor: float, leak: float, *, serfling: bool = True
) -> Bound:
    """L = floor[s_1 (1 - h(phi)) - leak - log2(2/eps_cor) - 4 log2(15/(eps_sec 2^(1/4)))]."""
    eps = eps_sec / PARTS
    found = estimate(source, counts, eps, clipped=True)._replace(vacuum=0.0)
    phase = _serfling if serfling else sampled
    fixed = math.log2(2 / eps_cor) + 4 * math.log2(PARTS / (eps_sec * 2 ** (1 / 4)))
    return concluded(found, lambda: phase(found.wrong, found.test_single, found.single, eps), leak + fixed)


def _serfling(wrong: float, test_single: float, single: float, eps: float) -> float:
    """Phi = v/s_test + sqrt((c+d)/(c d) (d+1)/d ln(1/eps)), c = single of key, d of test basis; at most 1/2."""
    c, d = single, test_single
    return min(0.5, wrong / d + math.sqrt((c + d) / (c * d) * (d + 1) / d * math.log(1 / eps)))


_SOURCE = "Wiesemann et al., arXiv 2405.16578"
PROOF = Proof(
    "wiesemann2024-1decoy", 1, public_error_pattern=False, assumptions=ASSUMPTIONS, intensities=2,
    eps_parts=PARTS, source=f"{_SOURCE}; phase errors sampled by Serfling's inequality", length=length,
)  # fmt: skip
GAMMA_PROOF = Proof(
    "wiesemann2024-1decoy-gamma", 1, public_error_pattern=False, assumptions=ASSUMPTIONS, intensities=2,
    eps_parts=PARTS, source=f"{_SOURCE}; phase errors sampled by gamma", length=partial(length, serfling=False),
)  # fmt: skip
