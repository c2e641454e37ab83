"""Load on the service: PostgreSQL, the API and this load generator on one machine.

`python -m benchmarks.service` prints one JSON object: latencies of 200 status reads and 50
submissions a second at the same time, how many of 200 event streams stay open meanwhile, how fast
a mask is downloaded, and how busy this generator and the machine were; `--record` keeps it for
RESULTS.md. Needs the PostgreSQL and Redis of the tests (`tests/run_services.sh`). The housekeeper
publishes what is submitted; no worker takes it. Other work on the machine shows as `idle_cores`
near 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.records import describe_machine, write_record
from service.settings import Settings
from service.store import Store, open_store
from service.store.schema import upgrade
from tests.conftest import temporary_database
from tests.journeys.stacks import free_port, temporary_redis, wait_until_ready

STATISTICS = json.dumps({"kind": "statistics", "spec": {"candidates": 5, "trials": 10}}).encode()
CONNECTIONS = 32
MASK_BYTES = 256 << 20


@dataclass
class Latencies:
    """Seconds of every answer of one kind, and the answers that were none."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Quantiles in milliseconds."""
        ordered = sorted(self.seconds)

        def quantile(part: float) -> float:
            return round(1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))], 1)

        return {
            "answers": len(ordered),
            "errors": len(self.errors),
            "first_error": next(iter(self.errors), None),
            "p50_ms": quantile(0.5),
            "p90_ms": quantile(0.9),
            "p99_ms": quantile(0.99),
            "max_ms": quantile(1.0),
        }


class Api:
    """Requests over a few kept-open connections, at the least cost to this process."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        self._idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(None)

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of one answer."""
        connection = await self._idle.get()
        try:
            if connection is None or connection[0].at_eof():
                connection = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = connection
            writer.write(self._request(method, path, body) + body)
            status, headers = await _read_head(reader)
            answer = await reader.readexactly(int(headers.get("content-length", "0")))
        except BaseException:
            self._idle.put_nowait(None)
            raise
        self._idle.put_nowait(connection)
        return status, answer

    async def open(self, path: str, accept: str) -> tuple[int, asyncio.StreamReader, Any]:
        """A connection of its own whose answer is only begun."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        writer.write(self._request("GET", path, b"", accept))
        status, _ = await _read_head(reader)
        return status, reader, writer

    def _request(self, method: str, path: str, body: bytes, accept: str = "*/*") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\n{self._head}Accept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(": ")[::2] for line in head[1:] if line)
    return int(head[0].split()[1]), {name.lower(): value for name, value in pairs}


async def _keep_rate(
    rate: float, seconds: float, call: Callable[[], Any], expected: int
) -> Latencies:
    """Start so many calls a second, whether or not earlier ones were answered."""
    found = Latencies()

    async def one(planned: float) -> None:
        try:
            status, answer = await call()
        except (OSError, asyncio.IncompleteReadError) as failure:
            found.errors.append(repr(failure))
            return
        # From the planned moment: a generator that falls behind must not hide it.
        found.seconds.append(time.perf_counter() - planned)
        if status != expected:
            found.errors.append(f"{status}: {answer[:200]!r}")

    began = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        planned = began + number / rate
        await asyncio.sleep(max(0.0, planned - time.perf_counter()))
        tasks.append(asyncio.create_task(one(planned)))
    await asyncio.gather(*tasks)
    return found


@asynccontextmanager
async def _event_streams(api: Api, path: str, count: int) -> AsyncIterator[list[Any]]:
    """Open event streams of one job, each of which gets its first bytes."""
    streams = [await api.open(path, "text/event-stream") for _ in range(count)]
    try:
        yield streams
    finally:
        for _, _, writer in streams:
            writer.close()


async def _measure(api: Api, ticket_id: str, seconds: float, streams: int) -> dict[str, Any]:
    status, answer = await api.call("POST", "/v1/jobs", STATISTICS)
    assert status == 202, answer
    job = f"/v1/jobs/{json.loads(answer)['id']}"
    async with _event_streams(api, f"{job}/events", streams) as opened:
        generator, idle = time.process_time(), _idle_seconds()
        reads, submissions = await asyncio.gather(
            _keep_rate(200, seconds, lambda: api.call("GET", job), 200),
            _keep_rate(50, seconds, lambda: api.call("POST", "/v1/jobs", STATISTICS), 202),
        )
        generator, idle = time.process_time() - generator, _idle_seconds() - idle
        alive = sum(status == 200 and not reader.at_eof() for status, reader, _ in opened)
    return {
        "seconds": seconds,
        "generator_cores": round(generator / seconds, 2),
        "idle_cores": round(idle / seconds, 2),
        "cores": os.cpu_count(),
        "status_reads": reads.report(),
        "submissions": submissions.report(),
        "event_streams": streams,
        "event_streams_open": alive,
        "mask_megabytes_per_s": round(await _download(api, ticket_id), 1),
    }


def _idle_seconds() -> float:
    """Seconds that this machine's cores spent idle since it started, summed over cores."""
    with Path("/proc/stat").open() as counters:
        return int(counters.readline().split()[4]) / os.sysconf("SC_CLK_TCK")


async def _download(api: Api, ticket_id: str) -> float:
    best = 0.0
    for _ in range(3):
        status, reader, writer = await api.open(f"/v1/tickets/{ticket_id}/mask", "*/*")
        assert status == 200
        began, left = time.perf_counter(), MASK_BYTES
        while left > 0:
            left -= len(await reader.read(1 << 20))
        best = max(best, MASK_BYTES / (time.perf_counter() - began) / 1e6)
        writer.close()
    return best


def _fill(store: Store) -> tuple[str, str]:
    """A tenant's key, and a large ticket of it."""
    from service.domain import JobKind, JobRequest  # noqa: PLC0415

    with store.begin() as tx:
        tenant_id = tx.keys.ensure_tenant("load")
        key = tx.keys.add(tenant_id, "load")[1]
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 1)
        task = tx.checkpoints.claim_validation("load", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
        job = tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, {}, checkpoint.id))
        claimed = tx.jobs.claim("load", 60)
        assert claimed is not None
        chunks = (os.urandom(4 << 20) for _ in range(MASK_BYTES >> 22))
        ticket = tx.tickets.add(tenant_id, job.id, checkpoint.id, "d" * 64, {}, chunks)
        tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, {})
    return key, ticket.id


@contextmanager
def _serve(settings: Settings, port: int, processes: int) -> Iterator[None]:
    """The API and the housekeeper, until they are asked no more."""
    api = ["uvicorn", "service.api.application:create_app_from_environment", "--factory"]
    api += ["--port", str(port), "--workers", str(processes)]
    api += ["--no-access-log", "--log-level", "warning"]
    with ExitStack() as started:
        for command in (api, ["worker.housekeeper"]):
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=os.environ | settings.to_environment(),
                stderr=subprocess.DEVNULL,
            )
            started.enter_context(process)
            started.callback(process.terminate)
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2, help="of the API, as deployed")
    parser.add_argument("--record", action="store_true", help="keep the figures for RESULTS.md")
    asked = parser.parse_args()
    port = free_port()
    with (
        contextmanager(temporary_database)() as url,
        temporary_redis() as broker_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        upgrade(url)
        store = open_store(url)
        key, ticket_id = _fill(store)
        store.dispose()
        settings = Settings(data=Path(folder), database_url=url, broker_url=broker_url)
        with _serve(settings, port, asked.processes):
            measured = asyncio.run(
                _measure(Api(port, key), ticket_id, asked.seconds, asked.streams)
            )
    measured = {"of": describe_machine(), "processes": asked.processes, **measured}
    if asked.record:
        write_record("recorded_service", measured)
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
