"""Speed and size, beside the peers.

python -m benchmarks            a part (minutes), compared with the last recorded ratios
python -m benchmarks all        everything; rewrites recorded.json, RESULTS.md and time.svg
python -m benchmarks page       RESULTS.md and time.svg from recorded.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import run_module
from benchmarks.page import draw_plot, write_page
from benchmarks.records import describe_machine, read_record, write_record
from benchmarks.reference import ReferenceUnusableError
from benchmarks.reference import measure as measure_reference
from benchmarks.targets import REAL_TARGETS, SHARED

RECORDED = "recorded"
SERIES = (100_000, 1_000_000, 10_000_000)
PART_REAL = ("lenet-relu L+1", "lenet-relu 2L", "pensia_fc2 2L")
REGRESSION = 1.2
STAGES = ("construct", "verify", "evaluate")
LEAST_SECONDS = 0.02
"""Shorter stages are too short to be compared."""


def measure(names: list[str], sizes: list[int]) -> dict[str, Any]:
    """Every figure, each in a process of its own."""
    figures: dict[str, Any] = {"machine": describe_machine(), "real": {}, "drawn": {}}
    figures["peers"] = run_module("benchmarks.peers")
    for name in names:
        print(name, "...", file=sys.stderr)
        figures["real"][name] = run_module("benchmarks.real_target", name)
    for size in sizes:
        print(f"drawn {size:,} ...", file=sys.stderr)
        figures["drawn"][f"drawn {size:,}"] = run_module("benchmarks.drawn_target", str(size))
    return figures


def stage_ratios(figures: dict[str, Any]) -> dict[str, float]:
    """Each stage's time, counted in problems that brute force solves meanwhile."""
    rate = figures["peers"]["brute_force_problems_per_second"]
    ratios = {"solver": rate / figures["peers"]["problems_per_second"]}
    for name, each in {**figures["real"], **figures["drawn"]}.items():
        for stage in STAGES:
            if each["seconds"].get(stage, 0.0) >= LEAST_SECONDS:
                ratios[f"{name}, {stage}"] = each["seconds"][stage] * rate
    return ratios


def compare(figures: dict[str, Any], recorded: dict[str, Any]) -> bool:
    """Print each ratio beside the recorded one; whether none is a fifth worse."""
    before, good = stage_ratios(recorded), True
    print("time in problems that brute force solves meanwhile (less is better)")
    print(f"{'figure':42} {'now':>12} {'recorded':>12} {'now/recorded':>13}")
    for name, ratio in stage_ratios(figures).items():
        if name not in before:
            continue
        change = ratio / before[name]
        good &= change <= REGRESSION
        flag = "  REGRESSION" if change > REGRESSION else ""
        print(f"{name:42} {ratio:12.4g} {before[name]:12.4g} {change:13.2f}{flag}")
    return good


def main() -> int:
    """Exit status 1 where a figure became a fifth worse, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["part", "all", "page"], default="part")
    parser.add_argument("--reference", type=Path, help="checkout of the author's code, to run too")
    parser.add_argument("--reference-python", default=sys.executable, help="that can run it")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    recorded = read_record(RECORDED)
    if arguments.what == "page":
        if recorded is None:
            print(f"nothing is recorded in {RECORDED}.json: run all first", file=sys.stderr)
            return 2
        write_page(recorded)
        draw_plot(recorded)
        return 0
    if not SHARED.exists():
        print("the real targets are not beside the repository (../shared)", file=sys.stderr)
        return 2
    try:
        reference = arguments.reference and measure_reference(
            arguments.reference, arguments.reference_python
        )
    except ReferenceUnusableError as error:
        print(error, file=sys.stderr)
        return 2
    everything = arguments.what == "all"
    names = list(REAL_TARGETS) if everything else list(PART_REAL)
    figures = measure(names, list(SERIES if everything else SERIES[:1]))
    figures["reference"] = reference
    figures["solver"] = run_module("benchmarks.solver_throughput") if everything else None
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    good = recorded is None or compare(figures, recorded)
    if everything:
        write_record(RECORDED, figures)
        write_page(figures)
        draw_plot(figures)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
