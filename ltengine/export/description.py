"""What every export says beside its arrays, so that nobody needs the ticket file to use it."""

from __future__ import annotations

from typing import Any

from ltengine import ENGINE_VERSION
from ltengine.ticket import Ticket

FORMAT = "ltforge-export"
FORMAT_VERSION = 1


def describe_export(ticket: Ticket, digest: str) -> dict[str, Any]:
    """JSON data: where the weights come from, how inputs are normalised, what each layer applies.

    Raw inputs x enter the first layer as (x - mean) / std; the last activation is the identity.
    """
    given = ticket.specification["input"]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ticket_digest": digest,
        "target_digest": ticket.target_digest,
        "engine_version": ENGINE_VERSION,
        "seed": ticket.source.seed,
        "distribution": ticket.source.distribution.value,
        "input": {"mean": given["mean"], "std": given["std"]},
        "widths": list(ticket.widths),
        "layers": [
            {
                "width": layer.width,
                "activation": {"name": layer.activation.name, "slope": layer.activation.slope},
            }
            for layer in ticket.layers
        ],
    }
