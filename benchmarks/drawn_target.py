"""Construction, verification and ticket file of a drawn target of any size, L+1, m = 20, eps .01.

python -m benchmarks.drawn_target 1000000

Certificate, data and the search for the largest error are left out here, on purpose: this series
asks how construction and verification grow.
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
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import construct
from ltengine.pipeline import warm_up
from ltengine.specification import parse_specification
from ltengine.ticket_file import save_ticket
from ltengine.verification import verify

SPECIFICATION = {
    "construction": "L+1",
    "activation": {"name": "relu"},
    "input": {"low": 0.0, "high": 1.0},
}


def measure(parameters: int) -> dict[str, Any]:
    """Seconds of each stage and peak memory in bytes.

    Raises:
        RuntimeError: the ticket does not verify.
    """
    warm_up()
    network = draw_network(parameters)
    specification = parse_specification(SPECIFICATION)
    times = [time.perf_counter()]
    found = construct(network, specified_activation(specification), specification)
    ticket = assemble_ticket(found, network, specification)
    times.append(time.perf_counter())
    construct_memory = peak_memory()
    verdict = verify(ticket, network)
    if not verdict.valid:
        raise RuntimeError("; ".join(verdict.reasons))
    times.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        file_bytes, digest = save_ticket(ticket, Path(folder) / "ticket")
    times.append(time.perf_counter())
    stages = ("construct", "verify", "write")
    return {
        "target_parameters": network.parameters,
        "ticket_parameters": ticket.parameters,
        "ticket_digest": digest,
        "file_bytes": file_bytes,
        "problems": found.counts.total,
        "histogram": {str(k): int(n) for k, n in enumerate(found.counts.histogram)},
        "seconds": {
            stage: round(after - before, 3)
            for stage, before, after in zip(stages, times, times[1:], strict=False)
        },
        "largest_parameter_error": verdict.largest_parameter_error,
        "construct_memory": construct_memory,
        "peak_memory": peak_memory(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
