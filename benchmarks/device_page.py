"""The part of RESULTS.md about a CUDA device."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import table

_DEVICE = """`python -m benchmarks.device`, on one {device} and on {processor_threads} threads
of the {machine} with {processor_cores} cores beside it ({date}, commit {commit};
{software}). Calls were warm; copies to and from the device
count; fastest of five runs, one run of the drawn targets. {agreement}
"""
_SOLVER = """Problems over uniform cells, targets uniform on (-1, 1). The device's figures include
what its solver leaves to the processor: the last few hard problems of many.
"""
_TICKETS = """Constructions. Chunks of fewer than 32,768 problems go to the processor in either
column, as all of LeNet 2L's do, and so does everything outside the solver.
"""


def describe_device(recorded: dict[str, Any] | None) -> list[str]:
    """A section on what was recorded."""
    if recorded is None:
        return []
    told = _DEVICE.format(
        **{
            **recorded,
            "software": ", ".join(" ".join(each) for each in recorded["software"].items()),
        },
        **recorded["of"],
        agreement=_agreement(recorded),
    )
    parts = ["## On a CUDA device\n", told, _SOLVER, _solver(recorded["solver"])]
    return [*parts, _TICKETS, _tickets(recorded["tickets"] + recorded["growth"])]


def _agreement(recorded: dict[str, Any]) -> str:
    compared = [*recorded["solver"], *recorded["tickets"], *recorded["growth"]]
    different = sum(not each["same"] for each in compared)
    if different:
        return f"IN {different} OF {len(compared)} COMPARISONS BELOW BOTH DIFFERED."
    return "Wherever both looked they found the same subsets, and tickets of the same digests."


def _solver(cases: list[dict[str, Any]]) -> str:
    rows = []
    for case in cases:
        device, processor = (case[f"{each}_problems_per_second"] for each in ("cuda", "cpu"))
        rows.append(
            [
                f"{case['candidates']}",
                f"{case['tolerance']:g}",
                f"{case['largest_subset']}",
                f"{device:,}",
                f"{processor:,}",
                f"{device / processor:.1f}",
            ]
        )
    head = ["m", "tolerance", "largest subset", "problems/s, device", "processor", "times as many"]
    return table(head, rows)


def _tickets(constructions: list[dict[str, Any]]) -> str:
    rows = []
    for figures in constructions:
        name = f"{figures.get('target', 'drawn')} {figures.get('construction', 'L+1')}"
        device, processor = (figures[f"{each}_construct_seconds"] for each in ("cuda", "cpu"))
        rows.append(
            [
                f"{name}, {figures.get('distribution', 'uniform')}",
                f"{figures['parameters']:,}",
                f"{figures['problems']:,}",
                f"{figures['cuda_solver_seconds']:.3f}",
                f"{figures['cpu_solver_seconds']:.3f}",
                f"{device:.3f}",
                f"{processor:.3f}",
                f"{processor / device:.1f}",
            ]
        )
    head = ["target", "parameters", "problems, with repeats", "solver s, device", "processor"]
    return table([*head, "construct s, device", "processor", "times sooner"], rows)
