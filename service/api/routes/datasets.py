"""Data sets: inputs and labels on which accuracies are measured."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.deps import Caller, DatasetId, PageDep, PartsDep
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
from service.api.schemas import DatasetResource, PageOf
from service.api.upload_filters import UploadFilterDep
from service.api.upload_slots import UploadSlot
from service.api.uploads import Reception, receive_file
from service.domain import Dataset
from service.errors import Conflict, InvalidRequest, NotFound
from service.usecases.pages import Page
from service.usecases.uploads import (
    IncomingFile,
    add_dataset,
    delete_dataset,
    get_dataset,
    list_datasets,
)

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


@router.post(
    "",
    operation_id="upload_dataset",
    summary="Upload a data set",
    status_code=202,
    responses=upload_responses("data set", DatasetResource),
    openapi_extra=raw_body(
        "The file itself: a NumPy .npz archive with arrays `x` (one row per input) and `y` (the "
        "class of each). With curl: --data-binary @FILE."
    ),
)
async def upload_dataset(
    request: Request,
    response: Response,
    caller: Caller,
    parts: PartsDep,
    _slot: UploadSlot,
    name: UploadName = "dataset",
    _content_digest: ContentDigest = None,
) -> DatasetResource:
    """Stores the body and queues its validation in a sandbox.

    The same bytes again give the tenant's existing data set (200), unless it was rejected.
    A refused or broken upload leaves nothing behind.
    """

    def register(file: IncomingFile) -> tuple[DatasetResource, bool]:
        added = add_dataset(parts.store, file, caller.tenant_id, name)
        return DatasetResource.of(added.upload), added.created

    rules = Reception.of(parts.settings, parts.settings.max_dataset_bytes)
    resource, created = await receive_file(request, parts.blobs, rules, register)
    announce_upload(response, resource.links.self, created=created)
    return resource


@router.get(
    "",
    operation_id="list_datasets",
    summary="List data sets",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Caller, parts: PartsDep, asked: PageDep, wanted: UploadFilterDep
) -> PageOf[DatasetResource]:
    """The tenant's data sets, newest first."""

    def fetch(limit: int, after: str | None) -> Page[Dataset]:
        return list_datasets(parts.store, caller.tenant_id, limit, after, wanted)

    scope = f"datasets/{caller.tenant_id}/{wanted}"
    return send_page(parts, scope, asked, fetch, DatasetResource.of)


@router.get(
    "/{dataset_id}",
    operation_id="get_dataset",
    summary="Get a data set",
    responses={200: body("The data set."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, dataset_id: DatasetId) -> DatasetResource:
    """One data set: its validation status, and what was found in it."""
    return DatasetResource.of(get_dataset(parts.store, caller.tenant_id, dataset_id))


@router.delete(
    "/{dataset_id}",
    operation_id="delete_dataset",
    summary="Delete a data set",
    status_code=204,
    responses={204: body("The data set is gone."), **problems(Conflict, NotFound)},
)
def delete(caller: Caller, parts: PartsDep, dataset_id: DatasetId) -> None:
    """Deletes a data set that no unfinished job uses; its bytes are collected later.

    Finished jobs go on naming it. Once more is no error.
    """
    delete_dataset(parts.store, caller.tenant_id, dataset_id)
