"""The asynchronous client: the same flows, awaited; under asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from ltforge import (
    AsyncClient,
    InvalidRequestError,
    JobFailedError,
    JobRecord,
    NoAnswerError,
    NotFoundError,
    WaitTimeoutError,
)
from tests.ltforge.conftest import QUICK
from tests.ltforge.contract_server import API_KEY, TICKET_FILE, ContractServer, Fault

SPEC = {"construction": "L+1"}


def running(server: ContractServer, scenario: Callable[[AsyncClient], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with AsyncClient(server.url, API_KEY, timeout=5, retries=QUICK) as client:
            await scenario(client)

    anyio.run(connected, backend="asyncio")


def test_a_journey_from_upload_to_file(server: ContractServer, tmp_path: Path) -> None:
    source = tmp_path / "network.safetensors"
    source.write_bytes(bytes(range(256)) * 12000)
    halfway = {"stage": "construct", "done": 1, "total": 2, "fraction": 0.5}
    server.state.upload_script = [{"status": "ready"}]
    server.state.job_script = [
        {"status": "running", "progress": halfway},
        {"status": "succeeded", "terminal": True, "ticket_id": "tkt_1"},
    ]
    seen: list[JobRecord] = []

    async def scenario(client: AsyncClient) -> None:
        checkpoint = await (await client.upload_checkpoint(source)).wait(timeout=5)
        assert checkpoint.status == "ready"
        job = await client.submit(checkpoint, SPEC)
        done = await job.wait(timeout=5, on_progress=seen.append)
        ticket = await client.get_ticket(done.ticket_id or "")
        await ticket.download(tmp_path / "ticket")

    running(server, scenario)

    assert (tmp_path / "ticket").read_bytes() == TICKET_FILE
    assert [item.status for item in seen] == ["running", "succeeded"]


def test_a_list_is_walked_lazily_and_may_be_left_early(server: ContractServer) -> None:
    async def scenario(client: AsyncClient) -> None:
        submitted = [(await client.submit("ckp_1", SPEC)).id for _ in range(5)]
        listing = client.list_jobs(page_size=2)
        assert server.state.count("GET", "/v1/jobs") == 0
        async with aclosing(aiter(listing)) as jobs:
            async for job in jobs:
                assert job.id == submitted[0]
                break
        assert server.state.count("GET", "/v1/jobs") == 1
        assert [job.id async for job in listing] == submitted
        assert [job.id for job in await listing.first(3)] == submitted[:3]

    running(server, scenario)


def test_errors_have_the_names_of_the_blocking_client(server: ContractServer) -> None:
    error = {"code": "UNSOLVED_PROBLEMS", "detail": "raise base_set.size"}
    server.state.job_script = [{"status": "failed", "terminal": True, "error": error}]

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(InvalidRequestError) as caught:
            await client.submit("ckp_1", {})
        assert [item.pointer for item in caught.value.pointers] == ["/spec/construction"]
        assert caught.value.request_id == "req_1"
        with pytest.raises(JobFailedError, match="UNSOLVED_PROBLEMS"):
            await (await client.submit("ckp_1", SPEC)).wait(timeout=5)
        with pytest.raises(NotFoundError):
            await client.get_job("../checkpoints")

    running(server, scenario)


def test_passing_failures_are_outlasted_and_lasting_ones_named(
    server: ContractServer, tmp_path: Path
) -> None:
    mask = "/v1/tickets/tkt_1/mask"
    server.state.faults += [Fault("GET", mask, "truncate"), Fault("GET", mask, "drop")]

    async def scenario(client: AsyncClient) -> None:
        await client.download_mask("tkt_1", tmp_path / "ticket")
        job = await client.submit("ckp_1", SPEC)
        with pytest.raises(WaitTimeoutError):
            await job.wait(timeout=0.1)
        server.state.faults += [Fault("GET", "/v1/jobs/job_1", "drop") for _ in range(3)]
        with pytest.raises(NoAnswerError):
            await job.refresh()

    running(server, scenario)

    assert (tmp_path / "ticket").read_bytes() == TICKET_FILE


def test_waits_for_several_jobs_go_on_side_by_side(server: ContractServer) -> None:
    server.state.job_script = [{}, {}, {"status": "succeeded", "terminal": True}]

    async def scenario(client: AsyncClient) -> None:
        jobs = [await client.submit("ckp_1", SPEC) for _ in range(4)]
        done: list[str] = []

        async def follow(number: int) -> None:
            done.append((await jobs[number].wait(timeout=5)).status)

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(follow, number)
        assert done == ["succeeded"] * 4

    running(server, scenario)
