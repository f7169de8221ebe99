"""How much is announced for a block: fixed beforehand, in parts that modules remember, nearly always enough."""

import math

import numpy as np
import pytest

from qorridor.app.optics import REMEMBERED_CLICKS
from qorridor.distill.block import Settings
from qorridor.distill.finite_key import Source
from tests.distill.bench import NAMES

SOURCE = Source((0.4, 0.1, 0.0002), (0.3, 0.45, 0.25))


@pytest.mark.parametrize("key_basis", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("n_key", [1_000, 10**6, 10**7, 10**8])
def test_more_than_enough_is_announced_and_little_in_vain(n_key, key_basis):
    parts = Settings(NAMES, SOURCE, n_key=n_key, key_basis=key_basis).parts()
    share = key_basis**2
    matching, spread = sum(parts) * share, math.sqrt(sum(parts) * share * (1 - share))
    assert n_key < matching - 6 * spread
    assert matching < 1.011 * n_key + 7 * spread
    assert max(parts) - min(parts) <= 1
    assert max(parts) <= REMEMBERED_CLICKS / 3


def test_of_a_thousand_blocks_each_has_its_key_detections():
    settings = Settings(NAMES, SOURCE, n_key=1_000, key_basis=0.6)
    rng = np.random.Generator(np.random.Philox(3))
    assert rng.binomial(sum(settings.parts()), 0.36, 1000).min() >= 1_000
