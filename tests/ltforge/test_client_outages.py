"""The server dies (SIGKILL) during an upload, a wait and an event stream.

It comes back, and each goes on; or it stays away, and each ends with an error that says so. The
server is killed from within the client's own callbacks, so that it always dies in the middle.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from ltforge import (
    AsyncClient,
    Client,
    Event,
    JobRecord,
    NoAnswerError,
    RetryPolicy,
    WaitTimeoutError,
)
from ltforge.operations.resumable_uploads import PIECE_BYTES
from tests.ltforge.killable_server import KillableServer, killable_server

QUESTION = {"candidates": 9}
HASTY = RetryPolicy(attempts=2, first_pause=0.01, longest_pause=0.05, patience=0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableServer]:
    with killable_server(tmp_path_factory.mktemp("outages")) as running:
        yield running


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A file of several pieces, of bytes that the server has never seen."""
    path = tmp_path / "network.safetensors"
    path.write_bytes(os.urandom(3 * PIECE_BYTES + 1000))
    return path


class Crash:
    """A callback that kills the server the first time it is called."""

    def __init__(self, server: KillableServer, *, comes_back: bool = True) -> None:
        self._server = server
        self._comes_back = comes_back
        self.happened = False

    def __call__(self, *_: object) -> None:
        if self.happened:
            return
        self.happened = True
        if self._comes_back:
            self._server.kill_and_restart()
        else:
            self._server.kill()


def test_an_upload_goes_on_where_it_was(server: KillableServer, network: Path) -> None:
    sent: list[int] = []
    crash = Crash(server)

    def progress(done: int, total: int) -> None:
        sent.append(done)
        if done < total:
            crash()

    with Client(server.url, server.api_key) as client:
        checkpoint = client.upload_checkpoint(network, on_progress=progress)

    assert crash.happened
    assert checkpoint.sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
    assert sent[-1] == network.stat().st_size
    assert sent == sorted(set(sent)), "no byte was sent twice"


def test_a_wait_goes_on_until_the_end(server: KillableServer) -> None:
    with Client(server.url, server.api_key) as client:
        job = client.statistics(QUESTION)
        claimed = server.begin_job()

        def at_first_sight(seen: JobRecord) -> None:
            if seen.status == "running":
                server.kill_and_restart()
                server.finish_job(claimed, {"failures": 1})

        done = job.wait(timeout=120, on_progress=at_first_sight)

    assert (done.status, done.metrics) == ("succeeded", {"failures": 1})


def test_a_stream_of_events_loses_and_doubles_nothing(server: KillableServer) -> None:
    with Client(server.url, server.api_key) as client:
        job = client.statistics(QUESTION)
        events = job.iter_events(progress=False)
        seen = [next(events)]
        server.kill()
        claimed = server.begin_job()
        server.start()
        seen.append(next(events))
        server.kill_and_restart()
        server.finish_job(claimed, {})
        seen += events

    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert [event.type for event in seen] == ["job.queued", "job.started", "job.succeeded"]


def test_the_asynchronous_client_resumes_all_three(server: KillableServer, network: Path) -> None:
    crash = Crash(server)
    seen: list[Event] = []

    async def journey() -> JobRecord:
        async with AsyncClient(server.url, server.api_key) as client:
            checkpoint = await client.upload_checkpoint(network, on_progress=crash)
            assert checkpoint.sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
            job = await client.statistics(QUESTION)
            claimed = server.begin_job()
            async for event in job.iter_events(progress=False):
                seen.append(event)
                if event.type == "job.started":
                    server.kill_and_restart()
                    server.finish_job(claimed, {})
            second = await client.statistics(QUESTION)
            claimed = server.begin_job()
            server.kill_and_restart()
            server.finish_job(claimed, {"failures": 2})
            return await second.wait(timeout=120)

    done = anyio.run(journey)

    assert crash.happened
    assert [event.type for event in seen] == ["job.queued", "job.started", "job.succeeded"]
    assert done.metrics == {"failures": 2}


def test_a_server_that_stays_away_is_a_clear_error_everywhere(
    server: KillableServer, network: Path
) -> None:
    with Client(server.url, server.api_key, retries=HASTY, timeout=5) as client:
        job = client.statistics(QUESTION)
        with pytest.raises(NoAnswerError, match=r"no answer from http://127\.0\.0\.1"):
            client.upload_checkpoint(network, on_progress=Crash(server, comes_back=False))
        server.start()
        crash = Crash(server, comes_back=False)
        with pytest.raises(WaitTimeoutError, match="no answer from"):
            job.wait(timeout=1, on_progress=crash)
        server.start()
        events = job.iter_events()
        assert next(events).type == "job.queued"
        server.kill()
        with pytest.raises(NoAnswerError, match="check that the service runs"):
            list(events)
        server.start()
