"""The CUDA device beside this machine's processor: same tickets, and how much sooner.

    python -m benchmarks.device [--json FILE]

Needs a CUDA device (exit status 2 without one). Seconds are wall time of warm calls, transfers to
and from the device included; the processor's are of all its threads. Exit status 1 where the
device's results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np

from benchmarks.drawn_target import SPECIFICATION as GROWTH_SPECIFICATION
from benchmarks.records import describe_machine
from benchmarks.targets import MNIST_INPUT, draw_network
from ltengine.activation import specified_activation
from ltengine.cell_problem import CellProblems, CellSolver
from ltengine.certified_construction import assemble_ticket
from ltengine.checkpoint import read_checkpoint
from ltengine.construction import construct
from ltengine.device import CPU, CUDA, cell_solver, cuda_is_available
from ltengine.network import DenseLayer, Network, build_network
from ltengine.pipeline import warm_up
from ltengine.problem import SolutionBatch, fixed_point_targets, fixed_point_tolerance
from ltengine.source import Source
from ltengine.specification import Specification, parse_specification
from ltengine.ticket_file import ticket_digest

ROOT = Path(__file__).resolve().parents[1]
LENET = ROOT.parent / "shared" / "targets" / "lenet300-100-relu.safetensors"
CASES = [
    # candidates, tolerance, largest subset, problems on the device, of them on the processor too
    (20, 1e-2, 10, 1 << 23, 1 << 18),
    (15, 1e-3, 10, 1 << 21, 1 << 16),
    (20, 1e-3, 10, 1 << 21, 1 << 16),
    (20, 1e-4, 20, 1 << 20, 1 << 14),
    (24, 1e-5, 24, 1 << 16, 1 << 11),
]
GROWTH = (1_000_000, 10_000_000)
"""Parameters of drawn targets, constructed once by each."""
DEVICE_TESTS = ROOT / "tests" / "engine" / "test_cuda_solver.py"
REPEATS = 5


@dataclass
class TimedSolver:
    """Any solver, with the seconds spent in it and the problems, again where it had them again."""

    inner: CellSolver
    seconds: float = 0.0
    problems: int = 0
    problems_per_chunk: int = field(init=False)

    def __post_init__(self) -> None:
        self.problems_per_chunk = self.inner.problems_per_chunk

    def solve(self, problems: CellProblems) -> SolutionBatch:
        """As the inner one."""
        start = time.perf_counter()
        solutions = self.inner.solve(problems)
        self.seconds += time.perf_counter() - start
        self.problems += problems.rows.size
        return solutions


def random_problems(candidates: int, tolerance: float, largest: int, problems: int) -> CellProblems:
    """Uniform cells, uniform targets in [-1, 1]."""
    rng = np.random.default_rng(candidates)
    units = 512
    return CellProblems(
        Source(1),
        2,
        np.arange(problems) // units,
        np.arange(problems) % units,
        fixed_point_targets(rng.uniform(-1, 1, problems)),
        np.arange(units * candidates).reshape(units, candidates),
        np.ones((units, candidates)),
        np.full(units, candidates),
        fixed_point_tolerance(tolerance, largest),
        largest,
    )


def fastest(solver: CellSolver, problems: CellProblems) -> tuple[float, SolutionBatch]:
    """The least seconds of a few warm runs, and what they found."""
    solver.solve(problems.take(np.arange(min(problems.rows.size, 1 << 14))))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = solver.solve(problems)
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def measure_case(
    candidates: int, tolerance: float, largest: int, on_device: int, on_processor: int
) -> dict[str, Any]:
    """Throughput of both, and whether they agree where both looked."""
    problems = random_problems(candidates, tolerance, largest, on_device)
    few = problems.take(np.arange(on_processor))
    cuda_seconds, cuda_found = fastest(cell_solver(CUDA), problems)
    cpu_seconds, cpu_found = fastest(cell_solver(CPU), few)
    return {
        "candidates": candidates,
        "tolerance": tolerance,
        "largest_subset": largest,
        "cuda_problems_per_second": round(on_device / cuda_seconds),
        "cpu_problems_per_second": round(on_processor / cpu_seconds),
        "unsolved": int((cuda_found.sizes < 0).sum()),
        "same": bool(
            (cuda_found.sizes[:on_processor] == cpu_found.sizes).all()
            and (cuda_found.choices[:on_processor] == cpu_found.choices).all()
        ),
    }


def target() -> tuple[str, Network]:
    """The ReLU LeNet where it is at hand, else random weights, as many and as sparse."""
    if LENET.exists():
        return LENET.stem, read_checkpoint(LENET).network
    rng = np.random.default_rng(0)
    layers = []
    for n, (inputs, outputs) in enumerate([(784, 300), (300, 100), (100, 10)]):
        weight = rng.uniform(-0.5, 0.5, (outputs, inputs))
        weight *= rng.random(weight.shape) < 0.07
        layers.append(DenseLayer(str(n), weight, rng.uniform(-0.2, 0.2, outputs)))
    return "random 784-300-100-10", build_network(layers)


def compare_constructions(
    network: Network, specification: Specification, repeats: int
) -> dict[str, Any]:
    """Whether both tickets have one digest, and each one's seconds, of the fastest construction."""
    activation = specified_activation(specification)
    figures: dict[str, Any] = {"parameters": network.parameters}
    digests = set()
    for device in (CUDA, CPU):
        runs = []
        for _ in range(repeats):
            solver = TimedSolver(cell_solver(device))
            start = time.perf_counter()
            found = construct(network, activation, specification, solver=solver)
            runs.append((solver.seconds, time.perf_counter() - start))
        digests.add(ticket_digest(assemble_ticket(found, network, specification)))
        figures["problems"] = solver.problems
        figures[f"{device}_solver_seconds"] = round(min(run[0] for run in runs), 5)
        figures[f"{device}_construct_seconds"] = round(min(run[1] for run in runs), 5)
    return {**figures, "same": len(digests) == 1}


def measure_ticket(construction: str, distribution: str) -> dict[str, Any]:
    """Both devices' tickets of one real target."""
    name, network = target()
    specification = parse_specification(
        {
            "construction": construction,
            "activation": {"name": "relu"},
            "source": {"distribution": distribution},
            "input": MNIST_INPUT,
        }
    )
    told = {"target": name, "construction": construction, "distribution": distribution}
    return {**told, **compare_constructions(network, specification, REPEATS)}


def measure_growth(parameters: int) -> dict[str, Any]:
    """Both devices' tickets of one drawn target: of a million parameters one run takes seconds."""
    specification = parse_specification(GROWTH_SPECIFICATION)
    return compare_constructions(draw_network(parameters), specification, 1)


def device_tests() -> dict[str, Any]:
    """The tests marked gpu, without the suite's fixtures for databases."""
    options = ["--noconftest", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", *options, str(DEVICE_TESTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {"same": run.returncode == 0, "summary": run.stdout.strip().splitlines()[-1:]}


def describe_device() -> str:
    """Its name."""
    from numba import cuda  # noqa: PLC0415 - only where there is one

    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def describe_software() -> dict[str, str]:
    """Versions of what compiles for the device."""
    return {name: version(name) for name in ("numba", "numba-cuda", "numpy")}


def main() -> int:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if not cuda_is_available():
        print("no usable CUDA device on this machine: nothing was measured", file=sys.stderr)
        return 2
    warm_up()
    figures: dict[str, Any] = {
        "of": describe_machine(),
        "device": describe_device(),
        "software": describe_software(),
        "processor_cores": os.cpu_count(),
        "processor_threads": numba.get_num_threads(),
        "solver": [measure_case(*case) for case in CASES],
        "tickets": [
            measure_ticket(construction, distribution)
            for construction in ("L+1", "2L")
            for distribution in ("uniform", "normal")
        ],
        "growth": [measure_growth(parameters) for parameters in GROWTH],
        "tests": device_tests(),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    parts = [*figures["solver"], *figures["tickets"], *figures["growth"], figures["tests"]]
    return 0 if all(part["same"] for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
