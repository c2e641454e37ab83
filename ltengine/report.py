"""The parts of a report, as JSON data: one form for command line, HTTP and database."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ltengine.certificate import Certificate
from ltengine.initialization import standard_size
from ltengine.network import Network
from ltengine.plan import Plan
from ltengine.problem_counts import ProblemCounts
from ltengine.role import Role
from ltengine.ticket import Ticket
from ltengine.verification import Verdict


def describe_target(network: Network) -> dict[str, Any]:
    """The target in figures."""
    return {
        "parameters": network.parameters,
        "layers": [network.inputs, *(layer.outputs for layer in network.layers)],
        "digest": network.digest(),
    }


def describe_ticket(ticket: Ticket, digest: str, file_bytes: int) -> dict[str, Any]:
    """The ticket in figures, with a table of its layers."""
    source = ticket.specification["source"]
    table = []
    for layer, (inputs, width) in zip(ticket.layers, pairwise(ticket.widths), strict=True):
        sigma = standard_size(source["initialization"], source["distribution"], inputs, width)
        figures = {"width": width, "parameters": layer.mask.cells}
        scales = {"sigma": sigma, "lambda": layer.scale / sigma}
        table.append({**layer.describe(), **figures, **scales})
    return {
        "digest": digest,
        "parameters": ticket.parameters,
        "file_bytes": file_bytes,
        "neurons": ticket.neurons,
        "layers": table,
    }


def describe_source(ticket: Ticket, plan: Plan) -> dict[str, Any]:
    """The source network in figures."""
    return {
        "widths": list(ticket.widths),
        "parameters": plan.source_parameters,
        "seed": ticket.source.seed,
        "distribution": ticket.source.distribution.value,
        "carriers": [
            {
                "layer": layer.layer,
                "target_layer": layer.target_layer,
                "activation": layer.activation.name,
                "rule": layer.sign_rule.value,
                "sigma": layer.scale,
            }
            for layer in plan.layers
            if layer.sign_rule is not None
        ],
        "base_sets": [
            {
                "target_layer": layer.target_layer,
                "tolerance": layer.requirement.tolerance,
                "size": layer.requirement.base_set.size,
                "candidates": layer.requirement.base_set.candidates,
                "largest_subset": layer.requirement.base_set.largest_subset,
            }
            for layer in plan.layers
            if layer.role is Role.COPIES
        ],
    }


def describe_error(
    verdict: Verdict,
    certificate: Certificate,
    on_data: float | None,
    by_search: float,
) -> dict[str, Any]:
    """What is proved about the error, and the largest one found.

    ``largest_parameter`` and ``histogram`` (of all errors but 0) are over the neurons that are
    read. ``certified`` bounds every output, ``certified_l1`` the L1 norm of them all;
    ``lipschitz_product`` and ``row_sum_product`` are plain bounds by norms, for comparison.
    """
    observed = max(by_search, on_data or 0.0)
    return {
        "largest_parameter": verdict.largest_parameter_error,
        "histogram": verdict.histogram,
        "mean_parameter": certificate.mean_parameter_error,
        "certified": certificate.largest,
        "certified_l1": float(certificate.errors.sum()),
        "observed": observed,
        "observed_on_data": on_data,
        "observed_by_search": by_search,
        "ratio": certificate.largest / observed if observed > 0.0 else None,
        "lipschitz_product": certificate.lipschitz_product,
        "row_sum_product": certificate.row_sum_product,
    }


def describe_problems(counts: ProblemCounts) -> dict[str, Any]:
    """How many subset-sum problems there were, and how large their solutions are."""
    histogram = {str(size): int(number) for size, number in enumerate(counts.histogram)}
    return {
        "subset_size": {"mean": counts.mean_size, "histogram": histogram},
        "problems": {
            "total": counts.total,
            "unsolved": counts.unsolved,
            "spare_used": counts.spare_used,
        },
    }
