"""Where a construction computes: one decision from what is asked, what is here, and the size.

All devices give the same ticket, so the choice is about time alone. What needs a CUDA device is
imported only once there is one.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np

from ltengine.cell_problem import CellProblems, CellSolver, DrawnCellSolver
from ltengine.errors import DeviceUnavailableError
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Source

CPU = "cpu"
CUDA = "cuda"
WORTH_A_DEVICE = 10_000
"""Targets with fewer parameters are constructed sooner on the processor."""


@cache
def cuda_is_available() -> bool:
    """Whether there is a CUDA device, its driver, and a compiler that works.

    A compiler that is absent, or that does not suit the numpy beside it, is warned of once.
    """
    from numba import cuda  # noqa: PLC0415

    if not cuda.is_available():
        return False
    try:
        cuda.jit("void()")(_nothing)
    except Exception as failure:  # whatever it is, the processor is there
        warning = f"there is a CUDA device, but numba cannot compile for it: {failure!r}"
        warnings.warn(warning, stacklevel=2)
        return False
    return True


def _nothing() -> None:
    """What is compiled to see whether anything can be."""


def check_device(requested: str) -> None:
    """Raise DeviceUnavailableError where ``requested`` (auto, cpu or cuda) is not here."""
    if requested == CUDA and not cuda_is_available():
        raise DeviceUnavailableError(
            'no usable CUDA device on this machine: set device to "auto" or "cpu", or install a '
            "driver and pip install 'ltforge[cuda]'"
        )


def choose_device(requested: str, parameters: int) -> str:
    """The device, cpu or cuda, for a target with so many nonzero parameters.

    Raises:
        DeviceUnavailableError: ``requested`` is not here.
    """
    check_device(requested)
    if requested != "auto":
        return requested
    return CUDA if parameters >= WORTH_A_DEVICE and cuda_is_available() else CPU


@cache
def cell_solver(device: str) -> CellSolver:
    """The solver of a device, cpu or cuda; one for the life of the process."""
    host = DrawnCellSolver(CascadeSolver())
    if device == CPU:
        return host
    from ltengine.solvers.cuda_solver import CudaCellSolver  # noqa: PLC0415

    return CudaCellSolver(host)


def warm_up_device() -> None:
    """Compile the kernel, or load it from numba's disk cache, where there is a CUDA device."""
    if not cuda_is_available():
        return
    problems = 1 << 12
    zeros, one = np.zeros(problems, np.int64), np.ones((1, 1))
    targets = zeros.astype(np.int32)
    cell_solver(CUDA).solve(
        CellProblems(
            Source(0),
            1,
            zeros,
            zeros,
            targets,
            one.astype(np.int64),
            one,
            np.ones(1, np.int64),
            0,
            1,
        )
    )
