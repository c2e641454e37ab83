"""The generator against its published vectors, and against numpy's by way of a scalar oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltengine.randomness import philox, random_words

# Salmon et al.'s known-answer file, philox4x32-10: counter, key, result
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

CONSTANTS = {
    32: (0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85),
    64: (0xD2E7470EE14C6C93, 0xCA5A826395121157, 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B),
}


def scalar_philox(
    counter: tuple[int, ...], key: tuple[int, int], bits: int
) -> tuple[int, int, int, int]:
    """Philox 4 x bits, ten rounds, in Python integers."""
    m0, m1, w0, w1 = CONSTANTS[bits]
    low = (1 << bits) - 1
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (p1 >> bits) ^ c1 ^ k0, p1 & low, (p0 >> bits) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + w0) & low, (k1 + w1) & low
    return c0, c1, c2, c3


def ours(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    arrays = tuple(np.array([c], dtype=np.uint64) for c in counter)
    return tuple(int(w[0]) for w in philox(arrays, key[0] | key[1] << 32))


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_published_vectors(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    assert ours(counter, key) == answer


def test_the_scalar_oracle_is_numpy_s_philox_at_64_bits() -> None:
    key = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
    generator = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=0)

    drawn = tuple(int(v) for v in generator.random_raw(4))

    assert drawn == scalar_philox((1, 0, 0, 0), key, 64)  # numpy counts before it draws


word = st.integers(0, 2**32 - 1)


@given(st.tuples(word, word, word, word), st.tuples(word, word))
def test_the_vectorised_form_is_the_scalar_oracle(
    counter: tuple[int, ...], key: tuple[int, int]
) -> None:
    assert ours(counter, key) == scalar_philox(counter, key, 32)


@given(
    seed=st.integers(0, 2**64 - 1),
    layer=st.integers(1, 60),
    row=st.integers(0, 2**31),
    column=st.integers(0, 2**31),
)
def test_a_word_is_addressed_as_published(seed: int, layer: int, row: int, column: int) -> None:
    found = random_words(seed, 1, layer, np.array([row]), np.array([column]))

    counter = (column // 4, row, layer, 1)
    assert found[0] == ours(counter, (seed & 0xFFFFFFFF, seed >> 32))[column % 4]
