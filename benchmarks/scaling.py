"""A queueing simulation of divided constructions on 1 to 1,000 workers.

python -m benchmarks.scaling [--svg docs/scaling.svg]

Service times are measured ones (recorded_shards.json, made by benchmarks.shards): shards are drawn
from them by a seeded generator, merges and planning are taken as they were. The database is one
server with a queue: a claim and a finish each hold it for as long as its process was busy, and take
the worker as long as that was.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("recorded_shards.json")
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        name: for the table.
        plan: seconds of planning.
        waves: seconds of each shard, by wave.
        merges: seconds of the merge after each wave.
    """

    name: str
    plan: float
    waves: tuple[tuple[float, ...], ...]
    merges: tuple[float, ...]

    @property
    def work(self) -> float:
        """Seconds of one worker that takes everything, the database aside."""
        return self.plan + sum(map(sum, self.waves)) + sum(self.merges)


@dataclass(eq=False)
class _Job:
    """A job under way: its place in the queue, its wave, and how many shards of that are open."""

    place: int
    kind: Kind
    wave: int = -1
    left: int = 0


def enlarge(kind: Kind, factor: float, seed: int) -> Kind:
    """The same kind with so many times the shards, drawn from the measured ones.

    Merges grow with the shards, but for those that only plan the next wave.
    """
    draw = random.Random(seed)
    waves = tuple(
        tuple(draw.choices(wave, k=max(1, round(factor * len(wave))))) for wave in kind.waves
    )
    merges = (*kind.merges[:-1], kind.merges[-1] * factor)
    return Kind(f"{kind.name}, {factor:g} times as large", kind.plan, waves, merges)


class Simulation:
    """Workers that take the oldest work there is, through one database."""

    def __init__(
        self,
        jobs: list[Kind],
        workers: int,
        database_seconds: float,
        worker_seconds: float = 0.0,
    ) -> None:
        self._idle = workers
        self._database_seconds = database_seconds
        self._worker_seconds = worker_seconds
        self._database_free = 0.0
        # When, and whether a step is built or its finish is committed.
        self._events: list[tuple[float, int, _Job, bool]] = []
        self._number = 0
        # Steps that can be taken now, oldest job first: planning, merges, and shards.
        self._ready: list[tuple[int, int, _Job, float]] = []
        for place, kind in enumerate(jobs):
            self._offer(_Job(place, kind), kind.plan)

    def run(self) -> float:
        """Seconds until the last job has ended."""
        now = 0.0
        self._take(now)
        while self._events:
            now, _, job, built = heapq.heappop(self._events)
            if built:
                self._note(self._use_database(now), job, built=False)
                continue
            self._idle += 1
            self._finish(job)
            self._take(now)
        return now

    def _offer(self, job: _Job, seconds: float) -> None:
        self._number += 1
        heapq.heappush(self._ready, (job.place, self._number, job, seconds))

    def _note(self, moment: float, job: _Job, *, built: bool) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, job, built))

    def _use_database(self, moment: float) -> float:
        """When a transaction that begins then has ended."""
        self._database_free = max(moment, self._database_free) + self._database_seconds
        return self._database_free

    def _take(self, now: float) -> None:
        while self._idle and self._ready:
            _, _, job, seconds = heapq.heappop(self._ready)
            self._idle -= 1
            self._note(
                self._use_database(now) + seconds + 2 * self._worker_seconds, job, built=True
            )

    def _finish(self, job: _Job) -> None:
        """A step of a job has ended: the last one of a wave makes room for the next."""
        if job.left > 1:
            job.left -= 1
            return
        if job.left == 1:
            job.left = 0
            self._offer(job, job.kind.merges[job.wave])
            return
        job.wave += 1
        if job.wave < len(job.kind.waves):
            shards = job.kind.waves[job.wave]
            job.left = len(shards)
            for seconds in shards:
                self._offer(job, seconds)


def read_kinds() -> tuple[list[Kind], tuple[float, float]]:
    """The measured kinds, and seconds of a transaction: the database's and the worker's."""
    document = json.loads(RECORDED.read_text())
    kinds = [
        Kind(
            name,
            one["seconds"]["plan"],
            tuple(map(tuple, one["seconds"]["shards"])),
            tuple(one["seconds"]["merges"]),
        )
        for name, one in document["jobs"].items()
    ]
    seconds = document["transaction_seconds"]
    return kinds, (seconds["database"], seconds["worker"])


def speed_up(jobs: list[Kind], transaction: tuple[float, float]) -> list[tuple[int, float, float]]:
    """For each number of workers: seconds, and how many times faster than one."""
    rows = []
    alone = Simulation(jobs, 1, *transaction).run()
    for workers in WORKERS:
        seconds = Simulation(jobs, workers, *transaction).run()
        rows.append((workers, seconds, alone / seconds))
    return rows


def scenarios() -> dict[str, list[tuple[int, float, float]]]:
    """Every scenario's table, by its name."""
    kinds, transaction = read_kinds()
    found = {}
    for number, kind in enumerate(kinds):
        large = enlarge(kind, 100, seed=number)
        shards = replace(large, merges=(0.0,) * len(large.merges))
        found[f"the shards of one job ({large.name})"] = speed_up([shards], transaction)
        found[f"one whole job ({large.name})"] = speed_up([large], transaction)
        # enough of them that a thousand workers find something to do most of the time
        found[f"1,000 whole jobs ({kind.name})"] = speed_up([kind] * 1000, transaction)
    return found


def draw_plot(tables: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """Speed-up over workers, both on logarithmic axes."""
    import matplotlib as mpl  # noqa: PLC0415 - in the extra "bench" alone

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "scaling"
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(WORKERS, WORKERS, color="0.7", linestyle="--", label="linear")
    for name, rows in tables.items():
        axes.plot([row[0] for row in rows], [row[2] for row in rows], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="times faster than one worker")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def main() -> None:
    """Print the tables as Markdown; draw them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path)
    asked = parser.parse_args()
    tables: dict[str, Any] = scenarios()
    for name, rows in tables.items():
        print(
            f"\n{name}\n\n| workers | seconds | speed-up | efficiency |\n| --- | --- | --- | --- |"
        )
        for workers, seconds, faster in rows:
            print(f"| {workers:,} | {seconds:,.1f} | {faster:,.1f} | {faster / workers:.0%} |")
    if asked.svg is not None:
        draw_plot(tables, asked.svg)


if __name__ == "__main__":
    main()
