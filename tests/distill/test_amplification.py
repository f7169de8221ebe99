import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.distill import amplification, modular, right_angle
from qorridor.distill.amplification import amplify, toeplitz
from qorridor.distill.reference import toeplitz_plainly


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
@pytest.mark.parametrize("path", [lambda t, x, m: toeplitz(t, x, m).bits, toeplitz_plainly,
                                  lambda t, x, m: modular.product(t, x, len(x) - 1, m)])  # fmt: skip
def test_the_toeplitz_vectors_are_met_on_every_path(n, m, head, digest, path):
    seed, x = inputs(n, m)
    out = np.packbits(path(seed, x, m)).tobytes()
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
def test_all_paths_equal_the_matrix_product(n, m, number):
    rng = np.random.Generator(np.random.Philox(number))
    seed, x = rng.integers(0, 2, n + m - 1, dtype=np.uint8), rng.integers(0, 2, n, dtype=np.uint8)
    expected = direct(seed, x, m)
    assert np.array_equal(toeplitz(seed, x, m).bits, expected)
    assert np.array_equal(toeplitz_plainly(seed, x, m), expected)
    assert np.array_equal(modular.product(seed, x, n - 1, m), expected)


@pytest.mark.compiled
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 99_991, 131_101])
def test_any_length_of_a_block_gives_the_same_bits_on_all_paths(size):
    rng = np.random.Generator(np.random.Philox(size))
    x, seed = rng.integers(0, 2, size, dtype=np.uint8), rng.integers(0, 2, size - 1, dtype=np.uint8)
    for length in (1, size // 3, size - 1):
        rest = x[length:]
        fast, exact = toeplitz(seed, rest, length), modular.product(seed, rest, len(rest) - 1, length)
        assert np.array_equal(fast.bits, exact)
        assert fast.method == "right-angle"
        rows = min(64, length)
        assert np.array_equal(exact[:rows], toeplitz_plainly(seed[: len(rest) + rows - 1], rest, rows))


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_bits_that_are_all_alike_are_no_harder(density):
    size, length = 200_000, 60_000
    x, seed = np.full(size, int(density), np.uint8), np.ones(size - 1, np.uint8)
    result = amplify(seed, x, length)
    expected = x[:length] ^ np.uint8((size - length) * int(density) & 1)
    assert result.residual < 1e-3
    assert np.array_equal(result.bits, expected)


@pytest.mark.parametrize("residual", [0.4, float("nan"), float("inf")])
def test_a_transform_that_is_not_exact_enough_gives_way_to_the_exact_path(monkeypatch, residual):
    """A processor or library that rounds wrongly: half of the bits are wrong, and the residual says so."""
    seed, x = inputs(4096, 1024)
    expected = toeplitz(seed, x, 1024)
    real = right_angle.product

    def wrong(*arguments):
        found, _ = real(*arguments)
        return found ^ np.tile(np.array([0, 1], np.uint8), len(found) // 2), residual

    monkeypatch.setattr(amplification.right_angle, "product", wrong)
    fallback = toeplitz(seed, x, 1024)
    assert (expected.method, fallback.method) == ("right-angle", "modular")
    assert np.array_equal(expected.bits, fallback.bits)


def test_a_wrong_turn_of_the_transform_shows_in_the_residual(monkeypatch):
    seed, x = inputs(4096, 1024)
    layout = right_angle._layout(-(-len(seed) // 2))
    spoilt = layout._replace(twiddles=layout.twiddles._replace(fine=layout.twiddles.fine * (1 + 1e-4)))
    monkeypatch.setattr(right_angle, "_layout", lambda _: spoilt)
    result = toeplitz(seed, x, 1024)
    assert result.residual > 0.02
    assert result.method == "modular"


@pytest.mark.compiled
def test_at_a_million_bits_the_residual_is_far_from_the_limit():
    rng = np.random.Generator(np.random.Philox(5))
    x, seed = rng.integers(0, 2, 10**6, dtype=np.uint8), rng.integers(0, 2, 10**6 - 1, dtype=np.uint8)
    result = amplify(seed, x, 300_000)
    assert result.residual < 1e-6
    assert result.method == "right-angle"
    assert np.array_equal(
        result.bits[:2000], x[:2000] ^ toeplitz_plainly(seed[: 700_000 + 1999], x[300_000:], 2000)
    )


def test_more_coefficients_than_the_modulus_bears_are_refused(monkeypatch):
    monkeypatch.setattr(modular, "MOST", 1 << 10)
    with pytest.raises(ValueError, match="1024"):
        modular.product(np.ones(1025, np.uint8), np.ones(3, np.uint8), 2, 5)


@given(st.integers(1, 10**8))
def test_every_size_has_a_transform_that_is_little_larger(size):
    rows, columns = right_angle._shape(size)
    assert size <= rows * columns
    assert size < 10_000 or rows * columns <= 1.06 * size


@pytest.mark.parametrize(("n", "seed", "length"), [(8, 7, 0), (8, 7, 9), (8, 8, 4)])
def test_impossible_sizes_are_refused(n, seed, length):
    with pytest.raises(ValueError):
        amplify(np.zeros(seed, np.uint8), np.zeros(n, np.uint8), length)


def test_a_matrix_of_another_size_than_its_seed_is_refused():
    with pytest.raises(ValueError, match="m rows"):
        toeplitz(np.zeros(10, np.uint8), np.zeros(8, np.uint8), 4)


def test_nothing_to_shorten_leaves_the_bits():
    x = bits("a", 16)
    assert np.array_equal(amplify(bits("b", 15), x, 16).bits, x)
