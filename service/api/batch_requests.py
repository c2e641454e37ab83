"""What a batch asks for, as the requests of its jobs."""

from __future__ import annotations

from typing import Any

from ltengine.errors import SpecificationError
from ltengine.specification import parse_specification
from service.api.deps import checked_id
from service.api.schemas import BatchSubmission
from service.domain import JobKind, JobRequest, count_points, expand_sweep
from service.errors import InvalidRequest


def describe_request(asked: BatchSubmission) -> dict[str, Any]:
    """The request as it is kept and shown with its batch."""
    shown = {"checkpoint_id", "dataset_id", "spec", "sweep"}
    return asked.model_dump(mode="json", include=shown)


def read_requests(asked: BatchSubmission, largest: int, max_attempts: int) -> list[JobRequest]:
    """A request for each combination, at most `largest` jobs in all.

    Raises InvalidRequest, NotFound.
    """
    swept = asked.swept()
    if count_points(swept) > largest:
        raise _refusal("/sweep", "BATCH_TOO_LARGE", _too_many(count_points(swept), largest))
    template = JobRequest(
        JobKind.CONSTRUCT,
        {},
        checked_id("checkpoint", asked.checkpoint_id),
        None if asked.dataset_id is None else checked_id("dataset", asked.dataset_id),
        labels=asked.labels,
        priority=asked.priority,
        timeout_s=asked.timeout_s,
        queue_timeout_s=asked.queue_timeout_s,
        max_attempts=asked.max_attempts or max_attempts,
    )
    try:
        found = [
            template.with_spec(_checked_spec(point, spec))
            for point, spec in expand_sweep(asked.spec, swept)
        ]
    except ValueError as refusal:
        raise _refusal("/sweep", "VALUE_ERROR", str(refusal)) from refusal
    jobs = sum(int(request.spec["replicates"]) for request in found)
    if jobs > largest:
        raise _refusal("/sweep", "BATCH_TOO_LARGE", _too_many(jobs, largest))
    return found


def _checked_spec(point: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    try:
        return parse_specification(spec).model_dump(mode="json")
    except SpecificationError as refusal:
        where = ", ".join(f"{path} = {value!r}"[:80] for path, value in point.items())
        items = [
            {**item, "pointer": f"/spec{item['pointer']}", "detail": f"{item['detail']} ({where})"}
            for item in refusal.problems
        ]
        lines = "; ".join(f"{item['pointer']}: {item['detail']}" for item in items[:3])
        raise InvalidRequest(lines, items) from refusal


def _too_many(jobs: int, largest: int) -> str:
    return f"the batch would have {jobs} jobs, and {largest} are allowed; split it"


def _refusal(pointer: str, code: str, detail: str) -> InvalidRequest:
    item = {"pointer": pointer, "code": code, "detail": detail}
    return InvalidRequest(f"{pointer}: {detail}", [item])
