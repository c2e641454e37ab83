"""From the spec to what each target layer needs: its parameter tolerance and its base sets."""

from __future__ import annotations

from ltengine.activation import Activation
from ltengine.auto_base_set import choose_base_sets
from ltengine.budget import error_budget, unit_suprema
from ltengine.carrier import carries_exactly
from ltengine.layout import carried_layers, fixed_base_set
from ltengine.network import Network
from ltengine.plan import Requirement
from ltengine.specification import Specification

DEVIATION_SHARE = 0.25
"""Carriers may be off by this share of what the tolerance allows (Theorem 2.5's sigma)."""


def _parameter_tolerances(
    network: Network, activation: Activation, specification: Specification, tolerance: float
) -> list[tuple[float, float]]:
    """(tolerance, carrier error) of each layer, the same tolerance everywhere."""
    suprema = unit_suprema(network, activation, specification.input)
    return [
        (tolerance, DEVIATION_SHARE * tolerance * max(float(supremum.max()), 1.0))
        for supremum in suprema
    ]


def _output_tolerances(
    network: Network, activation: Activation, specification: Specification, tolerance: float
) -> list[tuple[float, float]]:
    """(tolerance, carrier error) of each layer, from the error budget."""
    exact = carries_exactly(specification, activation)
    budget = error_budget(
        network,
        activation,
        specification.input,
        tolerance,
        activation_share=0.0 if exact else DEVIATION_SHARE,
        carried_layers=sorted(carried_layers(network, specification)),
    )
    tolerances = [min(epsilon, 1.0) for epsilon in budget.tolerances]
    return list(zip(tolerances, budget.activation_errors, strict=True))


def layer_requirements(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    tightening: float = 1.0,
) -> tuple[Requirement, ...]:
    """What each target layer needs.

    Args:
        network: the target.
        activation: between its layers.
        specification: tolerance and base sets.
        tightening: in (0, 1], multiplies an output tolerance.

    Raises:
        SpecificationError: base sets are left to statistics that do not exist.
        UnsolvedProblemsError: no base set is large enough, as the statistics go.
    """
    tolerance = specification.tolerance
    if tolerance.parameter is not None:
        pairs = _parameter_tolerances(network, activation, specification, tolerance.parameter)
    else:
        assert tolerance.output is not None  # the spec holds exactly one of the two
        wanted = tolerance.output * tightening
        pairs = _output_tolerances(network, activation, specification, wanted)
    if specification.base_set == "auto":
        base_sets = choose_base_sets(network, activation, specification, pairs)
    else:
        carried = carried_layers(network, specification)
        base_sets = [
            fixed_base_set(specification, products=number in carried)
            for number in range(1, len(pairs) + 1)
        ]
    return tuple(
        Requirement(epsilon, carrier_error, base_set)
        for (epsilon, carrier_error), base_set in zip(pairs, base_sets, strict=True)
    )
