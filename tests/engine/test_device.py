"""Which device a construction uses, and what is said where there is none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numba import config, cuda, types

from ltengine import device
from ltengine.activation import specified_activation
from ltengine.cell_problem import CellProblems, DrawnCellSolver
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import construct
from ltengine.device import check_device, choose_device
from ltengine.errors import DeviceUnavailableError
from ltengine.problem import FRACTION_BITS
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Source
from ltengine.ticket_file import ticket_digest
from tests.engine.networks import make_spec, random_network
from tests.engine.subset_oracle import same_solutions, smallest_subsets


@pytest.mark.parametrize(
    ("requested", "parameters", "available", "chosen"),
    [
        ("cpu", 10**9, True, "cpu"),
        ("cuda", 1, True, "cuda"),
        ("auto", 10**6, True, "cuda"),
        ("auto", 100, True, "cpu"),
        ("auto", 10**6, False, "cpu"),
    ],
)
def test_the_choice_follows_request_size_and_machine(
    monkeypatch: pytest.MonkeyPatch, requested: str, parameters: int, available: bool, chosen: str
) -> None:
    monkeypatch.setattr(device, "cuda_is_available", lambda: available)

    assert choose_device(requested, parameters) == chosen


def test_a_device_that_is_not_here_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "cuda_is_available", lambda: False)

    with pytest.raises(DeviceUnavailableError, match=r"ltforge\[cuda\]"):
        check_device("cuda")
    with pytest.raises(DeviceUnavailableError):
        choose_device("cuda", 10**6)


def test_a_device_that_numba_cannot_compile_for_is_warned_of_and_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(signature: str) -> None:
        raise AttributeError(f"no compiler for {signature}")

    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "jit", refuse)

    with pytest.warns(UserWarning, match="no compiler"):
        assert not device.cuda_is_available.__wrapped__()


def test_the_processor_draws_and_solves_to_the_oracle_s_optimum() -> None:
    rng = np.random.default_rng(0)
    problems = CellProblems(
        Source(3),
        2,
        rng.integers(0, 10**6, 500),
        rng.integers(0, 4, 500),
        rng.integers(-1 << FRACTION_BITS, 1 << FRACTION_BITS, 500).astype(np.int32),
        np.arange(4 * 9).reshape(4, 9),
        rng.uniform(-1, 1, (4, 9)),
        np.array([9, 0, 4, 9]),
        1 << 20,
        9,
    )

    found = DrawnCellSolver(CascadeSolver()).solve(problems)

    assert same_solutions(found, smallest_subsets(problems.draw()))


def test_a_ticket_does_not_tell_which_device_was_asked_for() -> None:
    network = random_network([3, 2, 2])
    digests = set()
    for asked in ("auto", "cpu"):
        specification = make_spec("2L", device=asked)
        found = construct(network, specified_activation(specification), specification)
        digests.add(ticket_digest(assemble_ticket(found, network, specification)))

    assert len(digests) == 1


@pytest.mark.skipif(
    bool(vars(config)["ENABLE_CUDASIM"]) or cuda.implementation != "Built-in",
    reason="asks the compiler that numba brings along",
)
def test_the_kernel_compiles_for_a_device_and_leaves_nothing_to_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device may round a product and a sum together; there is no floating-point sum."""
    from numba.cuda import dispatcher  # noqa: PLC0415 - absent in the simulator
    from numba.cuda.compiler import compile_cuda  # noqa: PLC0415

    from ltengine.solvers.cuda_kernel import search_cells  # noqa: PLC0415

    hopper = SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: hopper)
    table, index, place = types.float32[::1], types.int64[::1], types.int32[::1]
    posed = (types.uint64, table, types.int64, index, index, place, types.int64[:, ::1])
    search = (types.float64[:, ::1], index, types.int64, types.int64, types.int64, types.boolean)
    answer = (place, types.int64, types.int8[::1], types.uint8[:, ::1], place, place, types.int64)

    compiled = compile_cuda(search_cells.py_func, types.void, (*posed, *search, *answer), cc=(9, 0))

    code = compiled.library.get_llvm_str()
    assert " fmul " in code
    assert " fadd " not in code
    assert " fsub " not in code
