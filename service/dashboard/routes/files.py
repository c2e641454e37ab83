"""Checkpoints and data sets: what was uploaded, and uploading more."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from service.api.deps import PartsDep
from service.api.schemas.text import Name
from service.api.upload_slots import upload_slot
from service.api.uploads import Reception, receive_file
from service.dashboard.pages import PageRoute, StreamRoute, page
from service.dashboard.visitors import SenderDep, VisitorDep
from service.domain import CheckpointStatus, UploadFilter
from service.usecases.uploads import (
    IncomingFile,
    add_checkpoint,
    add_dataset,
    list_checkpoints,
    list_datasets,
)

router = APIRouter(route_class=PageRoute, include_in_schema=False)
uploading = APIRouter(route_class=StreamRoute, include_in_schema=False)

_SHOWN = 50


@router.get("/files")
def show_files(request: Request, parts: PartsDep, visitor: VisitorDep) -> Response:
    """The newest uploads of both kinds; the lists refresh while files are validated."""
    checkpoints = list_checkpoints(parts.store, visitor.tenant_id, _SHOWN, None, UploadFilter())
    datasets = list_datasets(parts.store, visitor.tenant_id, _SHOWN, None, UploadFilter())
    statuses = [upload.status for upload in checkpoints.items]
    statuses += [upload.status for upload in datasets.items]
    return page(
        request,
        "files.html",
        visitor,
        checkpoints=checkpoints,
        datasets=datasets,
        waiting=CheckpointStatus.VALIDATING in statuses,
        largest={
            "checkpoints": parts.settings.max_checkpoint_bytes,
            "datasets": parts.settings.max_dataset_bytes,
        },
    )


@uploading.post("/files/{kind}")
async def upload(
    request: Request,
    parts: PartsDep,
    sender: SenderDep,
    kind: Literal["checkpoints", "datasets"],
    name: Annotated[Name, Query()] = "upload",
) -> Response:
    """Take a file as the request's body, as the API does; the answer is its id."""
    settings = parts.settings
    target = kind == "checkpoints"
    largest = settings.max_checkpoint_bytes if target else settings.max_dataset_bytes

    def register(file: IncomingFile) -> str:
        if target:
            return add_checkpoint(parts.store, file, sender.tenant_id, name).upload.id
        return add_dataset(parts.store, file, sender.tenant_id, name).upload.id

    def take_slot() -> None:
        slot.__enter__()

    slot = upload_slot(parts, sender.tenant_id)
    await run_in_threadpool(take_slot)
    try:
        rules = Reception.of(settings, largest)
        upload_id = await receive_file(request, parts.blobs, rules, register)
    finally:
        await run_in_threadpool(slot.__exit__, None, None, None)
    return PlainTextResponse(upload_id, 201)
