"""What a ticket would be like, without constructing it: the method of the paper's Table 2.

The paper estimates tickets of networks too large to construct by drawing each parameter's error and
number of links from solved problems. So does this, with three things done openly:

* the problems drawn from are the source's own, with each layer's tolerance, base sets and spares;
* a problem without a solution is counted: its parameter is 0 in the estimated network, and the
  expected number of such problems is reported from the failure statistics as well, since a sample
  is too small to show rare ones;
* every replicate is another source.

Errors are drawn for every copy of a neuron, not once for the neuron: a small parameter made of
large weights of both signs passes on the differences between copies, and leaving that out
overstates the accuracy of L+1 tickets. Carriers count as linear, even if only nearly so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltengine import ENGINE_VERSION
from ltengine.activation import Activation, specified_activation
from ltengine.checkpoint import read_checkpoint
from ltengine.dataset import Dataset, check_dataset, normalise, read_dataset
from ltengine.evaluation import compact, compare_predictions, evaluate_ticket
from ltengine.network import Network
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.report import describe_target
from ltengine.specification import Specification, require_one_source, resolve_activation
from ltengine.statistics.drawn_ticket import DrawnTicket, draw_ticket

STUDENT_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % points of Student's t with 1 to 10 degrees of freedom."""
NORMAL_QUANTILE = 1.96


def _summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean and 95 % confidence interval of the mean (Student's t); null from a single value."""
    mean = float(np.mean(values))
    if len(values) == 1:
        return {"mean": mean, "interval": None}
    freedom = len(values) - 1
    beyond = freedom > len(STUDENT_QUANTILES)
    quantile = NORMAL_QUANTILE if beyond else STUDENT_QUANTILES[freedom - 1]
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return {"mean": mean, "interval": [mean - half, mean + half]}


def _accuracy(
    network: Network,
    activation: Activation,
    specification: Specification,
    dataset: Dataset | None,
    tickets: Sequence[DrawnTicket],
) -> dict[str, Any] | None:
    if dataset is None:
        return None
    inputs = normalise(dataset, specification.input, network.inputs)
    target_outputs = network.evaluate(inputs, activation)
    found = [
        compare_predictions(
            target_outputs, evaluate_ticket(compact(tuple(ticket.layers)), inputs), dataset.labels
        )
        for ticket in tickets
    ]
    return {
        "target": found[0].target,
        "ticket": _summary([comparison.ticket for comparison in found]),
        "agreement": _summary([comparison.agreement for comparison in found]),
    }


def _report(tickets: Sequence[DrawnTicket]) -> dict[str, Any]:
    expected = float(np.mean([ticket.expected_unsolved for ticket in tickets]))
    sizes = sum(ticket.histogram for ticket in tickets)
    plan = tickets[0].plan
    return {
        "ticket": {"parameters": _summary([ticket.parameters for ticket in tickets])},
        "source": {"widths": list(plan.widths), "parameters": plan.source_parameters},
        "problems": {
            "total": _summary([ticket.problems for ticket in tickets]),
            "spare_used": _summary([ticket.spare_used for ticket in tickets]),
            "drawn_unsolved": _summary([ticket.unsolved for ticket in tickets]),
            "expected_unsolved": expected,
        },
        "success_probability": math.exp(-expected),
        "subset_size": {
            "mean": _summary([ticket.mean_size for ticket in tickets]),
            "histogram": {
                str(size): int(count)
                for size, count in enumerate(np.trim_zeros(np.asarray(sizes), "b"))
            },
        },
        "error": {
            "largest_parameter": _summary([ticket.largest_error for ticket in tickets]),
            "mean_parameter": _summary([ticket.mean_error for ticket in tickets]),
        },
    }


def _with_seed(specification: Specification, seed: int) -> Specification:
    source = specification.source.model_copy(update={"seed": seed % 2**64})
    return specification.model_copy(update={"source": source})


def estimate(
    network: Network,
    activation: Activation,
    specification: Specification,
    dataset: Dataset | None = None,
    replicates: int = 3,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Estimate the tickets of a network.

    Args:
        network: the target.
        activation: between its layers.
        specification: what would be constructed; replicate r takes the seed r further on.
        dataset: to evaluate on, or None.
        replicates: how many sources.
        progress: called for each layer.
        cancel: asked before each chunk of problems.

    Returns:
        The report as JSON data; a quantity that differs between replicates has its mean and the
        95 % confidence interval of that.

    Raises:
        EngineError: spec or data set do not fit the network, or no constant can be built.
        Canceled: ``cancel`` said so.
    """
    require_one_source(specification)
    if dataset is not None:
        check_dataset(dataset, specification.input, network.inputs)
    tickets = []
    for replicate in range(replicates):
        seeded = _with_seed(specification, specification.source.seed + replicate)

        def advance(stage: str, done: int, total: int, passed: int = replicate) -> None:
            progress(stage, passed * total + done, replicates * total)

        keep_links = dataset is not None
        ticket = draw_ticket(
            network,
            activation,
            seeded,
            keep_links=keep_links,
            progress=advance,
            cancel=cancel,
        )
        tickets.append(ticket)
    progress("estimate", 1, 1)
    return {
        "target": describe_target(network),
        "replicates": replicates,
        **_report(tickets),
        "accuracy": _accuracy(network, activation, specification, dataset, tickets),
        "specification": specification.model_dump(mode="json"),
        "engine_version": ENGINE_VERSION,
    }


def estimate_files(
    checkpoint: Path,
    specification: Specification,
    dataset: Path | None = None,
    replicates: int = 3,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """The same from a checkpoint file and an npz file.

    Raises:
        EngineError: one of them is unusable, or see ``estimate``.
    """
    read = read_checkpoint(checkpoint)
    resolved = resolve_activation(specification, read.suggested_activation, read.suggested_slope)
    return estimate(
        read.network,
        specified_activation(resolved),
        resolved,
        read_dataset(dataset) if dataset else None,
        replicates,
        progress=progress,
        cancel=cancel,
    )
