"""The service that remote commands ask: LTFORGE_URL, with the key LTFORGE_API_KEY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ltforge.command_line.failures import named_failures
from ltforge.command_line.progress import StageProgress

if TYPE_CHECKING:
    from ltforge.client import Batch, Checkpoint, Client, Dataset, Job
    from ltforge.resources import BatchRecord, JobRecord


@contextmanager
def remote_client(*, as_json: bool) -> Iterator[Client]:
    """A client of the configured service; its errors end the command by name."""
    with named_failures(as_json=as_json):
        from ltforge.client import Client  # noqa: PLC0415 - loads httpx

        with Client.from_environment() as client:
            yield client


def upload(client: Client, kind: str, path: Path, name: str | None) -> Checkpoint | Dataset:
    """Upload a checkpoint or data set, with a bar, and wait until the service has read it."""
    with StageProgress() as progress:

        def show(done: int, total: int) -> None:
            progress.show("upload", done, total)

        if kind == "checkpoint":
            return client.upload_checkpoint(path, name=name, on_progress=show).wait()
        return client.upload_dataset(path, name=name, on_progress=show).wait()


def follow_job(job: Job, timeout: float) -> Job:
    """Wait for a job, with a bar for each of its stages."""
    with StageProgress() as progress:

        def show(seen: JobRecord) -> None:
            stage = seen.progress.stage if seen.status == "running" else None
            progress.show(stage or seen.status, seen.progress.done, max(1, seen.progress.total))

        return job.wait(timeout, on_progress=show)


def follow_batch(batch: Batch, timeout: float) -> Batch:
    """Wait for a batch, with a bar of its finished jobs."""
    with StageProgress() as progress:

        def show(seen: BatchRecord) -> None:
            going = sum(seen.counts.get(state, 0) for state in ("queued", "running", "canceling"))
            progress.show("jobs", seen.total - going, seen.total)

        return batch.wait(timeout, on_progress=show)
