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

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_PRODUCTS = 2e9
"""Multiplications beyond which all sums share one scaling."""
POWER_STEPS = 24
MARGIN, TINY = 0.02, 1e-9
ROUNDOFF = 2.0**-24
"""Of single precision, in which the large products are made: by Schur's test for |M|, an inner
dimension n costs a squared norm at most n + 3 roundoffs, and twice that is added."""


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

    linear: Array
    middle: Array
    constant: Array
    shares: tuple[Array | None, ...]


def stack_remainders(parts: list[Remainder]) -> Remainder:
    """Rows of each part in turn; whether something is passed on is the same in all."""
    shares = zip(*(part.shares for part in parts), strict=True)
    widest = max(part.linear.shape[1] for part in parts)
    return Remainder(
        np.concatenate(
            [np.pad(p.linear, ((0, 0), (0, widest - p.linear.shape[1]))) for p in parts]
        ),
        np.concatenate([part.middle for part in parts]),
        np.concatenate([part.constant for part in parts]),
        tuple(
            None if share[0] is None else np.concatenate([s for s in share if s is not None])
            for share in shares
        ),
    )


def largest_eigenvalue(square: Array) -> float:
    """A proved upper bound, by at most a few percent, of a symmetric matrix with norm at most 1.

    The power method guesses; a Cholesky factor of guess - matrix, which exists only for a positive
    definite one (up to rounding far below MARGIN), proves. Eigenvalue routines are slower by far.
    """
    vector = np.cos(np.arange(square.shape[0], dtype=np.float64))
    for _ in range(POWER_STEPS):
        vector = vector / max(float(np.linalg.norm(vector)), TINY)
        vector = square @ vector
    guess = float(np.linalg.norm(vector)) * (1 + MARGIN) + TINY
    while guess < 1:
        try:
            np.linalg.cholesky(guess * np.eye(square.shape[0]) - square)
        except np.linalg.LinAlgError:
            guess *= 1 + 4 * MARGIN
        else:
            return guess
    return 1.0


def scaled_norm(matrix: Array, rows: Array, columns: Array) -> float:
    """An upper bound, at most 1, of |P^-1/2 matrix Q^-1/2| for its row and column sums."""
    kept, used = rows > 0, columns > 0
    scaled = matrix[np.ix_(kept, used)] / np.sqrt(rows[kept])[:, None] / np.sqrt(columns[used])
    if scaled.size == 0:
        return 0.0
    single = scaled.astype(np.float32)
    square = single @ single.T if single.shape[0] < single.shape[1] else single.T @ single
    rounding = 2 * (max(single.shape) + 3) * ROUNDOFF
    return float(min(1.0, np.sqrt(largest_eigenvalue(square.astype(np.float64)) + rounding)))


def _sums_of_group(weights: Array, linear: Array) -> Array:
    """(sum,) bounds of sup_u sum_c weight_kc |(linear u)_c|, scaled for all k in common."""
    sizes = np.abs(linear).sum(1)
    common = weights.mean(0)
    rows = common * sizes
    kept = rows > 0
    matrix = common[kept, None] * linear[kept]
    columns = np.abs(matrix).sum(0)
    norm = scaled_norm(matrix, rows[kept], columns)
    relative = weights[:, kept] / common[kept]
    together = np.sqrt((relative**2) @ rows[kept]) * norm * np.sqrt(columns.sum())
    return np.asarray(np.minimum(together, weights @ sizes))


def joint_sums(weights: Array, linear: Array) -> Array:
    """(sum,) bounds of sup_u sum_c weight_kc |(linear u)_c| over |u_i| <= 1; weights >= 0."""
    used = np.count_nonzero(weights, axis=1)
    short = np.minimum(used, linear.shape[1]).astype(np.float64)
    if (used * short * linear.shape[1]).sum() > MOST_PRODUCTS:
        return _sums_of_group(weights, linear)
    parts = []
    for row in weights:
        kept = row > 0
        parts.append(_sums_of_group(row[None, kept], linear[kept]))
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
                passed = weight @ share
                weights[below] = passed if already is None else already + passed
    return total
