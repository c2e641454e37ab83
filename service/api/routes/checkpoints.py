"""Checkpoints: trained target networks, uploaded as bare files."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.deps import Caller, CheckpointId, PageDep, PartsDep
from service.api.refusals import InvalidCursor
from service.api.responses import body, problems
from service.api.routes.pages import send_page
from service.api.routes.uploads import (
    ContentDigest,
    UploadName,
    announce_upload,
    raw_body,
    upload_responses,
)
from service.api.schemas import CheckpointResource, CheckpointTensors, PageOf
from service.api.upload_filters import UploadFilterDep
from service.api.upload_slots import UploadSlot
from service.api.uploads import Reception, receive_file
from service.domain import Checkpoint
from service.errors import Conflict, InvalidRequest, NotFound
from service.usecases.pages import Page
from service.usecases.tensors import read_tensors
from service.usecases.uploads import (
    IncomingFile,
    add_checkpoint,
    delete_checkpoint,
    get_checkpoint,
    list_checkpoints,
)

router = APIRouter(prefix="/v1/checkpoints", tags=["checkpoints"])


@router.post(
    "",
    operation_id="upload_checkpoint",
    summary="Upload a checkpoint",
    status_code=202,
    responses=upload_responses("checkpoint", CheckpointResource),
    openapi_extra=raw_body(
        "The file itself: safetensors, a PyTorch state_dict, or ONNX. The format is read from the "
        "bytes, never from Content-Type or a name. With curl: --data-binary @FILE."
    ),
)
async def upload_checkpoint(
    request: Request,
    response: Response,
    caller: Caller,
    parts: PartsDep,
    _slot: UploadSlot,
    name: UploadName = "checkpoint",
    _content_digest: ContentDigest = None,
) -> CheckpointResource:
    """Stores the body and queues its validation in a sandbox.

    The same bytes again give the tenant's existing checkpoint (200), unless it was rejected.
    A refused or broken upload leaves nothing behind.
    """

    def register(file: IncomingFile) -> tuple[CheckpointResource, bool]:
        added = add_checkpoint(parts.store, file, caller.tenant_id, name)
        return CheckpointResource.of(added.upload), added.created

    rules = Reception.of(parts.settings, parts.settings.max_checkpoint_bytes)
    resource, created = await receive_file(request, parts.blobs, rules, register)
    announce_upload(response, resource.links.self, created=created)
    return resource


@router.get(
    "",
    operation_id="list_checkpoints",
    summary="List checkpoints",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Caller, parts: PartsDep, asked: PageDep, wanted: UploadFilterDep
) -> PageOf[CheckpointResource]:
    """The tenant's checkpoints, newest first."""

    def fetch(limit: int, after: str | None) -> Page[Checkpoint]:
        return list_checkpoints(parts.store, caller.tenant_id, limit, after, wanted)

    scope = f"checkpoints/{caller.tenant_id}/{wanted}"
    return send_page(parts, scope, asked, fetch, CheckpointResource.of)


@router.get(
    "/{checkpoint_id}",
    operation_id="get_checkpoint",
    summary="Get a checkpoint",
    responses={200: body("The checkpoint."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, checkpoint_id: CheckpointId) -> CheckpointResource:
    """One checkpoint: its validation status, and what was found in it."""
    return CheckpointResource.of(get_checkpoint(parts.store, caller.tenant_id, checkpoint_id))


@router.delete(
    "/{checkpoint_id}",
    operation_id="delete_checkpoint",
    summary="Delete a checkpoint",
    status_code=204,
    responses={204: body("The checkpoint is gone."), **problems(Conflict, NotFound)},
)
def delete(caller: Caller, parts: PartsDep, checkpoint_id: CheckpointId) -> None:
    """Deletes a checkpoint that no unfinished job uses; its bytes are collected later.

    Jobs and tickets made of it stay and go on naming it, but tickets can no longer be verified
    here, and jobs not be submitted again. Once more is no error.
    """
    delete_checkpoint(parts.store, caller.tenant_id, checkpoint_id)


@router.get(
    "/{checkpoint_id}/tensors",
    operation_id="list_checkpoint_tensors",
    summary="What is in a checkpoint",
    responses={200: body("All tensors, in order."), **problems(Conflict, NotFound)},
)
def get_tensors(caller: Caller, parts: PartsDep, checkpoint_id: CheckpointId) -> CheckpointTensors:
    """Names, types and shapes of the network as it was converted: what jobs work on."""
    found = read_tensors(parts.store, parts.blobs, caller.tenant_id, checkpoint_id)
    return CheckpointTensors.of(found)
