"""The demo's journey: upload, construct twice, once more, download, verify offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ltengine.verification import verify_files
from ltforge.client import Checkpoint, Client, Dataset, Job
from ltforge.demo.material import Material
from ltforge.resources import JobRecord

CONSTRUCTIONS = {"L+1": "ticket-L+1.safetensors", "2L": "ticket-2L.safetensors"}
_JOB_SECONDS = 600.0


class DemoFailedError(Exception):
    """Something the demo is there to show is not so."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """What the service was given."""

    checkpoint: Checkpoint
    dataset: Dataset


def spec_for(construction: str, material: Material) -> dict[str, Any]:
    """The construction spec, as the paper's experiments have it."""
    return {
        "construction": construction,
        "objective": "smallest_subsets",
        "tolerance": {"parameter": 0.01},
        "base_set": {"size": 20, "largest_subset": 10},
        "source": {"seed": 0, "distribution": "uniform", "initialization": "convenient"},
        "activation": {"name": "relu"},
        "input": dict(material.input),
    }


def upload(client: Client, material: Material, console: Console) -> Uploads:
    """Upload the network and the test set and wait until the service has read both."""
    checkpoint = client.upload_checkpoint(material.checkpoint)
    dataset = client.upload_dataset(material.dataset)
    uploads = Uploads(checkpoint.wait(), dataset.wait())
    console.print(f"uploaded  {material.checkpoint.name}, {checkpoint.bytes:,} bytes")
    console.print(f"uploaded  {material.dataset.name}, {dataset.bytes:,} bytes")
    return uploads


def construct(client: Client, uploads: Uploads, spec: dict[str, Any], console: Console) -> Job:
    """Submit a job and follow it to its end."""
    job = client.submit(uploads.checkpoint, spec, dataset=uploads.dataset)
    with Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task(f"{spec['construction']} queued", total=1.0)

        def show(seen: JobRecord) -> None:
            stage = seen.progress.stage if seen.status == "running" else None
            description = f"{spec['construction']} {stage or seen.status}"
            done = 1.0 if seen.status == "succeeded" else seen.progress.fraction
            bar.update(task, completed=done, description=description)

        return job.wait(_JOB_SECONDS, on_progress=show)


def report_of(job: Job) -> dict[str, Any]:
    """The report of a job that has succeeded."""
    if job.metrics is None:
        raise DemoFailedError(f"job {job.id} succeeded without a report")
    return job.metrics


def download_and_verify(
    client: Client, job: Job, path: Path, material: Material, console: Console
) -> None:
    """Fetch the ticket file and check it with the engine's independent verifier."""
    if job.ticket_id is None:
        raise DemoFailedError(f"job {job.id} succeeded without a ticket")
    client.download_mask(job.ticket_id, path)
    verdict = verify_files(path, material.checkpoint)
    if not verdict.valid:
        raise DemoFailedError(f"{path} is not valid: {'; '.join(verdict.reasons)}")
    console.print(
        f"verified offline  {path}, {path.stat().st_size:,} bytes, "
        f"largest parameter error {verdict.largest_parameter_error:.8f}"
    )


def require_same_ticket(first: Job, again: Job, console: Console) -> None:
    """The same spec must give the same ticket, bit for bit."""
    digests = [report_of(job)["ticket"]["digest"] for job in (first, again)]
    if digests[0] != digests[1]:
        raise DemoFailedError(f"the same spec gave two tickets: {digests[0]} and {digests[1]}")
    console.print(f"same spec again, same digest  {digests[0]}")
