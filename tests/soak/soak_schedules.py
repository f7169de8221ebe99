"""Random schedules of attacks on the messages of blocks: never a one-sided key in use, never a value used twice."""

import os

import pytest

from tests.distill import adversary

SEED = int(os.environ.get("SOAK_SEED", "1"))
SCHEDULES = int(float(os.environ.get("SOAK_SCHEDULES", "1e4")))
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_random_schedules(part):
    """Each block is attacked, and the next one must yield key."""
    count = SCHEDULES // PARTS
    first = SEED * 10**6 + part * count
    for seed in range(first, first + count):
        adversary.run(seed)
    print(f"seeds {first} to {first + count - 1}: every block equal or aborted, the next one good")
