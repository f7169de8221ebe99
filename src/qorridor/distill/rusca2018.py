"""One decoy, for reference curves: Rusca, Boaron, Grünenfelder, Martin, Zbinden, APL 112, 171104 (2018).

Its treatment of blocks of fixed length and of statistics taken after correction was mended by Wiesemann
and others (arXiv 2405.16578); `wiesemann2024` is the default for one decoy.
"""

from __future__ import annotations

import math

from qorridor.distill.finite_key_terms import ASSUMPTIONS, Bound, Counts, Proof, Source, concluded, sampled
from qorridor.distill.one_decoy import estimate

PARTS = 19


def length(source: Source, counts: Counts, eps_sec: float, eps_cor: float, leak: float) -> Bound:
    """L = floor[s_0 + s_1 (1 - h(phi)) - leak - 6 log2(19/eps_sec) - log2(2/eps_cor)]."""
    eps = eps_sec / PARTS
    found = estimate(source, counts, eps, clipped=False)
    fixed = 6 * math.log2(PARTS / eps_sec) + math.log2(2 / eps_cor)
    return concluded(found, lambda: sampled(found.wrong, found.test_single, found.single, eps), leak + fixed)


PROOF = Proof(
    "rusca2018-1decoy", 1, public_error_pattern=False,
    assumptions=(*ASSUMPTIONS, "for reference curves: fixed length and late statistics are not covered"),
    intensities=2, eps_parts=PARTS, source="Rusca et al., Appl. Phys. Lett. 112, 171104 (2018)", length=length,
)  # fmt: skip
