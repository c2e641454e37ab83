"""The parts of a report, as JSON data: one form for command line, HTTP and database."""

from __future__ import annotations

from typing import Any

from ltengine.construction import ProblemCounts
from ltengine.network import Network
from ltengine.plan import Plan
from ltengine.ticket import Ticket


def describe_target(network: Network) -> dict[str, Any]:
    """The target in figures."""
    return {
        "parameters": network.parameters,
        "layers": [network.inputs, *(layer.outputs for layer in network.layers)],
        "digest": network.digest(),
    }


def describe_ticket(ticket: Ticket, digest: str, file_bytes: int) -> dict[str, Any]:
    """The ticket in figures, with a table of its layers."""
    table = [
        {**layer.describe(), "width": layer.width, "parameters": layer.mask.cells}
        for layer in ticket.layers
    ]
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
