"""The paper's LeNet experiment: seconds and parameters of each ticket, beside the published peer.

    python -m benchmarks.construct_lenet [--json FILE]

Peers: the author's code took 233 s (L+1) and 36.5 s (2L) on one core of a 2-core machine for the
ReLU target, and its tickets hold 1,146,208 and 119,740 parameters.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ltengine.pipeline import PipelineRequest, run_pipeline, warm_up
from ltengine.specification import parse_specification

TARGETS = Path(__file__).resolve().parents[2] / "shared" / "targets"
PEER = {
    "L+1": {"construct_seconds": 233.0, "parameters": 1_146_208},
    "2L": {"construct_seconds": 36.5, "parameters": 119_740},
}
REPEATS = 3


def measure(construction: str) -> dict[str, Any]:
    """The fastest of a few runs of one construction."""
    checkpoint = TARGETS / "lenet300-100-relu.safetensors"
    spec = parse_specification(
        {
            "construction": construction,
            "input": {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        request = PipelineRequest(checkpoint, spec, Path(folder) / "ticket")
        reports = [run_pipeline(request, clock=time.perf_counter) for _ in range(REPEATS)]
    best = min(reports, key=lambda report: report["seconds"]["construct"])
    seconds, parameters = best["seconds"]["construct"], best["ticket"]["parameters"]
    peer = PEER[construction]
    return {
        "construction": construction,
        "construct_seconds": round(seconds, 4),
        "problems_per_second": round(best["problems"]["total"] / seconds),
        "parameters": parameters,
        "times_faster_than_reference": round(peer["construct_seconds"] / seconds),
        "parameters_of_reference": peer["parameters"],
        "share_of_reference_parameters": round(parameters / peer["parameters"], 3),
    }


def main() -> int:
    """Print one JSON object; exit status 2 where the real targets are absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if not TARGETS.exists():
        print("the real targets are not beside the repository (../shared/targets)", file=sys.stderr)
        return 2
    warm_up()
    figures = [measure(construction) for construction in PEER]
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
