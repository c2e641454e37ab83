"""How large many errors can be at once: one input cannot be every copy's worst.

A sum over copies, sum_c mu_c |e_c(x)|, is at most sum_c mu_c sup |e_c|, but each copy has its own
worst input. Let e_c be linear in the inputs up to a remainder, x = middle + reach u, |u_i| <= 1,
and M_ci the slope of mu_c e_c in u_i. With y_c the signs of M u, and any positive p and q,

    sum_c |(M u)_c| = y' M u <= sqrt(sum_c p_c) |P^-1/2 M Q^-1/2| sqrt(sum_i q_i),

in the spectral norm. For p and q the row and column sums of |M| it is at most 1 (Schur's test), and
both roots together are sum |M|: the bound is never worse than taking each worst input alone, and
better by about the root of the number of inputs where signs are mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.sparse_rows import SparseRows, multiply, stack

Array = NDArray[np.float64]

MOST_PRODUCTS = 2e9
"""Multiplications beyond which all sums share one scaling."""
LANCZOS_STEPS = 24
MARGIN, TINY = 0.015, 1e-9
PANEL = 64
GRAM_BLOCK = 1024
ROUNDOFF = 2.0**-24
"""Of single precision, in which the large products are made: by Schur's test for |M|, an inner
dimension n costs a squared norm at most n + 3 roundoffs, and twice that is added."""
SPARSE = 0.1
"""Matrices with a smaller share of entries are multiplied entry by entry."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """Errors e_c of a layer's copies, |e_c| <= |linear u + middle| + constant + shares |e below|.

    Attributes:
        linear: (copy, input) with |u_i| <= 1.
        middle: (copy,)
        constant: (copy,)
        shares: for each layer below, from the first, (copy, its copies) nonnegative; None where
            nothing is passed on.
    """

    linear: SparseRows
    middle: Array
    constant: Array
    shares: tuple[SparseRows | None, ...]


def stack_remainders(parts: list[Remainder]) -> Remainder:
    """Rows of each part in turn; whether something is passed on is the same in all."""
    shares = zip(*(part.shares for part in parts), strict=True)
    return Remainder(
        stack([part.linear for part in parts], max(part.linear.width for part in parts)),
        np.concatenate([part.middle for part in parts]),
        np.concatenate([part.constant for part in parts]),
        tuple(
            None if share[0] is None else stack([s for s in share if s is not None], share[0].width)
            for share in shares
        ),
    )


def _guess_eigenvalue(square: NDArray[np.float32]) -> float:
    """The largest eigenvalue, rarely more than a percent too low: the Lanczos method."""
    size = square.shape[0]
    vector = np.cos(np.arange(size, dtype=np.float32))
    vector /= np.linalg.norm(vector)
    before, link = np.zeros_like(vector), 0.0
    diagonal: list[float] = []
    links: list[float] = []
    for _ in range(min(size, LANCZOS_STEPS)):
        product = square @ vector - np.float32(link) * before
        diagonal.append(float(product @ vector))
        product -= np.float32(diagonal[-1]) * vector
        link = float(np.linalg.norm(product))
        links.append(link)
        if link < TINY:
            break
        before, vector = vector, product / np.float32(link)
    tridiagonal = np.diag(diagonal) + np.diag(links[:-1], 1) + np.diag(links[:-1], -1)
    return float(np.linalg.eigvalsh(tridiagonal)[-1])


@numba.njit(cache=True)
def _factor_panel(panel):  # type: ignore[no-untyped-def]
    """Turn a panel's columns into those of a Cholesky factor; false where there is none."""
    width = panel.shape[1]
    for j in range(width):
        if not panel[j, j] > 0.0:
            return False
        root = np.sqrt(panel[j, j])
        for row in range(j, panel.shape[0]):
            panel[row, j] /= root
        right = panel[j + 1 : width, j].copy()
        for row in range(j + 1, panel.shape[0]):
            factor = panel[row, j]
            for place in range(right.size):
                panel[row, j + 1 + place] -= factor * right[place]
    return True


def _is_positive_definite(matrix: Array) -> bool:
    """Whether a Cholesky factor exists, panel by panel: LAPACK's own is several times slower."""
    factor = np.zeros_like(matrix)
    for first in range(0, matrix.shape[0], PANEL):
        last = first + PANEL
        panel = matrix[first:, first:last] - factor[first:, :first] @ factor[first:last, :first].T
        if not _factor_panel(panel):
            return False
        factor[first:, first:last] = panel
    return True


def largest_eigenvalue(square: NDArray[np.float32]) -> float:
    """A proved upper bound, by at most a few percent, of a symmetric matrix with norm at most 1.

    The Lanczos method guesses; a Cholesky factor of guess - matrix, which exists only for a
    positive definite one (up to rounding far below TINY), proves. Eigenvalue routines are slower by
    far.
    """
    guess = _guess_eigenvalue(square) * (1 + MARGIN) + TINY
    while guess < 1:
        shifted = -square.astype(np.float64)
        np.fill_diagonal(shifted, shifted.diagonal() + guess)
        if _is_positive_definite(shifted):
            return guess + TINY
        guess *= 1 + MARGIN
    return 1.0


@numba.njit(parallel=True, cache=True)
def _add_gram(offsets, columns, values, starts, rows, factors, result):  # type: ignore[no-untyped-def]
    """Add M' M; column c's entries are factors[starts[c] : starts[c + 1]], in ``rows``."""
    for column in numba.prange(result.shape[0]):
        for place in range(starts[column], starts[column + 1]):
            row, factor = rows[place], factors[place]
            for entry in range(offsets[row], offsets[row + 1]):
                result[column, columns[entry]] += factor * values[entry]


def _gram(matrix: SparseRows) -> NDArray[np.float32]:
    """Matrix' matrix or matrix matrix', the smaller one."""
    if matrix.height < matrix.width:
        whole = matrix.dense(0, matrix.height).astype(np.float32)
        return np.asarray(whole @ whole.T)
    if matrix.values.size < SPARSE * matrix.height * matrix.width:
        sums, turned = np.zeros((matrix.width, matrix.width)), matrix.transposed()
        right = (matrix.offsets, matrix.columns, matrix.values)
        _add_gram(*right, turned.offsets, turned.columns, turned.values, sums)
        return sums.astype(np.float32)
    square = np.zeros((matrix.width, matrix.width), np.float32)
    for first in range(0, matrix.height, GRAM_BLOCK):
        last = min(first + GRAM_BLOCK, matrix.height)
        block = matrix.dense(first, last).astype(np.float32)
        square += block.T @ block
    return square


def scaled_norm(matrix: SparseRows, rows: Array, columns: Array) -> float:
    """An upper bound, at most 1, of |P^-1/2 matrix Q^-1/2| for its row and column sums.

    Every row's sum is positive, and every column's that has an entry.
    """
    used = columns > 0
    if not used.any():
        return 0.0
    place = (np.cumsum(used) - 1).astype(np.int32)
    scale = np.sqrt(np.repeat(rows, np.diff(matrix.offsets)) * columns[matrix.columns])
    scaled = SparseRows(
        matrix.offsets, place[matrix.columns], matrix.values / scale, int(used.sum())
    )
    rounding = 2 * (max(scaled.height, scaled.width) + 3) * ROUNDOFF
    return float(min(1.0, np.sqrt(largest_eigenvalue(_gram(scaled)) + rounding)))


def _sums_of_group(weights: Array, linear: SparseRows) -> Array:
    """(sum,) bounds of sup_u sum_c weight_kc |(linear u)_c|, scaled for all k in common."""
    sizes = linear.absolute_product(np.ones(linear.width))
    common = weights.mean(0)
    kept = np.flatnonzero(common * sizes > 0)
    rows = common[kept] * sizes[kept]
    matrix = linear.taken(kept)
    matrix.values[:] *= np.repeat(common[kept], np.diff(matrix.offsets))
    columns = np.zeros(matrix.width)
    np.add.at(columns, matrix.columns, np.abs(matrix.values))
    norm = scaled_norm(matrix, rows, columns)
    relative = weights[:, kept] / common[kept]
    together = np.sqrt((relative**2) @ rows) * norm * np.sqrt(columns.sum())
    return np.asarray(np.minimum(together, weights @ sizes))


def joint_sums(weights: Array, linear: SparseRows) -> Array:
    """(sum,) bounds of sup_u sum_c weight_kc |(linear u)_c| over |u_i| <= 1; weights >= 0."""
    used = np.count_nonzero(weights, axis=1)
    short = np.minimum(used, linear.width).astype(np.float64)
    if (used * short * linear.width).sum() > MOST_PRODUCTS:
        return _sums_of_group(weights, linear)
    parts = []
    for row in weights:
        kept = np.flatnonzero(row > 0)
        parts.append(_sums_of_group(row[None, kept], linear.taken(kept)))
    return np.concatenate(parts)


def total_sums(weights: list[Array | None], remainders: list[Remainder]) -> Array:
    """(sum,) bounds of sum over layers and copies of weight_kc |e_c(x)|, for the worst x.

    Args:
        weights: for each hidden layer, from the first, (sum, copy) nonnegative, or None for 0.
        remainders: of each hidden layer, from the first.
    """
    weights, total = list(weights), np.zeros(1)
    for number in range(len(remainders) - 1, -1, -1):
        weight, remainder = weights[number], remainders[number]
        if weight is None:
            continue
        total = total + joint_sums(weight, remainder.linear)
        total = total + weight @ (np.abs(remainder.middle) + remainder.constant)
        for below, share in enumerate(remainder.shares):
            if share is not None:
                already = weights[below]
                passed = multiply(weight, share)
                weights[below] = passed if already is None else already + passed
    return total
