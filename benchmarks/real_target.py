"""The whole pipeline on a real target.

python -m benchmarks.real_target "lenet-relu L+1"
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import peak_memory
from benchmarks.targets import REAL_TARGETS, RealTarget, mnist_test_set
from ltengine.pipeline import PipelineRequest, run_pipeline, warm_up
from ltengine.specification import parse_specification

REPEATS = 3


def measure(target: RealTarget) -> dict[str, Any]:
    """Seconds of each stage, the fastest of a few warm runs, and what was made."""
    start = time.perf_counter()
    warm_up()
    warming = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        request = PipelineRequest(
            target.checkpoint,
            parse_specification(target.specification),
            Path(folder) / "ticket",
            mnist_test_set(Path(folder)),
        )
        reports = [run_pipeline(request, clock=time.perf_counter) for _ in range(REPEATS)]
    stages = reports[0]["seconds"]
    report = reports[-1]
    return {
        "target_parameters": report["target"]["parameters"],
        "ticket_parameters": report["ticket"]["parameters"],
        "ticket_digest": report["ticket"]["digest"],
        "file_bytes": report["ticket"]["file_bytes"],
        "problems": report["problems"]["total"],
        "histogram": report["subset_size"]["histogram"],
        "seconds": {stage: round(min(r["seconds"][stage] for r in reports), 4) for stage in stages},
        "warm_up_seconds": round(warming, 2),
        "peak_memory": peak_memory(),
        "accuracy": report["accuracy"],
        "certified": report["error"]["certified"],
        "observed": report["error"]["observed"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(REAL_TARGETS[sys.argv[1]])))
