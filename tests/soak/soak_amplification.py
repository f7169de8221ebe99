"""Privacy amplification bit for bit against exact arithmetic, and that against XOR of the seed's windows."""

import os

import numpy as np

from qorridor.distill import modular
from qorridor.distill.amplification import FLOATING, amplify
from qorridor.distill.reference import toeplitz_plainly

SEED = int(os.environ.get("SOAK_SEED", "1"))
BITS = int(float(os.environ.get("SOAK_AMPLIFIED", "1e9")))
SIZES = (10**6, 3 * 10**6, 10**7)


def test_a_thousand_million_bits_are_hashed_without_a_wrong_one():
    rng, done, largest = np.random.default_rng(SEED), 0, 0.0
    while done < BITS:
        size = int(rng.choice(SIZES)) + int(rng.integers(1000))
        length = int(size * rng.uniform(0.05, 0.9))
        bits, seed = (rng.integers(0, 2, count, dtype=np.uint8) for count in (size, size - 1))
        found = amplify(seed, bits, length)
        assert found.method == FLOATING
        exact = modular.product(seed, bits[length:], size - length - 1, length)
        np.testing.assert_array_equal(found.bits, bits[:length] ^ exact)
        done, largest = done + size, max(largest, found.residual)
    print(f"seed {SEED}: {done:,} bits, largest residual {largest:.1e}")
    assert largest < 0.02


def test_the_exact_path_is_the_xor_of_windows():
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        size, length = int(rng.integers(1000, 200_000)), int(rng.integers(100, 20_000))
        bits, seed = (rng.integers(0, 2, count, dtype=np.uint8) for count in (size, size + length - 1))
        plain = toeplitz_plainly(seed, bits, length)
        np.testing.assert_array_equal(modular.product(seed, bits, size - 1, length), plain)
