import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill import amplification
from qorridor.distill.amplification import amplify, toeplitz, toeplitz_exact


def bits(label, count):
    data = hashlib.shake_256(label.encode()).digest(-(-count // 8))
    return np.unpackbits(np.frombuffer(data, np.uint8))[:count]


def inputs(n, m, modified=False):
    return bits("qorridor/pa/t", n - 1 if modified else n + m - 1), bits("qorridor/pa/x", n)


def direct(seed, x, m):
    n = len(x)
    return np.array(
        [sum(int(seed[i - j + n - 1]) & int(x[j]) for j in range(n)) & 1 for i in range(m)], np.uint8
    )


def test_the_smallest_vector_is_met():
    seed, x = inputs(8, 4)
    assert "".join(map(str, x)) == "10100111"
    assert "".join(map(str, seed)) == "01000000101"
    assert "".join(map(str, toeplitz(seed, x, 4).bits)) == "1000"


@pytest.mark.parametrize(
    ("n", "m", "head", "digest"),
    [
        (4096, 1024, "3ea92f5fc85a8ab2", "37ef7b087098cc92f6ee770dab6511a021abcc06e8e28e08158a0d4a88013589"),
        (
            65537,
            20001,
            "b67bb2f2793c29d5",
            "c0e804fffd5cbee68d5483d627c539b6c68844ca6b36d75004019c732dc549a5",
        ),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_the_toeplitz_vectors_are_met_on_both_paths(n, m, head, digest, exact):
    seed, x = inputs(n, m)
    out = np.packbits(toeplitz_exact(seed, x, m) if exact else toeplitz(seed, x, m).bits).tobytes()
    assert out[:8].hex() == head
    assert hashlib.sha256(out).hexdigest() == digest


def test_the_modified_form_meets_its_vector():
    seed, x = inputs(4096, 1024, modified=True)
    out = np.packbits(amplify(seed, x, 1024).bits).tobytes()
    assert out[:8].hex() == "836cabfe6d60fc8a"
    assert (
        hashlib.sha256(out).hexdigest() == "86e7729cabed3aba754bb40671a5844cfa63576117b524a7cfdcac268d36f8c3"
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32))
def test_both_paths_equal_the_matrix_product(n, m, number):
    rng = np.random.Generator(np.random.Philox(number))
    seed, x = rng.integers(0, 2, n + m - 1, dtype=np.uint8), rng.integers(0, 2, n, dtype=np.uint8)
    expected = direct(seed, x, m)
    assert np.array_equal(toeplitz(seed, x, m).bits, expected)
    assert np.array_equal(toeplitz_exact(seed, x, m), expected)


def test_a_transform_that_is_not_exact_enough_gives_way_to_the_exact_path(monkeypatch):
    seed, x = inputs(4096, 1024)
    expected = toeplitz(seed, x, 1024)
    monkeypatch.setattr(amplification, "RESIDUAL_LIMIT", 0.0)
    fallback = toeplitz(seed, x, 1024)
    assert (expected.method, fallback.method) == ("fft", "exact")
    assert np.array_equal(expected.bits, fallback.bits)


def test_at_a_million_bits_the_residual_is_far_from_the_limit():
    rng = np.random.Generator(np.random.Philox(5))
    x, seed = rng.integers(0, 2, 10**6, dtype=np.uint8), rng.integers(0, 2, 10**6 - 1, dtype=np.uint8)
    result = amplify(seed, x, 300_000)
    assert result.residual < 1e-6
    assert result.method == "fft"


@pytest.mark.parametrize(("n", "seed", "length"), [(8, 7, 0), (8, 7, 9), (8, 8, 4)])
def test_impossible_sizes_are_refused(n, seed, length):
    with pytest.raises(ValueError):
        amplify(np.zeros(seed, np.uint8), np.zeros(n, np.uint8), length)


def test_nothing_to_shorten_leaves_the_bits():
    x = bits("a", 16)
    assert np.array_equal(amplify(bits("b", 15), x, 16).bits, x)
