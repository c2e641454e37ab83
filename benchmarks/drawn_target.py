"""The whole pipeline on a drawn target of any size, L+1, m = 20, eps .01; without data.

python -m benchmarks.drawn_target 1000000
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import peak_memory
from benchmarks.targets import draw_network
from ltengine.activation import specified_activation
from ltengine.certificate import issue_certificate
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import construct
from ltengine.observation import search_largest_error
from ltengine.pipeline import warm_up
from ltengine.sparse_network import ticket_layers
from ltengine.specification import parse_specification
from ltengine.ticket_file import save_ticket
from ltengine.verification import verify

STAGES = ("construct", "verify", "certify", "search", "write")
SPECIFICATION = {
    "construction": "L+1",
    "activation": {"name": "relu"},
    "input": {"low": 0.0, "high": 1.0},
}


def measure(parameters: int) -> dict[str, Any]:
    """Seconds of each stage, and the process's peak memory after each, in bytes.

    Raises:
        RuntimeError: the ticket does not verify.
    """
    warm_up()
    network = draw_network(parameters)
    specification = parse_specification(SPECIFICATION)
    activation = specified_activation(specification)
    times, peaks = [time.perf_counter()], []

    def stage_done() -> None:
        times.append(time.perf_counter())
        peaks.append(peak_memory())

    found = construct(network, activation, specification)
    ticket = assemble_ticket(found, network, specification)
    stage_done()
    verdict = verify(ticket, network)
    if not verdict.valid:
        raise RuntimeError("; ".join(verdict.reasons))
    stage_done()
    layers = ticket_layers(ticket)
    certificate = issue_certificate(ticket, network, layers, specification)
    stage_done()
    searched = search_largest_error(
        layers, network, activation, specification.input, seed=specification.source.seed
    )
    stage_done()
    with tempfile.TemporaryDirectory() as folder:
        file_bytes, digest = save_ticket(ticket, Path(folder) / "ticket")
    stage_done()
    return {
        "target_parameters": network.parameters,
        "ticket_parameters": ticket.parameters,
        "ticket_digest": digest,
        "file_bytes": file_bytes,
        "problems": found.counts.total,
        "histogram": {str(k): int(n) for k, n in enumerate(found.counts.histogram)},
        "seconds": {
            stage: round(after - before, 3)
            for stage, before, after in zip(STAGES, times, times[1:], strict=False)
        },
        "largest_parameter_error": verdict.largest_parameter_error,
        "certified_largest_error": float(certificate.errors.max()),
        "searched_largest_error": searched.error,
        "stage_memory": dict(zip(STAGES, peaks, strict=True)),
        "peak_memory": peak_memory(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
