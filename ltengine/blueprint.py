"""The blueprint: everything about a construction that is fixed before its first problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ltengine.activation import Activation
from ltengine.constant_chain import ConstantLayer, build_constants
from ltengine.errors import SpecificationError
from ltengine.layout import plan_network
from ltengine.mask import LARGEST_WIDTH
from ltengine.network import DenseLayer, Network
from ltengine.plan import LayerPlan, Plan, Requirement
from ltengine.problem import Objective
from ltengine.requirements import layer_requirements
from ltengine.role import Role
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.specification import Specification


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is going to be built, out of what.

    Attributes:
        network: the target.
        plan: of the source network.
        source: its seed and distribution.
        objective: which solution of a problem is wanted.
        chain: the constant neurons of every source layer.
    """

    network: Network
    plan: Plan
    source: Source
    objective: Objective
    chain: tuple[ConstantLayer, ...]

    @property
    def copies(self) -> tuple[LayerPlan, ...]:
        """The layers that pose problems, from the first."""
        return tuple(layer for layer in self.plan.layers if layer.role is Role.COPIES)

    def target(self, layer: LayerPlan) -> DenseLayer:
        """The target layer whose neurons a layer of copies copies."""
        return self.network.layers[layer.target_layer - 1]


def draw_blueprint(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    tightening: float = 1.0,
    requirements: Sequence[Requirement] | None = None,
) -> Blueprint:
    """Lay out the source network and build its constants.

    Args:
        network: the target.
        activation: between its layers.
        specification: construction, tolerance, base set and source.
        tightening: multiplies an output tolerance, where a looser one could not be certified.
        requirements: of each target layer, where they are not to be those of the spec.

    Raises:
        SpecificationError: depth, carriers or tolerance cannot be had for this target.
        UnsolvedProblemsError: a layer has no constants.
    """
    if requirements is None:
        requirements = layer_requirements(network, activation, specification, tightening=tightening)
    plan = plan_network(network, activation, specification, requirements)
    _check_widths(plan)
    source = Source(specification.source.seed, Distribution(specification.source.distribution))
    return Blueprint(
        network,
        plan,
        source,
        Objective(specification.objective),
        build_constants(source, plan, CascadeSolver()),
    )


def _check_widths(plan: Plan) -> None:
    """Raise SpecificationError where a layer has more neurons than can be counted."""
    if max(plan.widths) >= LARGEST_WIDTH:
        raise SpecificationError(
            [
                {
                    "pointer": "/source/depth",
                    "code": "WIDTH",
                    "detail": f"the source would be {max(plan.widths):,} neurons wide, which is "
                    f"{LARGEST_WIDTH:,} or more; take a lower depth or a smaller base_set.size",
                }
            ]
        )
