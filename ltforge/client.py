"""The client: what a user of the service calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from ltforge.connection import Connection
from ltforge.downloads import fetch_file
from ltforge.jobs import Job, read_job
from ltforge.resources import Ticket, read_ticket
from ltforge.retrying import Repeat, RetryPolicy
from ltforge.uploads import Checkpoint, Dataset, SentCallback, read_upload, send_file

CHECKPOINTS = "/v1/checkpoints"
DATASETS = "/v1/datasets"
JOBS = "/v1/jobs"
TICKETS = "/v1/tickets"
PLANS = "/v1/plans"
COMPARISONS = "/v1/comparisons"

LONGEST_ANSWER = 10.0
"""Seconds a plan may take before it is waited for as a job."""

Item = TypeVar("Item")


class Client:
    """A connection to one LTForge service, as one tenant. Use it in a ``with`` block or close it.

    Args:
        base_url: where the service is, for example ``http://127.0.0.1:8000``.
        api_key: the ``ltf_...`` text the service printed or an administrator handed out.
        timeout: seconds one network operation may take (not a whole upload or job).
        transport: how requests travel; the default is the network.
        retries: how failed requests are repeated where that is safe.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        self._connection = Connection(
            base_url,
            api_key,
            timeout=timeout,
            transport=transport,
            retries=retries or RetryPolicy(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Records fetched through this client can then only be read."""
        self._connection.close()

    # Uploads

    def upload_checkpoint(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        on_progress: SentCallback | None = None,
    ) -> Checkpoint:
        """Stream a trained network's file to the service.

        Bytes the service already has from you are recognised, so repeating an upload is cheap and
        safe. The service reads the file afterwards: ``Checkpoint.wait`` says what it found.
        """
        return send_file(
            Checkpoint,
            self._connection,
            CHECKPOINTS,
            Path(path),
            name=name,
            on_progress=on_progress,
        )

    def upload_dataset(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        on_progress: SentCallback | None = None,
    ) -> Dataset:
        """Stream an npz file with arrays ``x`` and ``y``, on which tickets are evaluated."""
        return send_file(
            Dataset, self._connection, DATASETS, Path(path), name=name, on_progress=on_progress
        )

    def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """One checkpoint by its id."""
        document = self._connection.get(_address(CHECKPOINTS, checkpoint_id))
        return read_upload(Checkpoint, document, self._connection, CHECKPOINTS)

    def dataset(self, dataset_id: str) -> Dataset:
        """One data set by its id."""
        document = self._connection.get(_address(DATASETS, dataset_id))
        return read_upload(Dataset, document, self._connection, DATASETS)

    def list_checkpoints(self, *, page_size: int = 50) -> Iterator[Checkpoint]:
        """All your checkpoints, newest first, fetched page by page."""
        return self._pages(
            CHECKPOINTS,
            {"limit": page_size},
            lambda document: read_upload(Checkpoint, document, self._connection, CHECKPOINTS),
        )

    # Jobs

    def submit(
        self,
        checkpoint: Checkpoint | str | None,
        spec: Mapping[str, Any],
        dataset: Dataset | str | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        kind: str = "construct",
        replicates: int | None = None,
    ) -> Job:
        """Ask for a ticket of ``checkpoint``. Returns at once; ``Job.wait`` waits for the end.

        Other kinds of jobs are easier to ask for by ``estimate`` and ``statistics``.
        """
        document: dict[str, Any] = {"kind": kind, "spec": dict(spec)}
        if checkpoint is not None:
            document["checkpoint_id"] = _id_of(checkpoint)
        if dataset is not None:
            document["dataset_id"] = _id_of(dataset)
        if replicates is not None:
            document["replicates"] = replicates
        if labels:
            document["labels"] = dict(labels)
        answer = self._connection.post(JOBS, document, repeat=Repeat.ONLY_IF_NOTHING_HAPPENED)
        return read_job(answer, self._connection)

    def estimate(
        self,
        checkpoint: Checkpoint | str,
        spec: Mapping[str, Any],
        dataset: Dataset | str | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        replicates: int = 3,
    ) -> Job:
        """Ask what tickets of ``checkpoint`` would be like, where it is too large to construct any.

        A sample of their problems is solved exactly, for ``replicates`` sources; the report, with
        confidence intervals, is the finished job's ``metrics``.
        """
        return self.submit(
            checkpoint, spec, dataset, labels, kind="estimate", replicates=replicates
        )

    def statistics(
        self,
        question: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Job:
        """Ask how often random subset-sum problems fail; the answer is the job's ``metrics``.

        Args:
            question: distribution, candidates, tolerance, target, largest_subset, trials and seed;
                what is left out takes the service's default.
            labels: names with values, kept with the job.
        """
        return self.submit(None, question or {}, labels=labels, kind="statistics")

    def plan(
        self, checkpoint: Checkpoint | str, spec: Mapping[str, Any], *, timeout: float = 300.0
    ) -> dict[str, Any]:
        """What a construction would lay out, find and cost, without constructing anything.

        Args:
            checkpoint: the target network.
            spec: what would be constructed.
            timeout: seconds to wait at most.

        Raises:
            LTForgeError: no plan can be made; the code is the one a construction would fail with.
            WaitTimeoutError: ``timeout`` seconds passed first.
        """
        document = {"checkpoint_id": _id_of(checkpoint), "spec": dict(spec)}
        wait = min(timeout, LONGEST_ANSWER)
        answer, made = self._connection.post_patiently(PLANS, document, seconds=wait)
        if made:
            return answer
        job = read_job(answer, self._connection).wait(timeout - wait)
        return job.metrics or {}

    def job(self, job_id: str) -> Job:
        """One job by its id."""
        return read_job(self._connection.get(_address(JOBS, job_id)), self._connection)

    def cancel(self, job: Job | str) -> Job:
        """Ask a job to stop. Harmless to repeat, and no effect on a finished job."""
        document = self._connection.post(
            f"{_address(JOBS, job)}/cancel", None, repeat=Repeat.HARMLESS
        )
        return read_job(document, self._connection)

    def list_jobs(
        self, *, status: str | None = None, kind: str | None = None, page_size: int = 50
    ) -> Iterator[Job]:
        """All your jobs, newest first, fetched page by page."""
        parameters: dict[str, str | int] = {"limit": page_size}
        if status is not None:
            parameters["status"] = status
        if kind is not None:
            parameters["kind"] = kind
        return self._pages(JOBS, parameters, lambda document: read_job(document, self._connection))

    # Tickets

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket's record by its id."""
        return read_ticket(self._connection.get(_address(TICKETS, ticket_id)))

    def list_tickets(self, *, page_size: int = 50) -> Iterator[Ticket]:
        """All your tickets, newest first, fetched page by page."""
        return self._pages(TICKETS, {"limit": page_size}, read_ticket)

    def metrics(self, ticket: Ticket | str) -> dict[str, Any]:
        """The report made when the ticket was constructed."""
        return self._connection.get(f"{_address(TICKETS, ticket)}/metrics")

    def download_mask(self, ticket: Ticket | str, path: str | PathLike[str]) -> Path:
        """Download the ticket file, check its digest, and only then give it its name.

        Raises:
            CorruptTransferError: the bytes are not those announced; nothing is left behind.
        """
        return fetch_file(self._connection, f"{_address(TICKETS, ticket)}/mask", Path(path))

    def mask_rows(
        self, ticket: Ticket | str, layer: int, first: int = 0, end: int | None = None
    ) -> dict[str, Any]:
        """The kept columns and biases of some rows of a source layer (from 1), as one JSON piece.

        ``next_row`` of the answer says where to go on if it does not hold all that was asked for.
        """
        rows = f"{first}:{'' if end is None else end}"
        path = f"{_address(TICKETS, ticket)}/mask"
        return self._connection.get(path, {"layer": layer, "rows": rows})

    def export(
        self,
        ticket: Ticket | str,
        form: str,
        path: str | PathLike[str],
        *,
        timeout: float = 600.0,
    ) -> Path:
        """Download a ticket as state_dict, safetensors, sparse_safetensors, npz or onnx.

        Raises:
            JobFailedError: the service cannot make the file.
            WaitTimeoutError: it was not made within ``timeout`` seconds.
        """
        source = f"{_address(TICKETS, ticket)}/export?format={quote(form, safe='')}"
        maker = self._connection.maker(source)
        if maker is not None:
            read_job(self._connection.get(maker), self._connection).wait(timeout)
        return fetch_file(self._connection, source, Path(path))

    def verify(self, ticket: Ticket | str, *, timeout: float = 600.0) -> dict[str, Any]:
        """The verdict of the service's verifier: valid, reasons, largest_parameter_error."""
        path = f"{_address(TICKETS, ticket)}/verify"
        document = self._connection.post(path, None, repeat=Repeat.HARMLESS)
        return read_job(document, self._connection).wait(timeout).metrics or {}

    def compare(
        self, first: Ticket | str, second: Ticket | str, *, timeout: float = 600.0
    ) -> dict[str, Any]:
        """Two tickets beside each other: specs, figures, kept cells and common cells."""
        asked = {"ticket_id": _id_of(first), "other_ticket_id": _id_of(second)}
        document = self._connection.post(COMPARISONS, asked, repeat=Repeat.HARMLESS)
        return read_job(document, self._connection).wait(timeout).metrics or {}

    def delete_ticket(self, ticket: Ticket | str) -> None:
        """Delete a ticket with its file and exports, for good."""
        self._connection.delete(_address(TICKETS, ticket))

    def delete_dataset(self, dataset: Dataset | str) -> None:
        """Delete a data set that no unfinished job uses."""
        self._connection.delete(_address(DATASETS, dataset))

    def _pages(
        self, path: str, parameters: Mapping[str, str | int], read: Callable[[Any], Item]
    ) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            at = {} if cursor is None else {"cursor": cursor}
            page = self._connection.get(path, {**parameters, **at})
            for document in page["data"]:
                yield read(document)
            cursor = page.get("next_cursor")
            if not cursor:
                return


def _address(collection: str, resource: Checkpoint | Dataset | Job | Ticket | str) -> str:
    """The path of one resource; an id given as text cannot leave its place in the path."""
    return f"{collection}/{quote(_id_of(resource), safe='')}"


def _id_of(resource: Checkpoint | Dataset | Job | Ticket | str) -> str:
    return resource if isinstance(resource, str) else resource.id
