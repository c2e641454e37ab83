"""The CUDA solver against the processor's: on a device, or (see the last test) in the simulator."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numba import config

from ltengine.activation import specified_activation
from ltengine.cell_problem import CellProblems, DrawnCellSolver
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import construct
from ltengine.device import CPU, cell_solver, cuda_is_available, warm_up_device
from ltengine.problem import FRACTION_BITS, Objective, fixed_point_targets, fixed_point_tolerance
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.ticket_file import ticket_digest
from tests.engine.networks import CONSTRUCTIONS, make_spec, random_network
from tests.engine.subset_oracle import same_solutions

ROOT = Path(__file__).resolve().parents[2]
SIMULATED = bool(vars(config)["ENABLE_CUDASIM"])
PROBLEMS = 60 if SIMULATED else 100_000
on_device = pytest.mark.gpu


@pytest.fixture
def cuda_solver() -> object:
    if not cuda_is_available():
        pytest.skip("no CUDA device")
    from ltengine.solvers.cuda_solver import CudaCellSolver  # noqa: PLC0415 - needs a device

    # As if the processor took forever: all that a device may be given, it is given.
    host = DrawnCellSolver(CascadeSolver())
    return CudaCellSolver(host, worth_a_launch=1, half_sum_seconds=math.inf)


def random_problems(
    seed: int,
    candidates: int,
    tolerance: float,
    largest: int,
    *,
    distribution: Distribution = Distribution.UNIFORM,
) -> CellProblems:
    """Base sets of all sizes, factors of which some make items too large to offer."""
    rng = np.random.default_rng(seed)
    base_sets = 50
    columns = np.sort(rng.integers(0, 2**31, (base_sets, candidates)), axis=1)
    counts = rng.integers(0, candidates + 1, base_sets)
    counts[::2] = candidates
    return CellProblems(
        Source(int(rng.integers(2**63)) * 2 + seed, distribution),
        5,
        rng.integers(0, 2**31, PROBLEMS),
        rng.integers(0, base_sets, PROBLEMS),
        fixed_point_targets(rng.uniform(-1.2, 1.2, PROBLEMS)),
        columns,
        rng.uniform(-2.2, 2.2, (base_sets, candidates)),
        counts.astype(np.int64),
        fixed_point_tolerance(tolerance, largest),
        largest,
    )


@on_device
@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize(
    ("candidates", "tolerance", "largest"),
    [(20, 0.01, 10), (12, 0.001, 12), (7, 0.01, 3), (1, 0.1, 4), (32, 0.02, 5)],
)
def test_both_devices_find_the_same(
    cuda_solver: DrawnCellSolver,
    candidates: int,
    tolerance: float,
    largest: int,
    distribution: Distribution,
) -> None:
    problems = random_problems(1, candidates, tolerance, largest, distribution=distribution)

    assert same_solutions(cuda_solver.solve(problems), cell_solver(CPU).solve(problems))


@on_device
@pytest.mark.parametrize(("candidates", "largest"), [(12, 12), (16, 5)])
def test_both_devices_find_the_same_least_error(
    cuda_solver: DrawnCellSolver, candidates: int, largest: int
) -> None:
    problems = random_problems(4, candidates, 0.001, largest)
    problems = replace(problems, objective=Objective.LEAST_ERROR)

    assert same_solutions(cuda_solver.solve(problems), cell_solver(CPU).solve(problems))


@on_device
@pytest.mark.parametrize("distribution", Distribution)
def test_cells_are_the_same_to_the_last_bit(
    cuda_solver: DrawnCellSolver, distribution: Distribution
) -> None:
    """The sum of three drawn items is met without any tolerance."""
    problems = random_problems(2, 16, 0.01, 3, distribution=distribution)
    items = problems.draw().items
    sums = items[:, [1, 7, 14]].astype(np.int64).sum(axis=1)
    within = np.flatnonzero(np.abs(sums) <= 4 << FRACTION_BITS)
    exact = replace(
        problems.take(within),
        targets=sums[within].astype(np.int32),
        tolerance=0,
        counts=np.full(problems.counts.size, 16),
    )
    drawn = exact.draw()
    sums = drawn.items[:, [1, 7, 14]].astype(np.int64).sum(axis=1)
    reachable = np.flatnonzero(np.abs(sums) <= 4 << FRACTION_BITS)
    exact = replace(exact.take(reachable), targets=sums[reachable].astype(np.int32))

    found = cuda_solver.solve(exact)

    assert (found.sizes >= 0).all()
    assert same_solutions(found, cell_solver(CPU).solve(exact))


@on_device
def test_the_last_problems_of_many_go_to_the_processor() -> None:
    if not cuda_is_available():
        pytest.skip("no CUDA device")
    from ltengine.solvers.cuda_solver import CudaCellSolver  # noqa: PLC0415 - needs a device

    host = DrawnCellSolver(CascadeSolver())
    problems = random_problems(5, 20, 0.001, 10)
    solver = CudaCellSolver(host, worth_a_launch=1)

    assert same_solutions(solver.solve(problems), host.solve(problems))


@on_device
def test_what_would_take_a_thread_too_long_goes_to_the_processor(
    cuda_solver: DrawnCellSolver,
) -> None:
    problems = random_problems(3, 26, 1e-6, 26)
    few = problems.take(np.arange(6))

    assert same_solutions(cuda_solver.solve(few), cell_solver(CPU).solve(few))


@on_device
@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_tickets_have_the_same_digest(cuda_solver: DrawnCellSolver, construction: str) -> None:
    network = random_network([3, 2, 2] if SIMULATED else [300, 100, 10])
    specification = make_spec(construction)
    activation = specified_activation(specification)

    tickets = [
        assemble_ticket(
            construct(network, activation, specification, solver=solver), network, specification
        )
        for solver in (cell_solver(CPU), cuda_solver)
    ]

    assert ticket_digest(tickets[0]) == ticket_digest(tickets[1])


@on_device
@pytest.mark.skipif(SIMULATED, reason="there is nothing to compile, and a thread for each problem")
def test_warming_up_runs_the_kernel(cuda_solver: DrawnCellSolver) -> None:
    warm_up_device()


@pytest.mark.skipif(SIMULATED, reason="this is the simulator")
def test_the_kernel_passes_all_of_this_in_the_simulator() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.strip().splitlines()[-1].startswith("18 passed")
