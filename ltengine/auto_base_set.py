"""Base sets chosen from the tolerance and the failure probability (``base_set: "auto"``).

The union bound of Theorem 2.9: the failure probability delta is shared out over all subset-sum
problems, each layer getting its share by their number. How many there are depends in turn on the
copies, that is on the base sets above (the paper's rho), so the choice is repeated until it
settles.
"""

from __future__ import annotations

from collections.abc import Sequence

from ltengine.activation import Activation
from ltengine.carrier import SignRule
from ltengine.errors import SpecificationError
from ltengine.failure import choose_candidates
from ltengine.layout import plan_network, posed_magnitudes
from ltengine.network import Network
from ltengine.plan import BaseSetSize, LayerPlan, Requirement
from ltengine.problem import FRACTION_BITS, fixed_point_tolerance
from ltengine.role import Role
from ltengine.specification import Specification

FIRST_GUESS = BaseSetSize(20, 32, 10)
USUAL_LARGEST_SUBSET = 10
FINE_TOLERANCE = 1e-3
FINE_LARGEST_SUBSET = 16
"""Below the fine tolerance ten elements often have too few sums; sixteen have enough."""
ROUNDS = 6
FEWEST_CANDIDATES = 16
"""Constant neurons are subset sums too, and want some choice even if no parameter does."""
SMALLEST_KEPT = 2.0**-FRACTION_BITS


def _distribution(below: LayerPlan, specification: Specification) -> str:
    if below.carriers_below:
        raise SpecificationError(
            [
                {
                    "pointer": "/base_set",
                    "code": "NO_STATISTICS",
                    "detail": "there are no failure statistics for inputs that are carried through "
                    "several layers; give base_set numbers, or a smaller source.depth",
                }
            ]
        )
    product = "_product" if below.role is Role.UNIVARIATE else ""
    return f"{specification.source.distribution}{product}"


def _problems(layer: LayerPlan, below: LayerPlan, network: Network) -> float:
    """Problems of a layer if all its copies were built."""
    signs = 2 if below.sign_rule is SignRule.BOTH else 1
    return float(network.layers[layer.target_layer - 1].nonzero * layer.block_size * signs)


def _choose(
    network: Network,
    activation: Activation,
    specification: Specification,
    requirements: Sequence[Requirement],
) -> list[BaseSetSize]:
    """One round: the base sets for the numbers of problems that the given ones lead to."""
    plan = plan_network(network, activation, specification, requirements)
    built = [layer for layer in plan.layers if layer.role is Role.COPIES]
    pairs = [(layer, plan.layers[layer.layer - 2]) for layer in built]
    total = sum(_problems(layer, below, network) for layer, below in pairs)
    chosen = []
    for layer, below in pairs:
        unit = layer.scale * below.unit_scale
        tolerance = layer.requirement.tolerance / unit
        largest = USUAL_LARGEST_SUBSET if tolerance >= FINE_TOLERANCE else FINE_LARGEST_SUBSET
        magnitudes = posed_magnitudes(network.layers[layer.target_layer - 1], unit)
        problems = _problems(layer, below, network)
        # what the solvers hold against a problem is the grid's tolerance, a little smaller
        kept = fixed_point_tolerance(tolerance, largest) / 2.0**FRACTION_BITS
        choice = choose_candidates(
            _distribution(below, specification),
            max(kept, SMALLEST_KEPT),
            magnitudes,
            problems / max(magnitudes.size, 1),
            specification.failure_probability * problems / max(total, 1.0),
            largest,
        )
        size = max(choice.size, FEWEST_CANDIDATES)
        chosen.append(BaseSetSize(size, max(choice.candidates, size), largest))
    return chosen


def choose_base_sets(
    network: Network,
    activation: Activation,
    specification: Specification,
    tolerances: Sequence[tuple[float, float]],
) -> list[BaseSetSize]:
    """The base set of each target layer.

    Args:
        network: the target.
        activation: between its layers.
        specification: failure probability, construction and source.
        tolerances: (parameter tolerance, carrier error) of each target layer.

    Raises:
        SpecificationError: there are no statistics for this kind of source.
        UnsolvedProblemsError: no base set is large enough.
    """
    found = [FIRST_GUESS] * len(tolerances)
    for _ in range(ROUNDS):
        requirements = [
            Requirement(epsilon, error, base_set)
            for (epsilon, error), base_set in zip(tolerances, found, strict=True)
        ]
        again = _choose(network, activation, specification, requirements)
        if again == found:
            return found
        # never fewer than before: the choice then settles instead of swinging
        found = [
            new if new.candidates >= old.candidates or old is FIRST_GUESS else old
            for new, old in zip(again, found, strict=True)
        ]
    return found
