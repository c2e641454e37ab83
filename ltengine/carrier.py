"""Carriers: univariate neurons that pass a unit on, exactly or nearly (Theorems 2.5 and 2.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation, PowerLaw, named_activation
from ltengine.errors import SpecificationError
from ltengine.specification import Specification

SMALLEST_CARRIER_EXPONENT = -60
LARGEST_CELL = {"uniform": 1.0, "normal": 5.5}
ALWAYS_ON_SPARE = 1e-5
"""By which the domain is widened, relative: inputs are normalised in single precision."""
QUADRATURE_POINTS = 4096


class SignRule(Enum):
    """Which univariate neurons can carry a unit x, by the sign of their weight w.

    ANY: phi(w x) = m w x for every w. POSITIVE: x >= 0, so w > 0 gives m+ w x. BOTH: x has either
    sign and m+ != m-, so one subset with w > 0 and one with w < 0 are needed (Lemma 2.4). PAIRED:
    neurons w and -w together give (m+ + m-) w x (Theorem 2.6). ALWAYS_ON: a bias b keeps w x + b
    from falling below 0 anywhere on the domain, so phi(w x + b) = m+ (w x + b) for every such w;
    what the biases add up to is taken out of the reader's own bias (``intercept``).
    """

    ANY = "any"
    POSITIVE = "positive"
    BOTH = "both"
    PAIRED = "paired"
    ALWAYS_ON = "always_on"


def carrier_activation(specification: Specification, activation: Activation) -> Activation:
    """Of the univariate layers."""
    name = specification.source.first_layer_activation
    if name in ("same", activation.name):
        return activation
    return named_activation(name)


def carries_exactly(specification: Specification, activation: Activation) -> bool:
    """Whether the univariate layers add no error of their own, whatever their scale."""
    carrier = carrier_activation(specification, activation)
    paired = specification.source.initialization == "looks_linear"
    law = carrier.pair_law if paired else carrier.law
    return law.coefficient == 0.0 and law.radius == math.inf


def carrier_law(carrier: Activation, rule: SignRule) -> PowerLaw:
    """How far a carrier, or a pair of them, is from linear."""
    return carrier.pair_law if rule is SignRule.PAIRED else carrier.law


def choose_sign_rule(
    carrier: Activation, specification: Specification, *, nonnegative: bool, bounded: bool
) -> SignRule:
    """How units are carried.

    Args:
        carrier: their activation.
        specification: source.
        nonnegative: the units never fall below 0.
        bounded: they are the inputs, whose domain is known exactly.
    """
    if specification.source.initialization == "looks_linear" and carrier.name != "identity":
        return SignRule.PAIRED
    if not carrier.two_sided:
        return SignRule.ANY
    if nonnegative:
        return SignRule.POSITIVE
    if bounded and specification.source.carriers == "biased":
        return SignRule.ALWAYS_ON
    return SignRule.BOTH


def always_on(
    weights: NDArray[np.float64], biases: NDArray[np.float64], low: float, high: float
) -> NDArray[np.bool_]:
    """Where w x + b never falls below 0 for low <= x <= high, with a little to spare."""
    spare = ALWAYS_ON_SPARE * max(abs(low), abs(high), high - low)
    deepest = np.maximum(-weights * (low - spare), -weights * (high + spare))
    return np.asarray(biases >= deepest)


@dataclass(frozen=True, slots=True)
class AlwaysOnNeurons:
    """What to expect of biased neurons on a domain.

    Attributes:
        share: of all neurons, that never switch off.
        size: root mean square of their weights, relative to that of all neurons.
    """

    share: float
    size: float


def expect_always_on(distribution: str, low: float, high: float) -> AlwaysOnNeurons:
    """Share and size of the neurons that never switch off, by quadrature over the weight."""
    reach = LARGEST_CELL[distribution]
    weights = (np.arange(QUADRATURE_POINTS) + 0.5) / QUADRATURE_POINTS * 2 * reach - reach
    deepest = np.maximum(-weights * low, -weights * high)
    if distribution == "uniform":
        density = np.ones(weights.size)
        enough = np.clip((1.0 - deepest) / 2, 0.0, 1.0)
    else:
        density = np.exp(-(weights**2) / 2)
        enough = np.array([math.erfc(d / math.sqrt(2)) / 2 for d in deepest])
    kept = density * enough
    square = float((kept * weights**2).sum() / kept.sum())
    usual = float((density * weights**2).sum() / density.sum())
    return AlwaysOnNeurons(float(kept.sum() / density.sum()), math.sqrt(square / usual))


def _blocks_with(candidates: int, share: float) -> int:
    """Neurons of which a random ``share`` is usable: two standard deviations more than the mean."""
    margin = math.ceil(math.sqrt(4 * (1 - share) * candidates))
    return math.ceil((candidates + margin) / share)


def carrier_block_size(rule: SignRule, candidates: int, usable_share: float = 0.5) -> int:
    """Neurons for each unit, so that each base set has about that many candidates.

    Args:
        rule: how the unit is carried.
        candidates: of a base set.
        usable_share: of one-sided and always-on neurons, those that serve a base set.
    """
    if rule is SignRule.ANY:
        return candidates
    if rule is SignRule.PAIRED:
        return 2 * candidates
    return _blocks_with(candidates, usable_share)


def carrier_exponent(
    carrier: Activation,
    rule: SignRule,
    largest_subset: int,
    allowed: float,
    supremum: float,
    largest_cell: float,
    largest_target: float,
) -> int:
    """The largest sigma = 2^k <= 1 at which carriers deviate little enough (Theorem 2.5).

    A weight uses at most largest_subset carriers (of each sign), with second-layer weights of at
    most 2 max(1, largest_target) / (sigma slope), as scales are powers of two: their deviations
    at sigma * supremum must stay within what is allowed.
    """
    paired = rule is SignRule.PAIRED
    law = carrier_law(carrier, rule)
    if law.coefficient == 0.0 and law.radius == math.inf:
        return 0
    deviation = carrier.paired_deviation if paired else carrier.deviation
    slope = carrier.m_plus + (carrier.m_minus if rule in (SignRule.BOTH, SignRule.PAIRED) else 0)
    links = largest_subset * (2 if rule is SignRule.BOTH else 1) * 2 * max(1.0, largest_target)
    for exponent in range(0, SMALLEST_CARRIER_EXPONENT, -1):
        radius = 2.0**exponent * supremum * largest_cell
        error = links * float(deviation(np.array(radius))) / (2.0**exponent * abs(slope))
        if radius <= law.radius and error <= allowed:
            return exponent
    raise SpecificationError(
        [
            {
                "pointer": "/tolerance",
                "code": "CARRIER_DEVIATION",
                "detail": f"{carrier.name} cannot carry inputs up to {supremum:g} to within "
                f'{allowed:g}; set source.first_layer_activation to "identity"',
            }
        ]
    )
