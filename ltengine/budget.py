"""Error budgets: how far each layer's parameters may be off for a given error of the output.

Let x and y be the target's and the perturbed network's units, e_l >= |y_l - x_l| neuron by neuron,
s_l = sup |x_l| over the input domain, T_l the Lipschitz constant behind layer l (1 behind the last
one, which has no activation), and |dW| <= eps_l where W is nonzero, 0 elsewhere. Then

    e_l <= T_l ((|W_l| + eps_l S_l) e_(l-1) + eps_l (S_l s_(l-1) + beta_l)),

S and beta being 1 where the target has a nonzero weight or bias. This is the vector form of
Lemma 2.8, with its second-order terms. Its sum over the outputs bounds the error in the paper's
norm, sup over the domain of the L1 norm. docs/theory.md proves it, and says where it differs from
the printed lemma: the product reaches the last layer, and the norm is the largest column sum.

One neuron of the target may have several copies in a ticket, which err differently. A parameter
made of links w_1 ... w_k to such copies passes on sum |w_i| times their largest error, which can be
more than |sum w_i|: ``link_sums`` is a bound of that sum for each layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.network import DenseLayer, Network
from ltengine.specification import InputSpecification

Vector = NDArray[np.float64]

ROUNDING_SLACK = 1e-9
"""Relative inflation of sums of nonnegative terms; covers float64 rounding of 10^6 of them."""
UNIT_ROUNDOFF = 2.0**-53
FUNCTION_ROUNDING = 1e-12
"""Relative error, with much to spare, of an activation function as numpy computes it."""
SEARCH_PRECISION = 1e-3
"""The common factor of all tolerances is found to this relative precision, from below."""
LARGEST_FACTOR = 2.0**40
"""Reached only where every tolerance is at its useful most."""


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """Allowed errors, layer by layer, and what they add up to.

    Attributes:
        tolerances: eps_l, the allowed error of every nonzero parameter of target layer l.
        activation_errors: what the carriers of one input (the univariate neurons behind one weight)
            may together add to a pre-activation of layer l, beyond the error of the weight; 0 where
            none was reserved.
        unit_errors: for each layer's inputs, then for the outputs: bounds of |y - x|.
        output_error: the sum of the last of them; at most the output tolerance.
    """

    tolerances: tuple[float, ...]
    activation_errors: tuple[float, ...]
    unit_errors: tuple[Vector, ...]
    output_error: float


def unit_suprema(
    network: Network, activation: Activation, domain: InputSpecification
) -> tuple[Vector, ...]:
    """For each layer's inputs, at least sup |x_j| over the domain: interval arithmetic, outward."""
    low = np.full(network.inputs, domain.normalised_low)
    high = np.full(network.inputs, domain.normalised_high)
    suprema = []
    for layer in network.layers:
        magnitude = np.maximum(np.abs(low), np.abs(high))
        suprema.append(magnitude)
        up, down = np.maximum(layer.weight, 0.0), np.minimum(layer.weight, 0.0)
        bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
        # standard error bound of a sum of n products, doubled
        rounding = 2 * (layer.inputs + 2) * UNIT_ROUNDOFF
        slack = rounding * (np.abs(layer.weight) @ magnitude + np.abs(bias))
        below = up @ low + down @ high + bias - slack
        above = up @ high + down @ low + bias + slack
        low, high = activation.image(below, above)
        slack = FUNCTION_ROUNDING * np.maximum(np.abs(low), np.abs(high))
        low, high = low - slack, high + slack
    return tuple(suprema)


@dataclass(frozen=True, slots=True)
class _Sensitivity:
    """One target layer as error propagation sees it.

    Attributes:
        weight: (output, input) |W|.
        support: (output, input) 1.0 where the weight is nonzero.
        load: (output,) S s + beta: what an error of 1 in every parameter adds.
        fan_in: (output,) number of nonzero weights.
        lipschitz: of the activation behind the layer.
        link_sum: bound of the sum of |links| that make one weight; 0 if all read one neuron.
    """

    weight: Vector
    support: Vector
    load: Vector
    fan_in: Vector
    lipschitz: float
    link_sum: float

    def passed_on(self, errors: Vector, tolerance: float) -> Vector:
        """(output,) pre-activation error caused by the inputs' errors."""
        if self.link_sum == 0.0:
            return np.asarray(self.weight @ errors + tolerance * (self.support @ errors))
        links = np.maximum(self.weight + tolerance * self.support, self.link_sum * self.support)
        return np.asarray(links @ errors)


def _sensitivities(
    network: Network,
    activation: Activation,
    suprema: tuple[Vector, ...],
    link_sums: Sequence[float] | None,
) -> list[_Sensitivity]:
    found = []
    last = len(network.layers) - 1
    for number, layer in enumerate(network.layers):
        support = (layer.weight != 0.0).astype(np.float64)
        biased = 0.0 if layer.bias is None else (layer.bias != 0.0).astype(np.float64)
        found.append(
            _Sensitivity(
                np.abs(layer.weight),
                support,
                np.asarray(support @ suprema[number] + biased),
                support.sum(axis=1),
                1.0 if number == last else activation.lipschitz,
                0.0 if link_sums is None else link_sums[number],
            )
        )
    return found


def _propagate(
    layers: Sequence[_Sensitivity],
    tolerances: Vector,
    activation_errors: Vector,
) -> tuple[Vector, ...]:
    """Errors of the inputs (none), of each layer's units and of the outputs."""
    errors = [np.zeros(layers[0].weight.shape[1])]
    for layer, tolerance, residual in zip(layers, tolerances, activation_errors, strict=True):
        own = tolerance * layer.load + residual * layer.fan_in
        total = layer.lipschitz * (own + layer.passed_on(errors[-1], tolerance))
        errors.append(total * (1 + ROUNDING_SLACK))
    return tuple(errors)


def output_error(
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    tolerances: Sequence[float],
    *,
    link_sums: Sequence[float] | None = None,
) -> Vector:
    """(output,) at least sup over the domain of |y - x|, for any errors within the tolerances."""
    suprema = unit_suprema(network, activation, domain)
    layers = _sensitivities(network, activation, suprema, link_sums)
    return _propagate(layers, np.array(tolerances), np.zeros(len(layers)))[-1]


def _first_order(layers: Sequence[_Sensitivity]) -> tuple[list[float], list[float]]:
    """What an error of 1 of each layer's parameters, and of its carriers, costs at the output."""
    parameters, carriers = [], []
    # d(sum of outputs) / d(units of the layer), in absolute value
    gain = np.ones(layers[-1].weight.shape[0])
    for layer in reversed(layers):
        gain = gain * layer.lipschitz
        parameters.append(float(gain @ layer.load))
        carriers.append(float(gain @ layer.fan_in))
        gain = gain @ np.maximum(layer.weight, layer.link_sum * layer.support)
    return parameters[::-1], carriers[::-1]


def _quotients(amounts: Sequence[float], costs: Sequence[float]) -> Vector:
    """What each amount pays for: anything, where it costs nothing."""
    return np.array([a / c if c > 0.0 else math.inf for a, c in zip(amounts, costs, strict=True)])


def _most_useful(layer: DenseLayer) -> float:
    """At this tolerance every parameter of the layer may be dropped; more would mean nothing."""
    return layer.largest or 1.0


def _largest_factor(fits: Callable[[float], bool]) -> float:
    """The largest factor that fits, to the search's precision and never above it."""
    low, high = 0.0, 1.0
    while high < LARGEST_FACTOR and fits(high):
        low, high = high, 2 * high
    while high - low > SEARCH_PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _total(errors: Vector) -> float:
    return float(errors.sum()) * (1 + ROUNDING_SLACK)


def error_budget(
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    output_tolerance: float,
    *,
    activation_share: float = 0.0,
    carried_layers: Sequence[int] = (1,),
    link_sums: Sequence[float] | None = None,
    shares: Sequence[float] | None = None,
) -> ErrorBudget:
    """Split an output tolerance over layers.

    Args:
        network: the target.
        activation: between its layers.
        domain: of the inputs.
        output_tolerance: for sup over the domain of the L1 norm of the output's error.
        activation_share: the fraction reserved for univariate neurons that are only approximately
            linear, below 1; 0 where they are exact.
        carried_layers: the target layers, from 1, whose inputs such neurons carry.
        link_sums: for each layer, a bound of the sum of |links| that make one weight, where the
            links read different copies of a neuron; None (or 0 for a layer) where all links of a
            weight carry one value, as in 2L and in the first layer.
        shares: of each layer in what is left, positive, their sum at most 1; None: even, as in
            Lemma 2.8. With shares in proportion to the number of problems, links are fewest.

    Raises:
        ValueError: a tolerance or share out of its range.
    """
    depth = len(network.layers)
    shares = [1.0 / depth] * depth if shares is None else shares
    if not output_tolerance > 0.0 or not 0.0 <= activation_share < 1.0:
        raise ValueError("the output tolerance must be positive and activation_share in [0, 1)")
    if len(shares) != depth or min(shares) <= 0.0 or sum(shares) > 1.0 + ROUNDING_SLACK:
        raise ValueError("one positive share for each layer, their sum at most 1")
    layers = _sensitivities(
        network, activation, unit_suprema(network, activation, domain), link_sums
    )
    parameter_costs, carrier_costs = _first_order(layers)
    left = (1.0 - activation_share) * output_tolerance
    reserved = activation_share * output_tolerance / max(1, len(carried_layers))
    carried = [reserved if number in carried_layers else 0.0 for number in range(1, depth + 1)]
    first_order = _quotients([share * left for share in shares], parameter_costs)
    carrier_errors = _quotients(carried, carrier_costs)
    # where nothing reads the carriers any error would do; give a finite one
    carrier_errors = np.where(np.isinf(carrier_errors), carried, carrier_errors)
    most = np.array([_most_useful(layer) for layer in network.layers])

    # The split is by first-order costs; one common factor makes the full bound hold, and spends
    # what layers at their most leave over.
    def allowed(factor: float) -> tuple[Vector, Vector]:
        return np.minimum(factor * first_order, most), min(factor, 1.0) * carrier_errors

    def propagated(factor: float) -> tuple[Vector, ...]:
        return _propagate(layers, *allowed(factor))

    factor = _largest_factor(lambda f: _total(propagated(f)[-1]) <= output_tolerance)
    tolerances, activation_errors = allowed(factor)
    errors = propagated(factor)
    return ErrorBudget(
        tuple(float(t) for t in tolerances),
        tuple(float(e) for e in activation_errors),
        errors,
        _total(errors[-1]),
    )


def layer_tolerances(
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    output_tolerance: float,
    *,
    activation_share: float = 0.0,
    carried_layers: Sequence[int] = (1,),
    link_sums: Sequence[float] | None = None,
    shares: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """eps_l of each target layer; see ``error_budget``, which also says what they add up to."""
    return error_budget(
        network,
        activation,
        domain,
        output_tolerance,
        activation_share=activation_share,
        carried_layers=carried_layers,
        link_sums=link_sums,
        shares=shares,
    ).tolerances


def lemma_tolerances(
    network: Network, activation: Activation, domain: InputSpecification, output_tolerance: float
) -> tuple[float, ...]:
    """eps_l of Lemma 2.8, corrected: all layers above, largest column sums, n_l eps_l <= eps / L.

    eps_l = eps / (n_l L) min(1, [T_l ... T_L (1 + M_(l-1)) prod_(k > l) (|W_k|_1 + eps / L)]^-1)
    with M_(l-1) >= sup of the L1 norm of the layer's inputs and |W|_1 the largest column sum.
    """
    depth = len(network.layers)
    share = output_tolerance / depth
    suprema = unit_suprema(network, activation, domain)
    found: list[float] = []
    amplification = 1.0  # T_(l+1) ... T_L and the product over the layers above
    for number in reversed(range(depth)):
        layer = network.layers[number]
        if number < depth - 1:
            amplification *= activation.lipschitz
        needed = amplification * (1.0 + float(suprema[number].sum())) * (1 + ROUNDING_SLACK)
        found.append(share / layer.outputs * min(1.0, 1.0 / needed))
        amplification *= float(np.abs(layer.weight).sum(axis=0).max()) + share
    return tuple(reversed(found))
