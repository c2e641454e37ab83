"""The author's code (LT-existence), run as it is on a sample of problems.

Its folder and a Python that can run it are the caller's: it needs numpy before 2.0, matplotlib and
torch. Its solver draws its own base sets, and draws anew where it finds no subset, so what is timed
is one call of ``solve_subset_sum(target, 20, .01, 0)`` for each target of the sample.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SOLVER = Path("Utils") / "pruning.py"
PARAMETERS = ["target", "nbrVar", "eps", "addwidth"]
CANDIDATES, TOLERANCE, PROBLEMS = 20, 0.01, 300
TIMEOUT_SECONDS = 600
SCRIPT = """
import inspect, json, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from Utils.pruning import solve_subset_sum
wanted = json.loads(sys.argv[2])
found = list(inspect.signature(solve_subset_sum).parameters)
if found != wanted["parameters"]:
    sys.exit(f"solve_subset_sum takes {found}, expected {wanted['parameters']}")
np.random.seed(0)
targets = np.random.uniform(-1, 1, wanted["problems"])
start = time.perf_counter()
for target in targets:
    solve_subset_sum(target, wanted["candidates"], wanted["tolerance"], 0)
print(json.dumps(time.perf_counter() - start))
"""


class ReferenceUnusableError(Exception):
    """The folder is not the author's code, or it cannot be run."""


def measure(folder: Path, python: str) -> dict[str, Any]:
    """Problems per second of the author's solver on one core.

    Args:
        folder: a checkout of the author's repository.
        python: an interpreter with what it imports.

    Raises:
        ReferenceUnusableError: the folder lacks what is expected, or the run failed.
    """
    if not (folder / SOLVER).is_file():
        raise ReferenceUnusableError(f"{folder} has no {SOLVER}: not a checkout of LT-existence")
    wanted = {
        "parameters": PARAMETERS,
        "problems": PROBLEMS,
        "candidates": CANDIDATES,
        "tolerance": TOLERANCE,
    }
    done = subprocess.run(
        [python, "-c", SCRIPT, str(folder.resolve()), json.dumps(wanted)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ReferenceUnusableError(f"{folder / SOLVER} cannot be run by {python}: {last}")
    return {"problems_per_second": round(PROBLEMS / json.loads(done.stdout), 1), "sample": PROBLEMS}
