"""The certificate: an upper bound on the ticket's output error over the whole input domain.

Let e_c bound the error of what neuron c emits, s_j = sup |x_j| over the domain (by interval
arithmetic on the target), and T the activation's Lipschitz constant. For a copy r of a target
neuron, with kept cells w_rc and effective parameters W, b,

    e_r <= T ( sum_j |W_rj - theta_j| s_j + |b_r - beta| + sum_c |w_rc| e_c ),

the first two terms because the ticket's own parameters differ, the last because its inputs do
(triangle inequality; the vector form of Lemma 2.8). A univariate neuron's error is its Lipschitz
constant times |w| times the error of the one neuron it reads. Inputs and constants have none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation, specified_activation
from ltengine.effective import effective_rows, input_meaning, next_meaning
from ltengine.network import Network
from ltengine.role import Role
from ltengine.sparse_network import SparseLayer
from ltengine.specification import InputSpecification, Specification
from ltengine.ticket import Ticket
from ltengine.verification import live_neurons, parameter_errors

ROUNDING_SLACK = 1e-9
"""Relative inflation that covers this bound's own float64 sums (relative error below 1e-10)."""


def target_suprema(
    network: Network, activation: Activation, domain: InputSpecification
) -> tuple[NDArray[np.float64], ...]:
    """For each target layer's inputs, sup |x_j| over the domain, by interval arithmetic.

    Activations are monotone, so an interval's ends map to ends.
    """
    low = np.full(network.inputs, domain.normalised_low)
    high = np.full(network.inputs, domain.normalised_high)
    suprema = []
    for layer in network.layers:
        suprema.append(np.maximum(np.abs(low), np.abs(high)))
        up, down = np.maximum(layer.weight, 0), np.minimum(layer.weight, 0)
        bias = 0.0 if layer.bias is None else layer.bias
        low, high = (
            activation.value(up @ low + down @ high + bias),
            activation.value(up @ high + down @ low + bias),
        )
    return tuple(suprema)


def certify(
    ticket: Ticket,
    network: Network,
    layers: tuple[SparseLayer, ...],
    specification: Specification,
) -> NDArray[np.float64]:
    """(output,) an upper bound of |ticket - target| for every input in the domain.

    The ticket must have passed verification.
    """
    activation = specified_activation(specification)
    suprema = target_suprema(network, activation, specification.input)
    live = live_neurons(ticket)
    meaning = input_meaning(ticket.inputs)
    errors = np.zeros(ticket.inputs)
    for layer, cells, used in zip(ticket.layers, layers, live, strict=True):
        passed_on = np.bincount(
            cells.rows, np.abs(cells.values) * errors[cells.columns], minlength=layer.width
        )
        own = np.zeros(layer.width)
        if layer.role is Role.COPIES:
            target = network.layers[layer.target_layer - 1]
            nonnegative = (
                specification.input.normalised_low >= 0
                if layer.target_layer == 1
                else activation.nonnegative
            )
            for rows in effective_rows(layer, cells, meaning, used):
                weights, biases = parameter_errors(rows, target, nonnegative=nonnegative)
                own[rows.rows] = weights @ suprema[layer.target_layer - 1] + biases
        errors = layer.activation.lipschitz * (own + passed_on) * (1 + ROUNDING_SLACK)
        meaning = next_meaning(layer, cells, meaning, used)
    return np.asarray(errors)
