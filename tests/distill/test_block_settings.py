"""How much of a block is announced at once: no more than a module remembers, and in few enough batches."""

import pytest

from qorridor.app.optics import REMEMBERED_CLICKS
from qorridor.distill.block import Settings
from qorridor.distill.finite_key import Source
from qorridor.distill.party import _MOST_BATCHES
from tests.distill.bench import NAMES

SOURCE = Source((0.4, 0.1, 0.0002), (0.3, 0.45, 0.25))


@pytest.mark.parametrize("key_basis", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("n_key", [1_000, 10**6, 10**7, 10**8])
def test_a_block_is_announced_in_batches_that_end_it(n_key, key_basis):
    settings = Settings(NAMES, SOURCE, n_key=n_key, key_basis=key_basis)
    missing, batches = n_key, []
    while missing > 0:
        batches.append(settings.batch(missing))
        missing -= int(batches[-1] * key_basis**2)
    assert len(batches) < _MOST_BATCHES - 10
    assert sum(batches) < 1.001 * n_key / key_basis**2 + 500
    if n_key <= 10**7 and key_basis >= 0.5:  # what links of `run` take
        assert max(batches) <= REMEMBERED_CLICKS / 3


def test_a_block_of_the_usual_size_is_announced_nearly_whole_at_once():
    settings = Settings(NAMES, SOURCE, n_key=10**6, key_basis=0.6)
    assert settings.batch(10**6) > 0.99 * 10**6 / 0.36
