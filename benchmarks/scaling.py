"""A queueing simulation of divided constructions on 1 to 1,000 workers.

python -m benchmarks.scaling [--svg docs/scaling.svg]

Service times are measured ones (recorded_shards.json, made by benchmarks.shards). The database is
one server with a queue: a claim and a finish each hold it for as long as its process was busy, and
take the worker as long as that was.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass
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
        held: seconds of each shard that the merge after its wave waits for, by wave.
        free: of the others, which only the last merge waits for, by the wave they come with.
        merges: seconds of the merge after each wave.
    """

    name: str
    plan: float
    held: tuple[tuple[float, ...], ...]
    free: tuple[tuple[float, ...], ...]
    merges: tuple[float, ...]

    @property
    def work(self) -> float:
        """Seconds of one worker that takes everything, the database aside."""
        return self.plan + sum(map(sum, self.held + self.free)) + sum(self.merges)


@dataclass(eq=False)
class _Job:
    """A job under way: its place in the queue, its wave, and the shards that are open."""

    place: int
    kind: Kind
    wave: int = -1
    held: int = 0
    free: int = 0
    merging: bool = True  # or planning

    @property
    def is_due(self) -> bool:
        """Whether the next merge waits for nothing any more."""
        last = self.wave == len(self.kind.held) - 1
        return not self.merging and self.held == 0 and (self.free == 0 or not last)


@dataclass(frozen=True)
class _Step:
    """Something a worker does."""

    job: _Job
    seconds: float
    shard: str | None = None


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
        # When, and whether a step is done or its finish is committed.
        self._events: list[tuple[float, int, _Step, bool]] = []
        self._number = 0
        # Steps that can be taken now, oldest job first: planning, merges, and shards.
        self._ready: list[tuple[int, int, _Step]] = []
        for place, kind in enumerate(jobs):
            self._offer(_Step(_Job(place, kind), kind.plan))

    def run(self) -> float:
        """Seconds until the last job has ended."""
        now = 0.0
        self._take(now)
        while self._events:
            now, _, step, done = heapq.heappop(self._events)
            if done:
                self._note(self._use_database(now), step, done=False)
                continue
            self._idle += 1
            self._finish(step)
            self._take(now)
        return now

    def _offer(self, step: _Step) -> None:
        self._number += 1
        heapq.heappush(self._ready, (step.job.place, self._number, step))

    def _note(self, moment: float, step: _Step, *, done: bool) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, step, done))

    def _use_database(self, moment: float) -> float:
        """When a transaction that begins then has ended."""
        self._database_free = max(moment, self._database_free) + self._database_seconds
        return self._database_free

    def _take(self, now: float) -> None:
        while self._idle and self._ready:
            _, _, step = heapq.heappop(self._ready)
            self._idle -= 1
            seconds = step.seconds + 2 * self._worker_seconds
            self._note(self._use_database(now) + seconds, step, done=True)

    def _finish(self, step: _Step) -> None:
        """A step of a job has ended: the last one before a merge makes room for that."""
        job = step.job
        match step.shard:
            case "held":
                job.held -= 1
            case "free":
                job.free -= 1
            case None:
                self._begin_wave(job)
        if job.is_due:
            job.merging = True
            self._offer(_Step(job, job.kind.merges[job.wave]))

    def _begin_wave(self, job: _Job) -> None:
        job.wave += 1
        if job.wave == len(job.kind.held):
            return
        job.merging = False
        held, free = job.kind.held[job.wave], job.kind.free[job.wave]
        job.held, job.free = len(held), job.free + len(free)
        for kind, shards in (("free", free), ("held", held)):
            for seconds in shards:
                self._offer(_Step(job, seconds, kind))


def read_kinds() -> tuple[list[Kind], tuple[float, float]]:
    """The measured kinds, and seconds of a transaction: the database's and the worker's."""
    document = json.loads(RECORDED.read_text())
    kinds = [
        Kind(
            name,
            one["seconds"]["plan"],
            tuple(map(tuple, one["seconds"]["held"])),
            tuple(map(tuple, one["seconds"]["free"])),
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
    for kind in kinds:
        found[f"one job ({kind.name})"] = speed_up([kind], transaction)
        # enough of them that a thousand workers find something to do most of the time
        found[f"1,000 jobs ({kind.name})"] = speed_up([kind] * 1000, transaction)
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
