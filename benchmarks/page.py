"""RESULTS.md and its plot, written from recorded.json: no figure is typed by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from benchmarks.device_page import describe_device
from benchmarks.records import FOLDER, read_record
from benchmarks.service_page import describe_service
from benchmarks.tables import table

# the author's code, one core of a 2-core machine, the ReLU LeNet
PUBLISHED = {
    "lenet-relu L+1": {"seconds": 233.0, "parameters": 1_146_208},
    "lenet-relu 2L": {"seconds": 36.5, "parameters": 119_740},
}
PUBLISHED_PENSIA_CORE_SECONDS = 77_266 * 36
LENET_PARAMETERS = 18_702
EXTRAPOLATED = 100_000_000
SERIES_STAGES = ("construct", "verify", "certify", "search", "write")
INTRODUCTION = """# Results

`make bench-all` measures everything here and writes this page; `make bench` measures a part and
compares it with the last recorded ratios. Every target has a process of its own; L+1 and 2L by the
paper's m = 20, tolerance .01; fastest of three warm runs for each stage of the real targets.
Measured on {machine}, {threads} threads, {date}, engine of commit {commit}.
"""


def least_seconds(figures: dict[str, Any], peers: dict[str, Any], candidates: int = 20) -> float:
    """A floor for enumerating solvers: sums that must be inspected, or the mask's bytes moved.

    A problem whose smallest subset has k elements has all C(m, j) subsets of j < k inspected, and
    of k itself to know the best; k is taken as 4 at most, beyond which halves can be met instead.
    """
    inspected: float = peers["sums_inspected_per_second"]
    copied: float = peers["bytes_copied_per_second"]
    sums = 0.0
    for size, number in figures["histogram"].items():
        for j in range(1, min(int(size), 4) + 1):
            sums += number * math.comb(candidates, j)
    moved = 4 * figures["ticket_parameters"]
    return float(max(sums / inspected, moved / copied))


def _real_targets(recorded: dict[str, Any]) -> str:
    rows = []
    for name, figures in recorded["real"].items():
        seconds, accuracy = figures["seconds"], figures["accuracy"]
        rows.append(
            [
                name,
                f"{figures['target_parameters']:,}",
                f"{figures['ticket_parameters']:,}",
                *(f"{seconds[s]:.3f}" for s in ("load", "construct", "verify", "evaluate")),
                f"{figures['peak_memory'] / 1e6:.0f}",
                "-" if accuracy is None else f"{100 * accuracy['target']:.2f}",
                "-" if accuracy is None else f"{100 * accuracy['ticket']:.2f}",
            ]
        )
    head = ["target", "its parameters", "ticket's", "load s", "construct s", "verify s"]
    head += ["evaluate s", "peak MB", "accuracy %", "ticket's %"]
    return table(head, rows)


def _peers(recorded: dict[str, Any]) -> str:
    peers, rows = recorded["peers"], []
    brute, reference = peers["brute_force_problems_per_second"], recorded["reference"]
    for name, figures in {**recorded["real"], **recorded["drawn"]}.items():
        seconds, published = figures["seconds"]["construct"], PUBLISHED.get(name)
        if name.startswith("pensia"):
            told = f"{PUBLISHED_PENSIA_CORE_SECONDS:,} core s (Gurobi)"
        else:
            told = f"{published['seconds']} s, {published['parameters']:,}" if published else "-"
        rows.append(
            [
                name,
                f"{figures['problems']:,}",
                f"{seconds:.3f}",
                f"{figures['problems'] / brute:,.0f}",
                f"{figures['problems'] / reference['problems_per_second']:,.0f}"
                if reference
                else "not run",
                told,
                f"{published['seconds'] / seconds:,.0f}" if published else "-",
                f"{least_seconds(figures, peers) / seconds:.0%}",
            ]
        )
    head = ["target", "problems", "construct s", "brute force s (extrapolated)"]
    head += ["author's code s (extrapolated)", "published: seconds, parameters", "times faster"]
    return table([*head, "floor / construct"], rows)


def _describe_peers(recorded: dict[str, Any]) -> str:
    peers, reference = recorded["peers"], recorded["reference"]
    told = (
        f"run on {reference['sample']} problems (one core) and extrapolated"
        if reference
        else "not run here (`--reference DIR`); what is published about it is beside ours"
    )
    return f"""In the same run, items and targets uniform on (-1, 1), problems a second: ours
{peers["problems_per_second"]:,}, brute force over all 2^20 subsets (compiled, all threads)
{peers["brute_force_problems_per_second"]:,}. The processor inspects
{peers["sums_inspected_per_second"] / 1e9:.1f} billion subset sums and copies
{peers["bytes_copied_per_second"] / 1e9:.1f} GB a second. The floor is the time to inspect, at that
rate, each subset sum that enumeration must, up to four elements. The author's code was {told}.
"""


def _series(recorded: dict[str, Any]) -> str:
    rows, drawn = [], list(recorded["drawn"].values())
    for before, figures in pairwise([None, *drawn]):
        assert figures is not None
        seconds = figures["seconds"]
        growth = "-"
        if before is not None:
            more = figures["problems"] / before["problems"]
            growth = f"{seconds['construct'] / before['seconds']['construct'] / more:.2f}"
        rows.append(
            [
                f"{figures['target_parameters']:,}",
                f"{figures['problems']:,}",
                f"{figures['ticket_parameters']:,}",
                *(f"{seconds[stage]:.1f}" for stage in SERIES_STAGES),
                f"{figures['problems'] / seconds['construct']:,.0f}",
                growth,
                f"{figures['peak_memory'] / 1e6:,.0f}",
            ]
        )
    last = drawn[-1]
    more = EXTRAPOLATED / last["target_parameters"]
    rows.append(
        [
            f"{EXTRAPOLATED:,} (extrapolated)",
            f"{last['problems'] * more:,.0f}",
            f"{last['ticket_parameters'] * more:,.0f}",
            *(f"{last['seconds'][stage] * more:,.0f}" for stage in SERIES_STAGES),
            "-",
            "-",
            "-",
        ]
    )
    head = ["parameters", "problems", "ticket's parameters"]
    head += [f"{stage} s" for stage in SERIES_STAGES]
    head += ["problems/s", "seconds per problem, times the row above", "peak MB"]
    return table(head, rows)


def _solver(grid: list[dict[str, Any]]) -> str:
    rows = []
    for line in grid:
        brute = line["brute_force_problems_per_second"]
        rows.append(
            [
                line["distribution"],
                f"{line['candidates']}",
                f"{line['tolerance']:g}",
                f"{line['largest_subset']}",
                f"{line['problems_per_second']:,.0f}",
                f"{line['core_microseconds_per_problem']:,.2f}",
                f"{line['unsolved']} of {line['problems']:,}",
                f"{brute:,.0f}" if brute else "-",
                f"{line['enumeration_roofline_problems_per_second']:,.0f}",
            ]
        )
    head = ["items", "m", "tolerance", "largest subset", "problems/s", "core microseconds each"]
    return table([*head, "unsolved", "brute force/s", "enumeration at peak rate/s"], rows)


def write_page(recorded: dict[str, Any]) -> None:
    """RESULTS.md, whole."""
    peers = recorded["peers"]
    parts = [
        INTRODUCTION.format(**recorded["machine"], threads=peers["threads"]),
        "## Real targets, the whole pipeline\n",
        "Evaluation is on the 10,000 MNIST test images and by gradient search over the domain.\n"
        "The peak is of the process, with its libraries and the data.\n",
        _real_targets(recorded),
        "## Growth\n",
        "Drawn dense targets 784 - h - h/3 - 10, L+1: the whole pipeline but for data.\n",
        _series(recorded),
        "![time against target size](time.svg)\n",
        "## Beside the peers\n",
        _describe_peers(recorded),
        _peers(recorded),
    ]
    if recorded["solver"]:
        parts += ["## The solver\n", _solver(recorded["solver"]["grid"])]
    parts += describe_device(read_record("recorded_device"))
    parts += describe_service(read_record("recorded_service"), read_record("recorded_queue"))
    (FOLDER / "RESULTS.md").write_text("\n".join(parts))


def draw_plot(recorded: dict[str, Any]) -> None:
    """time.svg: seconds of construction against the target's parameters."""
    import matplotlib as mpl  # noqa: PLC0415  an optional dependency, of this one function

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "time"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    drawn = list(recorded["drawn"].values())
    sizes = [figures["target_parameters"] for figures in drawn]
    seconds = [figures["seconds"]["construct"] for figures in drawn]
    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.loglog(sizes, seconds, "o-", color="tab:blue", label="LTForge, L+1 (drawn targets)")
    more = EXTRAPOLATED / sizes[-1]
    axes.loglog(
        [sizes[-1], EXTRAPOLATED],
        [seconds[-1], seconds[-1] * more],
        "--",
        color="tab:blue",
        label="extrapolated",
    )
    for name, marker in (("lenet-relu L+1", "s"), ("lenet-relu 2L", "^")):
        figures = recorded["real"][name]
        axes.loglog(
            figures["target_parameters"],
            figures["seconds"]["construct"],
            marker,
            color="tab:blue",
            label=f"LTForge, {name}",
        )
        published = PUBLISHED[name]["seconds"]
        axes.loglog(LENET_PARAMETERS, published, marker, color="tab:red", label=f"author's, {name}")
        axes.loglog(
            [LENET_PARAMETERS, EXTRAPOLATED],
            [published, published * EXTRAPOLATED / LENET_PARAMETERS],
            ":",
            color="tab:red",
            label="author's, extrapolated linearly" if marker == "s" else None,
        )
    axes.set_xlabel("nonzero parameters of the target")
    axes.set_ylabel("construct stage, seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(FOLDER / "time.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
