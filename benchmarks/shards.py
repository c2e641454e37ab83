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
from ltengine.inspection import Document
from ltengine.pipeline import PipelineRequest, load_material, warm_up
from ltengine.specification import parse_specification

FREE = {"verify", "evaluate", "search"}
"""Tasks that only the conclusion waits for."""


@dataclass
class Timings:
    """Of each wave its tasks, and seconds by the clock; of the steps, processor seconds.

    ``held`` are shards that the merge after their wave waits for, ``free`` the others.
    """

    plan: float = 0.0
    tasks: list[list[str]] = field(default_factory=list)
    waves: list[float] = field(default_factory=list)
    held: list[list[float]] = field(default_factory=list)
    free: list[list[float]] = field(default_factory=list)
    merges: list[float] = field(default_factory=list)


@dataclass
class Shop:
    """Worker processes, and what they have finished."""

    pool: Any
    request: PipelineRequest
    timings: Timings
    finished: list[FinishedShard] = field(default_factory=list)
    under_way: list[tuple[FinishedShard, Any, list[float]]] = field(default_factory=list)

    def take(self, work: DividedWork) -> None:
        """Do a wave; what is free may go on afterwards, but before a conclusion."""
        began = time.perf_counter()
        if work.left is not None:
            file = self.request.ticket.rename(self.next_file())
            self.finished.append(FinishedShard(work.left, file))
        known = [each for each in self.finished if "left" in each.document]
        held: list[float] = []
        free: list[float] = []
        for document in work.shards:
            shard = FinishedShard(document, self.next_file())
            request = PipelineRequest(
                self.request.checkpoint, self.request.specification, shard.file, threads=1
            )
            running = self.pool.apply_async(_do, (request, document, known))
            self.under_way.append((shard, running, free if document["task"] in FREE else held))
        self.timings.tasks.append(sorted({each["task"] for each in work.shards}))
        self.timings.held.append(held)
        self.timings.free.append(free)
        self._wait(everything=work.concludes)
        self.timings.waves.append(time.perf_counter() - began)

    def next_file(self) -> Path:
        """A file that is not there yet."""
        return self.request.ticket.with_name(f"file{len(self.finished) + len(self.under_way)}")

    def _wait(self, *, everything: bool) -> None:
        going_on = []
        for shard, running, seconds in self.under_way:
            free = shard.document["task"] in FREE
            if free and not everything and not running.ready():
                going_on.append((shard, running, seconds))
                continue
            seconds.append(running.get())
            self.finished.append(shard)
        self.under_way = going_on


def _prepare(barrier: Any) -> None:
    warm_up()
    numba.set_num_threads(1)
    barrier.wait()


def _do(request: PipelineRequest, document: Document, known: list[FinishedShard]) -> float:
    started = time.process_time()
    do_shard(request, document, known)
    return time.process_time() - started


def measure(request: PipelineRequest, workers: int, shard_problems: int) -> dict[str, Any]:
    """Make one ticket with so many processes."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers + 1)
    with context.Pool(workers, _prepare, (barrier,)) as pool:
        barrier.wait()
        timings = Timings()
        shop = Shop(pool, request, timings)
        started, used = time.perf_counter(), time.process_time()
        work: Any = plan_division(load_material(request), Division(0, shard_problems))
        timings.plan = time.process_time() - used
        while isinstance(work, DividedWork):
            shop.take(work)
            used = time.process_time()
            work = go_on(request, shop.finished, shard_problems, clock=time.process_time)
            timings.merges.append(time.process_time() - used)
        total = time.perf_counter() - started
    return {
        "workers": workers,
        "digest": work["ticket"]["digest"],
        "parameters": work["target"]["parameters"],
        "problems": work["problems"]["total"],
        "shards": sum(map(len, timings.held + timings.free)),
        "left_bytes": sum(shard.file.stat().st_size for shard in shop.finished),
        "tasks": timings.tasks,
        "clock": {"waves": _rounded(timings.waves), "total": round(total, 3)},
        "seconds": {
            "plan": round(timings.plan, 3),
            "merges": _rounded(timings.merges),
            "held": [_rounded(wave) for wave in timings.held],
            "free": [_rounded(wave) for wave in timings.free],
        },
    }


def _rounded(seconds: list[float]) -> list[float]:
    return [round(each, 3) for each in seconds]


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
