"""Standard normal cells from random words, by arithmetic that every processor rounds alike.

The quantile function is Wichura's algorithm AS 241 (PPND16), Applied Statistics 37 (1988), good to
about 1e-16. Its logarithm is taken by a series of our own, because libraries' logarithms differ in
the last bit; only +, -, *, / and square root are used, which IEEE 754 fixes.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

NORMAL_GRID_BITS = 21
"""Normal values are multiples of 2^-21 below 8 in size: exact in single precision."""

SPLIT = 0.425
CENTRE = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
CENTRE_BELOW = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
TAIL = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
TAIL_BELOW = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
LN_2 = 0.6931471805599453
SQRT_HALF = 0.7071067811865476
LN_SQRT_HALF = -0.34657359027997264
SERIES_TERMS = 11


@numba.njit
def _polynomial(coefficients, x):  # type: ignore[no-untyped-def]
    value = coefficients[7]
    for place in range(6, -1, -1):
        value = value * x + coefficients[place]
    return value


@numba.njit
def _logarithm_of_dyadic(numerator, bits):  # type: ignore[no-untyped-def]
    """ln(numerator / 2^bits), numerator a positive float64 integer.

    ln m = ln sqrt(1/2) + 2 artanh((m - sqrt(1/2)) / (m + sqrt(1/2))) for the mantissa m >= 1/2.
    """
    mantissa, exponent = numerator, 0
    while mantissa >= 1.0:
        mantissa *= 0.5
        exponent += 1
    z = (mantissa - SQRT_HALF) / (mantissa + SQRT_HALF)
    square = z * z
    series = 0.0
    for term in range(SERIES_TERMS, -1, -1):
        series = series * square + 1.0 / (2 * term + 1)
    return LN_SQRT_HALF + 2.0 * z * series + (exponent - bits) * LN_2


@numba.njit
def normal_value(top_bits):  # type: ignore[no-untyped-def]
    """The normal cell of a word's top 24 bits v: the quantile of (2 v + 1) / 2^25, rounded."""
    numerator = 2 * np.int64(top_bits) + 1
    q = (numerator - 16777216) / 33554432.0
    if abs(q) <= SPLIT:
        r = 0.180625 - q * q
        value = q * _polynomial(CENTRE, r) / _polynomial(CENTRE_BELOW, r)
    else:
        near = min(numerator, 33554432 - numerator)
        r = np.sqrt(-_logarithm_of_dyadic(np.float64(near), 25)) - 1.6
        value = _polynomial(TAIL, r) / _polynomial(TAIL_BELOW, r)
        if q < 0:
            value = -value
    return np.rint(value * 2097152.0) / 2097152.0


@numba.njit(cache=True)
def _normal_values(words, values):  # type: ignore[no-untyped-def]
    for i in range(words.size):
        values[i] = normal_value(words[i] >> 8)


def normal_from_words(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Standard normal values, multiples of 2^-21, |value| < 5.5; 0 about once in two million."""
    flat = np.ascontiguousarray(words, dtype=np.uint32).reshape(-1)
    values = np.empty(flat.size)
    _normal_values(flat, values)
    return values.reshape(words.shape)
