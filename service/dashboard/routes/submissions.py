"""Asking for a ticket: a form, then the plan of what it would be, then the job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from service.api.deps import JobId, Parts, PartsDep, checked_id
from service.api.schemas.text import read_label
from service.dashboard.pages import PageRoute, go_to, page, with_query
from service.dashboard.spec_form import ACTIVATIONS, DEFAULTS, fill_fields, read_spec
from service.dashboard.visitors import FormDep, Visitor, VisitorDep
from service.domain import (
    CheckpointStatus,
    Job,
    JobKind,
    JobRequest,
    KeyScope,
    UploadFilter,
)
from service.errors import NotFound, ServiceError
from service.usecases.jobs import get_job, submit_job
from service.usecases.plans import submit_plan
from service.usecases.uploads import list_checkpoints, list_datasets, name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OFFERED = 200


@router.get("/submit")
def show_form(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    checkpoint: Annotated[str, Query(max_length=40)] = "",
    dataset: Annotated[str, Query(max_length=40)] = "",
    like: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The form; with `like`, filled in as that job was asked for."""
    visitor.key.check(KeyScope.WRITE)
    fields = dict(DEFAULTS)
    if like:
        job = get_job(parts.store, visitor.tenant_id, checked_id("job", like))
        if "construction" in job.spec:
            fields = fill_fields(job.spec)
        checkpoint, dataset = checkpoint or job.checkpoint_id or "", dataset or job.dataset_id or ""
    fields |= {"checkpoint": checkpoint, "dataset": dataset}
    return _form_page(request, parts, visitor, fields, {})


@router.post("/submit")
async def plan(request: Request, parts: PartsDep, visitor: VisitorDep, form: FormDep) -> Response:
    """Have the plan made; the form again where the spec cannot be."""
    return await run_in_threadpool(_plan, request, parts, visitor, form)


def _plan(request: Request, parts: Parts, visitor: Visitor, form: FormData) -> Response:
    fields = {name: str(value) for name, value in form.items()}
    spec, faults = read_spec(fields)
    labels = fields.get("labels", "")
    try:
        read_labels(labels)
    except ValueError as refusal:
        faults["labels"] = str(refusal)
    if not fields.get("checkpoint"):
        faults["checkpoint"] = "choose the network that the ticket shall compute"
    if faults:
        return _form_page(request, parts, visitor, fields, faults, status=422)
    replicates, spec["replicates"] = spec["replicates"], 1
    try:
        if fields.get("dataset"):
            checked_id("dataset", fields["dataset"])
        checkpoint = checked_id("checkpoint", fields["checkpoint"])
        attempts = parts.settings.max_attempts
        job = submit_plan(parts.store, visitor.tenant_id, checkpoint, spec, attempts)
    except ServiceError as refusal:
        return _form_page(request, parts, visitor, fields, {"": refusal.detail}, status=422)
    more = {"dataset": fields.get("dataset"), "replicates": replicates, "labels": labels}
    return go_to(request, with_query(f"/plans/{job.id}", **more))


def _form_page(
    request: Request,
    parts: Parts,
    visitor: Visitor,
    fields: dict[str, str],
    faults: dict[str, str],
    status: int = 200,
) -> Response:
    usable = (CheckpointStatus.READY, CheckpointStatus.VALIDATING)
    checkpoints = list_checkpoints(
        parts.store, visitor.tenant_id, _OFFERED, None, UploadFilter()
    ).items
    datasets = list_datasets(parts.store, visitor.tenant_id, _OFFERED, None, UploadFilter()).items
    return page(
        request,
        "submit.html",
        visitor,
        status=status,
        checkpoints=[upload for upload in checkpoints if upload.status in usable],
        datasets=[upload for upload in datasets if upload.status in usable],
        activations=ACTIVATIONS,
        fields=fields,
        faults=faults,
    )


@router.get("/plans/{job_id}")
def show_plan(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    job_id: JobId,
    dataset: Annotated[str, Query(max_length=40)] = "",
    replicates: Annotated[int, Query(ge=1, le=100)] = 1,
    labels: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """The plan once it is made, with the button that asks for the construction."""
    job = _plan_job(parts, visitor, job_id)
    more: dict[str, Any] = {"dataset": dataset, "replicates": replicates, "labels": labels}
    return page(
        request,
        "plan.html",
        visitor,
        job=job,
        names=name_checkpoints(parts.store, visitor.tenant_id, {job.checkpoint_id or ""}),
        here=with_query(f"/plans/{job_id}", **more),
        **more,
    )


@router.post("/plans/{job_id}/construct")
async def construct(
    request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId, form: FormDep
) -> Response:
    """Queue the construction that the plan is of."""
    made = await run_in_threadpool(_construct, parts, visitor, job_id, form)
    return go_to(request, f"/jobs/{made.id}")


def _construct(parts: Parts, visitor: Visitor, job_id: str, form: FormData) -> Job:
    planned = _plan_job(parts, visitor, job_id)
    dataset = str(form.get("dataset", "")) or None
    if dataset is not None:
        checked_id("dataset", dataset)
    replicates = str(form.get("replicates", "1"))
    spec = {**planned.spec, "replicates": int(replicates) if replicates.isdecimal() else 1}
    request = JobRequest(
        JobKind.CONSTRUCT,
        spec,
        planned.checkpoint_id,
        dataset,
        labels=read_labels(str(form.get("labels", ""))),
        max_attempts=parts.settings.max_attempts,
    )
    return submit_job(parts.store, visitor.tenant_id, request)


def _plan_job(parts: Parts, visitor: Visitor, job_id: str) -> Job:
    job = get_job(parts.store, visitor.tenant_id, job_id)
    if job.kind is not JobKind.PLAN:
        raise NotFound("plan", job_id)
    return job


def read_labels(text: str) -> dict[str, str]:
    """Labels written as `name=value, name=value`; raises ValueError."""
    named = [read_label(part.strip()).partition("=") for part in text.split(",") if part.strip()]
    return {name: value for name, _, value in named}
