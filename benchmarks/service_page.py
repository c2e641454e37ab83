"""The part of RESULTS.md about the service and its queue."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import table

_SERVICE = """`python -m benchmarks.service`: PostgreSQL, Redis, {processes} API processes, the
housekeeper and the load generator on one machine ({machine}, {cores} cores, {date}, commit
{commit}), for
{seconds:.0f} s; {event_streams_open} of {event_streams} event streams stayed open meanwhile, and a
mask came at {mask_megabytes_per_s:,.0f} MB/s afterwards. Latencies count from the planned moment of
a request; {idle_cores} cores were idle on average.
"""
_QUEUE = """`python -m benchmarks.queue`: PostgreSQL, Redis, API, housekeeper and two warm workers
of one thread each on one machine ({machine}, {date}, commit {commit}).
"""


def describe_service(service: dict[str, Any] | None, queue: dict[str, Any] | None) -> list[str]:
    """Sections on what was recorded."""
    parts = []
    if service is not None:
        told = _SERVICE.format(**service, **service["of"])
        parts += ["## The service under load\n", told, _latencies(service)]
    if queue is not None:
        parts += ["## The queue\n", _QUEUE.format(**queue["of"]), _queue(queue)]
    return parts


def _latencies(service: dict[str, Any]) -> str:
    kinds = {"status reads, 200/s": "status_reads", "submissions, 50/s": "submissions"}
    rows = [
        [
            name,
            f"{service[kind]['answers']:,}",
            f"{service[kind]['errors']}",
            *(f"{service[kind][part]:.1f}" for part in ("p50_ms", "p90_ms", "p99_ms", "max_ms")),
        ]
        for name, kind in kinds.items()
    ]
    return table(["", "answers", "errors", "p50 ms", "p90 ms", "p99 ms", "longest ms"], rows)


def _queue(queue: dict[str, Any]) -> str:
    wait, overhead, rate, drain = (queue[part] for part in ("wait", "overhead", "rate", "drain"))
    rates = ", ".join(f"{each:g}" for each in drain["jobs_per_s_by_fifths"])
    memory = ", ".join(f"{each:,}" for each in drain["megabytes_of_workers"])
    rows = [
        [
            f"submission to start, {wait['jobs']} jobs, one at a time",
            f"p50 {wait['p50_ms']} ms, p99 {wait['p99_ms']} ms, longest {wait['max_ms']} ms",
        ],
        [
            f"beyond the engine's own {overhead['engine_p50_s']} s, {overhead['jobs']} LeNet jobs",
            f"p50 {overhead['overhead_p50_s']} s, longest {overhead['overhead_max_s']} s",
        ],
        [
            f"LeNet 2L jobs without a data set, {rate['jobs']} queued at once",
            f"{rate['jobs_per_s']} a second, {rate['succeeded']} succeeded",
        ],
        [f"{drain['jobs']:,} queued small jobs, jobs a second in each fifth", rates],
        ["megabytes of both workers and their runners, before and after each fifth", memory],
    ]
    return table(["", "measured"], rows)
