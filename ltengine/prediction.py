"""What a construction will find and cost, predicted without constructing.

Widths are the plan's own. Problems, links and the success probability come from a drawn ticket
(``statistics.drawn_ticket``): every problem's solution size is drawn from solved random problems of
the same kind. Seconds come from timing a small sample of each layer's problems by the caller's
clock, on the machine and with the threads that ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ltengine.activation import Activation
from ltengine.base_set import build_base_sets
from ltengine.constant_chain import build_constants
from ltengine.device import cell_solver, choose_device
from ltengine.layer_solver import LayerSolver
from ltengine.network import Network
from ltengine.plan import LayerPlan, Plan
from ltengine.posing import pose, row_chunks
from ltengine.problem import Objective
from ltengine.progress import AskCancel, never_cancel
from ltengine.role import Role
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.specification import Specification
from ltengine.statistics.drawn_ticket import draw_ticket

SAMPLE_PROBLEMS = 16_384
BYTES_AT_REST = 220 << 20
"""Of the process with its libraries and compiled kernels."""
BYTES_PER_CELL = 20
"""A kept cell's index, its value, and its gradient in the search for the largest error."""
BYTES_PER_CERTIFIED_CELL, MOST_CERTIFIED_BYTES = 100, 250 << 20
"""Of the certificate, which is made in parts of bounded size."""


def _predict_memory(cells: int) -> int:
    """Bytes of a process that constructs, verifies and certifies a ticket, without a data set."""
    certified = min(BYTES_PER_CERTIFIED_CELL * cells, MOST_CERTIFIED_BYTES)
    return BYTES_AT_REST + BYTES_PER_CELL * cells + certified


def _time_layer(
    source: Source,
    plan: Plan,
    layer: LayerPlan,
    network: Network,
    device: str,
    objective: Objective,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Seconds to prepare a layer's base sets, and seconds for each problem of a sample of rows."""
    start = clock()
    below = plan.layers[layer.layer - 2]
    constants = build_constants(source, plan, CascadeSolver())[layer.layer - 2].constants
    base_sets = build_base_sets(source, layer, below, constants)
    prepared = clock() - start
    target = network.layers[layer.target_layer - 1]
    per_row = max(1, base_sets.per_unit * target.nonzero // target.outputs)
    # every so-many-th row, so that the sample has neurons of all kinds
    step = max(1, layer.first_constant * per_row // SAMPLE_PROBLEMS)
    rows = np.arange(0, layer.first_constant, step)
    problems = 0
    layer_solver = LayerSolver(
        source, layer, base_sets, below.unit_scale, cell_solver(device), objective
    )
    start = clock()
    for chunk in row_chunks(rows, layer, target, base_sets, SAMPLE_PROBLEMS):
        posed = pose(chunk, layer, target, base_sets)
        layer_solver.solve(posed)
        problems += posed.rows.size
    return prepared, (clock() - start) / max(problems, 1)


def predict(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    clock: Callable[[], float],
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Predict a construction.

    Args:
        network: the target.
        activation: between its layers.
        specification: what would be constructed.
        clock: seconds.
        cancel: asked now and then.

    Returns:
        JSON data: source widths and parameters, problems, ticket parameters, subset size, success
        probability, memory in bytes, seconds of the construct stage, and the device.

    Raises:
        EngineError: the spec cannot be had for this target.
    """
    drawn = draw_ticket(network, activation, specification, cancel=cancel)
    plan = drawn.plan
    source = Source(specification.source.seed, Distribution(specification.source.distribution))
    device = choose_device(specification.device, network.parameters)
    objective = Objective(specification.objective)
    weights, seconds, preparing = [], [], 0.0
    for layer in plan.layers:
        if layer.role is Role.COPIES:
            target = network.layers[layer.target_layer - 1]
            weights.append(float(target.nonzero * layer.block_size))
            prepared, each = _time_layer(source, plan, layer, network, device, objective, clock)
            preparing += prepared
            seconds.append(each)
    mean_seconds = float(np.average(seconds, weights=np.maximum(weights, 1.0)))
    return {
        "source": {"widths": list(plan.widths), "parameters": plan.source_parameters},
        "problems": {"total": drawn.problems, "expected_unsolved": drawn.expected_unsolved},
        "success_probability": float(np.exp(-drawn.expected_unsolved)),
        "ticket": {"parameters": drawn.parameters},
        "subset_size": {
            "mean": drawn.mean_size,
            "histogram": {
                str(size): int(number)
                for size, number in enumerate(np.trim_zeros(drawn.histogram, "b"))
            },
        },
        "memory_bytes": _predict_memory(drawn.parameters),
        "seconds": {"construct": preparing + mean_seconds * drawn.problems},
        "device": device,
    }
