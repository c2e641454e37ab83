"""Asking for a sweep: a form, then the plans of what it would be, then the jobs.

Between the pages a sweep lies in the address, so that nothing is kept before it is submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from service.api.batch_requests import describe_request, read_requests
from service.api.deps import Parts, PartsDep, checked_id
from service.api.schemas import BatchSubmission
from service.dashboard.pages import PageRoute, go_to, page, with_query
from service.dashboard.spec_form import ACTIVATIONS
from service.dashboard.sweep_form import SWEEP_DEFAULTS, read_sweep
from service.dashboard.visitors import TOKEN_FIELD, FormDep, Visitor, VisitorDep
from service.domain import (
    SEED,
    CheckpointStatus,
    Job,
    JobKind,
    JobRequest,
    JobStatus,
    KeyScope,
    UploadFilter,
    read_field,
)
from service.errors import InvalidRequest, NotFound, ServiceError
from service.usecases.batches import submit_batch
from service.usecases.jobs import get_job
from service.usecases.plans import submit_plan
from service.usecases.uploads import list_checkpoints, list_datasets, name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OFFERED = 200
_MOST_PLANNED = 24
_PLANS = "plans"


class _Refused(Exception):  # noqa: N818 - reads as the outcome it is
    """The form asks for no sweep; says why, by its fields."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults


@router.get("/sweeps/new")
def show_form(request: Request, parts: PartsDep, visitor: VisitorDep) -> Response:
    """The form, filled in with what the address says."""
    visitor.key.check(KeyScope.WRITE)
    fields = dict(request.query_params)
    fields.pop(_PLANS, None)
    return _form_page(request, parts, visitor, {**SWEEP_DEFAULTS, **fields}, {})


@router.post("/sweeps/plans")
async def plan(request: Request, parts: PartsDep, visitor: VisitorDep, form: FormDep) -> Response:
    """Have each combination planned; the form again where the sweep cannot be."""
    return await run_in_threadpool(_plan, request, parts, visitor, form)


def _plan(request: Request, parts: Parts, visitor: Visitor, form: FormData) -> Response:
    fields = _fields_of(form)
    try:
        requests = _combinations(parts, fields)
        jobs = [_plan_one(parts, visitor, request) for request in requests]
    except _Refused as refusal:
        return _form_page(request, parts, visitor, fields, refusal.faults)
    except ServiceError as refusal:
        return _form_page(request, parts, visitor, fields, {"": refusal.detail})
    return go_to(request, _address(fields, jobs))


def _plan_one(parts: Parts, visitor: Visitor, asked: JobRequest) -> Job:
    checkpoint, attempts = asked.checkpoint_id or "", parts.settings.max_attempts
    return submit_plan(parts.store, visitor.tenant_id, checkpoint, asked.spec, attempts)


@router.get("/sweeps/plans")
def show_plans(request: Request, parts: PartsDep, visitor: VisitorDep) -> Response:
    """The plans as they are made, with the button that asks for the constructions."""
    fields = dict(request.query_params)
    ids = fields.pop(_PLANS, "").split(",")
    try:
        asked = _read(fields)
        requests = _combinations(parts, fields)
    except _Refused as refusal:
        return _form_page(request, parts, visitor, fields, refusal.faults)
    jobs = [_plan_job(parts, visitor, job_id) for job_id in ids[:_MOST_PLANNED]]
    if [job.spec for job in jobs] != [combination.spec for combination in requests]:
        return _form_page(
            request, parts, visitor, fields, {"": "These are the plans of another sweep; ask again"}
        )
    swept = [path for path in asked.sweep if path != SEED]
    seeds = len(asked.swept()[SEED])
    return page(
        request,
        "sweep_plan.html",
        visitor,
        name=asked.name,
        names=name_checkpoints(parts.store, visitor.tenant_id, {asked.checkpoint_id}),
        asked=asked,
        fields=fields,
        swept=swept,
        jobs=jobs,
        read_field=read_field,
        seeds=seeds,
        total=seeds * len(jobs),
        waiting=any(not job.status.terminal for job in jobs),
        complete=all(job.status is JobStatus.SUCCEEDED for job in jobs),
        seconds=seeds
        * sum((job.report or {}).get("seconds", {}).get("construct", 0) for job in jobs),
        here=_address(fields, jobs),
        change=with_query("/sweeps/new", **fields),
    )


@router.post("/sweeps")
async def construct(
    request: Request, parts: PartsDep, visitor: VisitorDep, form: FormDep
) -> Response:
    """Queue the constructions of all combinations and seeds."""
    return await run_in_threadpool(_construct, request, parts, visitor, form)


def _construct(request: Request, parts: Parts, visitor: Visitor, form: FormData) -> Response:
    fields = _fields_of(form)
    settings = parts.settings
    try:
        asked = _read(fields)
    except _Refused as refusal:
        return _form_page(request, parts, visitor, fields, refusal.faults)
    requests = read_requests(asked, settings.max_batch_jobs, settings.max_attempts)
    shown = describe_request(asked)
    batch = submit_batch(parts.store, visitor.tenant_id, asked.name, shown, requests)
    return go_to(request, f"/sweeps/{batch.id}")


def _combinations(parts: Parts, fields: Mapping[str, str]) -> list[JobRequest]:
    """A request for each combination, at its first seed; raises _Refused, NotFound."""
    asked = _read(fields)
    settings = parts.settings
    rest = {path: values for path, values in asked.sweep.items() if path != SEED}
    try:
        read_requests(asked, settings.max_batch_jobs, settings.max_attempts)
        one_seed = asked.model_copy(update={"sweep": rest})
        requests = read_requests(one_seed, settings.max_batch_jobs, settings.max_attempts)
    except InvalidRequest as refusal:
        raise _Refused({"": refusal.detail}) from refusal
    if len(requests) > _MOST_PLANNED:
        raise _Refused(
            {
                "": f"These are {len(requests)} combinations. At most {_MOST_PLANNED} are planned "
                "here; POST /v1/batches takes more."
            }
        )
    return requests


def _read(fields: Mapping[str, str]) -> BatchSubmission:
    """What the form asks for; raises _Refused."""
    base, sweep, faults = read_sweep(fields)
    if not fields.get("checkpoint"):
        faults["checkpoint"] = "choose the network that the tickets shall compute"
    if faults:
        raise _Refused(faults)
    document: dict[str, Any] = {
        "name": fields.get("name", "").strip() or SWEEP_DEFAULTS["name"],
        "checkpoint_id": fields["checkpoint"],
        "dataset_id": fields.get("dataset") or None,
        "spec": base,
        "sweep": sweep,
    }
    try:
        return BatchSubmission.model_validate(document)
    except ValidationError as refusal:
        first = refusal.errors()[0]
        raise _Refused({"": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}) from refusal


def _fields_of(form: FormData) -> dict[str, str]:
    """The form's fields; of one that is there several times, the values with commas between."""
    names = dict.fromkeys(name for name in form if name not in (TOKEN_FIELD, _PLANS))
    return {name: ",".join(map(str, form.getlist(name))) for name in names}


def _address(fields: Mapping[str, str], jobs: list[Job]) -> str:
    return with_query("/sweeps/plans", **{**fields, _PLANS: ",".join(job.id for job in jobs)})


def _plan_job(parts: Parts, visitor: Visitor, job_id: str) -> Job:
    job = get_job(parts.store, visitor.tenant_id, checked_id("plan", job_id))
    if job.kind is not JobKind.PLAN:
        raise NotFound("plan", job_id)
    return job


def _form_page(
    request: Request,
    parts: Parts,
    visitor: Visitor,
    fields: dict[str, str],
    faults: dict[str, str],
) -> Response:
    usable = (CheckpointStatus.READY, CheckpointStatus.VALIDATING)
    every, tenant_id = UploadFilter(), visitor.tenant_id
    checkpoints = list_checkpoints(parts.store, tenant_id, _OFFERED, None, every).items
    datasets = list_datasets(parts.store, tenant_id, _OFFERED, None, every).items
    return page(
        request,
        "new_sweep.html",
        visitor,
        status=422 if faults else 200,
        checkpoints=[upload for upload in checkpoints if upload.status in usable],
        datasets=[upload for upload in datasets if upload.status in usable],
        activations=ACTIVATIONS,
        fields={"checkpoint": "", "dataset": "", **fields},
        faults=faults,
    )
