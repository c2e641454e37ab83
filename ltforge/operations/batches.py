"""Batches: one request, many specs; one table of their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ltforge.calls import Identified, address, create, get, get_text, id_of, pages, post
from ltforge.exchange import Flow, Stream
from ltforge.resources import BatchDryRun, BatchRecord, BatchResults
from ltforge.waiting import Look, wait_until

BATCHES = "/v1/batches"


def submit_batch(
    submission: Mapping[str, Any], *, idempotency_key: str | None = None
) -> Flow[BatchRecord]:
    """Queue a batch from a submission as openapi.yaml describes it; ``sweep`` writes it for you."""
    return (yield from create(BatchRecord, BATCHES, submission, idempotency_key=idempotency_key))


def sweep(
    checkpoint: Identified | str,
    spec: Mapping[str, Any],
    over: Mapping[str, Any],
    dataset: Identified | str | None = None,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    **conditions: Any,
) -> Flow[BatchRecord]:
    """Queue a job for every combination of swept values and every seed.

    Args:
        checkpoint: the target network.
        spec: what all jobs have in common; ``replicates`` is the number of seeds.
        over: for each swept field of the spec, by its dotted name, its values: a list, or
            ``{"start": 15, "count": 3, "step": 5}``.
        dataset: on which accuracies are measured.
        name: for people.
        labels: of every job.
        idempotency_key: names this submission, so that it happens once however often it is sent.
        conditions: priority, timeout_s, queue_timeout_s, max_attempts of every job.
    """
    submission = _submission(checkpoint, spec, over, dataset, {"name": name, **conditions})
    if labels:
        submission["labels"] = dict(labels)
    return (yield from submit_batch(submission, idempotency_key=idempotency_key))


def count_sweep(
    checkpoint: Identified | str, spec: Mapping[str, Any], over: Mapping[str, Any]
) -> Flow[BatchDryRun]:
    """How many jobs ``sweep`` would queue; checks the specs and queues nothing."""
    submission = _submission(checkpoint, spec, over, None, {"dry_run": True})
    return (yield from post(BatchDryRun, BATCHES, submission))


def _submission(
    checkpoint: Identified | str,
    spec: Mapping[str, Any],
    over: Mapping[str, Any],
    dataset: Identified | str | None,
    others: Mapping[str, Any],
) -> dict[str, Any]:
    submission: dict[str, Any] = {
        "checkpoint_id": id_of(checkpoint),
        "spec": dict(spec),
        "sweep": dict(over),
        **{field: value for field, value in others.items() if value != ""},
    }
    if dataset is not None:
        submission["dataset_id"] = id_of(dataset)
    return submission


def get_batch(batch: Identified | str) -> Flow[BatchRecord]:
    """A batch as it is now."""
    return (yield from get(BatchRecord, address(BATCHES, batch)))


def list_batches(*, page_size: int = 50) -> Stream[BatchRecord]:
    """Your batches, newest first."""
    yield from pages(BatchRecord, BATCHES, {}, page_size)


def cancel_batch(batch: Identified | str, reason: str | None = None) -> Flow[BatchRecord]:
    """Ask every unfinished job of a batch to stop."""
    why = None if reason is None else {"reason": reason}
    return (yield from post(BatchRecord, address(BATCHES, batch, "cancel"), why))


def get_batch_results(batch: Identified | str) -> Flow[BatchResults]:
    """The results so far: a row a job, and a group a combination with means and intervals."""
    return (yield from get(BatchResults, address(BATCHES, batch, "results")))


def batch_results_csv(batch: Identified | str, table: str = "rows") -> Flow[str]:
    """The results so far as CSV; ``table``: rows (one a job) or groups."""
    asked = {"format": "csv", "table": table}
    return (yield from get_text(address(BATCHES, batch, "results"), asked))


def wait_for_batch(
    batch: Identified | str,
    timeout: float = 3600.0,
    on_progress: Callable[[BatchRecord], None] | None = None,
) -> Flow[BatchRecord]:
    """Wait until every job of a batch has ended, well or not: ``counts`` and the results say how.

    Args:
        batch: which one.
        timeout: seconds to wait at most.
        on_progress: called with the batch every time its counts have changed.

    Raises:
        WaitTimeoutError: ``timeout`` seconds passed first; the jobs go on.
    """
    last: list[dict[str, int]] = []

    def seen(found: BatchRecord) -> None:
        if on_progress is not None and last != [found.counts]:
            last[:] = [found.counts]
            on_progress(found)

    return (
        yield from wait_until(
            lambda _left: _look(batch),
            lambda found: found.terminal,
            timeout=timeout,
            what=f"batch {id_of(batch)}",
            seen=seen,
        )
    )


def _look(batch: Identified | str) -> Flow[Look[BatchRecord]]:
    return Look((yield from get_batch(batch)))
