"""One large construction over 1, 2, 4 ... worker processes, without the service around it.

python -m benchmarks.shards --parameters 3000000 --construction 2L --workers 1 2

Each worker is a process with one thread, taking shards from a common list; planning and merging
are done here, with one thread too. Prints one JSON object for each number of workers: seconds of
the waves, by what they did, and of everything by the clock; planning, each shard and each merge in
processor seconds, which a busy machine hardly changes; and the ticket's digest, which has to be the
same for all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba

from benchmarks.targets import draw_network
from ltengine.checkpoint.safetensors_file import write_network
from ltengine.divided_checks import DividedWork, FinishedShard
from ltengine.divided_pipeline import Division, do_shard, go_on, plan_division
from ltengine.pipeline import PipelineRequest, load_material, warm_up
from ltengine.specification import parse_specification


@dataclass
class Timings:
    """Of each wave its tasks, and seconds by the clock; of the steps, processor seconds."""

    plan: float = 0.0
    tasks: list[str] = field(default_factory=list)
    waves: list[float] = field(default_factory=list)
    shards: list[list[float]] = field(default_factory=list)
    merges: list[float] = field(default_factory=list)


def _prepare(barrier: Any) -> None:
    warm_up()
    numba.set_num_threads(1)
    barrier.wait()


def _do(task: tuple[PipelineRequest, dict[str, Any], list[FinishedShard]]) -> float:
    started = time.process_time()
    do_shard(*task)
    return time.process_time() - started


def measure(request: PipelineRequest, workers: int, shard_problems: int) -> dict[str, Any]:
    """Make one ticket with so many processes."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers + 1)
    with context.Pool(workers, _prepare, (barrier,)) as pool:
        barrier.wait()
        timings = Timings()
        finished: list[FinishedShard] = []
        started, used = time.perf_counter(), time.process_time()
        work: Any = plan_division(load_material(request), Division(0, shard_problems))
        timings.plan = time.process_time() - used
        while isinstance(work, DividedWork):
            began = time.perf_counter()
            if work.left is not None:
                left = request.ticket.rename(request.ticket.with_name(f"file{len(finished)}"))
                finished.append(FinishedShard(work.left, left))
            known = [each for each in finished if "left" in each.document]
            tasks = []
            for document in work.shards:
                file = request.ticket.with_name(f"file{len(finished)}")
                own = PipelineRequest(request.checkpoint, request.specification, file, threads=1)
                tasks.append((own, document, known))
                finished.append(FinishedShard(document, file))
            timings.tasks.append(" ".join(sorted({each["task"] for each in work.shards})))
            timings.shards.append(pool.map(_do, tasks, chunksize=1))
            timings.waves.append(time.perf_counter() - began)
            used = time.process_time()
            work = go_on(request, finished, shard_problems, clock=time.process_time)
            timings.merges.append(time.process_time() - used)
        total = time.perf_counter() - started
    built = sum(timings.waves)
    return {
        "workers": workers,
        "digest": work["ticket"]["digest"],
        "parameters": work["target"]["parameters"],
        "problems": work["problems"]["total"],
        "shards": sum(map(len, timings.shards)),
        "piece_bytes": sum(shard.file.stat().st_size for shard in finished),
        "tasks": timings.tasks,
        "clock": {
            "waves": [round(wave, 3) for wave in timings.waves],
            "between": round(total - built, 3),
            "total": round(total, 3),
        },
        "seconds": {
            "plan": round(timings.plan, 3),
            "merges": [round(merge, 3) for merge in timings.merges],
            "shards": [[round(each, 3) for each in wave] for wave in timings.shards],
        },
    }


def main() -> None:
    """Measure each number of workers; fail where the digests differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=10_000_000)
    parser.add_argument("--construction", choices=("2L", "L+1"), default="2L")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shard-problems", type=int, default=1 << 19)
    asked = parser.parse_args()
    specification = parse_specification(
        {
            "construction": asked.construction,
            "activation": {"name": "relu"},
            "input": {"low": 0.0, "high": 1.0},
            "device": "cpu",
        }
    )
    warm_up()
    numba.set_num_threads(1)
    digests = set()
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "checkpoint"
            write_network(draw_network(asked.parameters), checkpoint, "relu")
            request = PipelineRequest(checkpoint, specification, Path(folder) / "ticket")
            measured = measure(request, workers, asked.shard_problems)
        print(json.dumps(measured), flush=True)
        digests.add(measured["digest"])
    if len(digests) != 1:
        raise SystemExit(f"the digests differ: {digests}")


if __name__ == "__main__":
    main()
