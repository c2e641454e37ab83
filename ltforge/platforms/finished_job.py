"""A construction that has ended, as platforms are told of it: plain names and plain numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from ltforge.client import Client
from ltforge.ticket_file import TicketFile

# Figures that say what went in are parameters, and distributions are no single number.
_NO_METRICS = ("specification", "target.digest", "source.seed", "error.histogram")


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """What is known of a construction once it has ended.

    Attributes:
        id: of the job, or the ticket's digest where there was no job.
        specification: what was asked for.
        report: the ticket's report; empty where there is none.
        ticket: the ticket file; None for a failed job, or where the ticket has been deleted.
        error: the code and the sentence that say why a job failed.
        started, finished: None where it is not known.
    """

    id: str
    specification: dict[str, Any]
    report: dict[str, Any] = field(default_factory=dict)
    ticket: Path | None = None
    ticket_id: str | None = None
    checkpoint_id: str | None = None
    parent_id: str | None = None
    tenant: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    started: datetime | None = None
    finished: datetime | None = None

    @classmethod
    def of_ticket_file(cls, path: str | PathLike[str]) -> FinishedJob:
        """What a ticket file alone tells.

        Raises:
            LTForgeError: it cannot be read, or is no ticket.
        """
        ticket = TicketFile.read(path)
        report = {
            "ticket": {"digest": ticket.digest, "file_bytes": len(ticket.content)},
            "target": {"digest": ticket.metadata["target_digest"]},
        }
        return cls(ticket.digest, ticket.metadata["specification"], report, Path(path))

    @classmethod
    def of_ticket_on_the_service(cls, client: Client, ticket_id: str, folder: Path) -> FinishedJob:
        """A ticket of the service with its report and its job; the file goes into ``folder``.

        Raises:
            LTForgeError: it cannot be had.
        """
        found = client.get_ticket(ticket_id)
        job = client.get_job(found.job_id)
        path = client.download_mask(ticket_id, folder / "ticket.safetensors")
        report = dict(client.get_ticket_metrics(ticket_id))
        return cls(
            id=job.id,
            specification=report["specification"],
            report=report,
            ticket=path,
            ticket_id=ticket_id,
            checkpoint_id=found.checkpoint_id,
            parent_id=job.parent_id,
            labels=job.labels,
            started=job.started_at,
            finished=job.finished_at,
        )


def parameters(job: FinishedJob) -> dict[str, str]:
    """The specification by dotted names; what was left open is not among them."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in _leaves(job.specification, "")
        if value is not None
    }


def metrics(job: FinishedJob) -> dict[str, float]:
    """Every single number of the report, by dotted name."""
    return {
        name: float(value)
        for name, value in _leaves(job.report, "")
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not name.startswith(_NO_METRICS)
    }


def series(job: FinishedJob) -> list[tuple[str, int, float]]:
    """(name, step, value): what is counted by layer, and by size of subset.

    The step of ``layer.*`` is the source layer, of ``base_set.*`` the target layer, from 1, and of
    ``subset_size.problems`` the number of elements.
    """
    report, found = job.report, list[tuple[str, int, float]]()
    for number, layer in enumerate(report.get("ticket", {}).get("layers", []), start=1):
        found += [
            (f"layer.{name}", number, float(layer[name]))
            for name in ("width", "parameters", "constants", "scale")
        ]
    for base_set in report.get("source", {}).get("base_sets", []):
        found += [
            (f"base_set.{name}", base_set["target_layer"], float(base_set[name]))
            for name in ("tolerance", "size", "candidates", "largest_subset")
        ]
    sizes = report.get("subset_size", {}).get("histogram", {})
    found += [("subset_size.problems", int(size), float(n)) for size, n in sizes.items()]
    return found


def identity(job: FinishedJob) -> dict[str, str]:
    """Where the result comes from and what it is of, by name; what is unknown is left out."""
    report = job.report
    known = {
        "job_id": job.id,
        "ticket_id": job.ticket_id,
        "checkpoint_id": job.checkpoint_id,
        "parent_job_id": job.parent_id,
        "tenant": job.tenant,
        "ticket_digest": report.get("ticket", {}).get("digest"),
        "target_digest": report.get("target", {}).get("digest"),
        "engine_version": report.get("engine_version"),
        "device": report.get("device"),
        **{f"label.{name}": value for name, value in job.labels.items()},
    }
    if job.error is not None:
        known["error_code"], known["error"] = job.error
    return {name: str(value) for name, value in known.items() if value is not None}


def write_documents(job: FinishedJob, folder: Path) -> list[Path]:
    """Write what there is of specification.json and report.json into ``folder``; the files."""
    written = []
    for name, document in (("specification", job.specification), ("report", job.report)):
        if document:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(document, indent=2))
            written.append(path)
    return written


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Values of nested objects by dotted name; lists are left out."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif not isinstance(value, list):
        yield name, value
