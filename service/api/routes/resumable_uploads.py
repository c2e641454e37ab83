"""Resumable uploads: files in pieces, by the tus protocol, that become checkpoints or data sets."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.api import tus
from service.api.deps import Caller, Parts, PartsDep, UploadId
from service.api.refusals import (
    LengthRequired,
    UnsupportedEncoding,
    UnsupportedTusVersion,
    UploadStalled,
    WrongMediaType,
)
from service.api.responses import LOCATION, RETRY_AFTER, body, problems
from service.api.routes.uploads import announce_upload
from service.api.schemas import CheckpointResource, DatasetResource, ResumableUploadResource
from service.api.tus_contract import (
    CREATION,
    EXPIRES,
    METADATA,
    OFFSET,
    PIECE_HEADERS,
    RESUMABLE,
    UPLOAD_LENGTH,
    described_headers,
    piece_body,
)
from service.api.upload_slots import PieceSlot, UploadSlot
from service.api.uploads import Reception, batches, refuse_encoding
from service.domain import Checkpoint, ResumableUpload
from service.errors import (
    ChecksumMismatch,
    Conflict,
    EmptyUpload,
    InvalidDigest,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    StorageFull,
    StorageQuotaExceeded,
    UploadExpired,
    UploadLocked,
)
from service.usecases.resumable_uploads import (
    UploadWriter,
    begin_upload,
    delete_upload,
    finalize_upload,
    get_upload,
    open_writer,
)

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], route_class=tus.TusRoute)

_PIECE_PROBLEMS = (
    ChecksumMismatch,
    Conflict,
    InvalidDigest,
    InvalidRequest,
    LengthRequired,
    StorageFull,
    UnsupportedEncoding,
    UnsupportedTusVersion,
    UploadLocked,
    UploadStalled,
    WrongMediaType,
)


@router.options(
    "",
    operation_id="describe_uploads",
    summary="What the upload protocol offers here",
    status_code=204,
    responses={204: body("Headers alone.", **RESUMABLE, **CREATION), **problems()},
)
def describe(response: Response, _caller: Caller, parts: PartsDep) -> None:
    """Versions and extensions of tus that are spoken, and the largest file that is taken."""
    settings = parts.settings
    largest = max(settings.max_checkpoint_bytes, settings.max_dataset_bytes)
    response.headers.update(tus.capabilities(largest))


@router.post(
    "",
    operation_id="create_upload",
    summary="Begin a resumable upload",
    status_code=201,
    responses={
        201: body(
            "The upload is begun; pieces go to Location.",
            Location=LOCATION,
            **RESUMABLE,
            **OFFSET,
            **EXPIRES,
        ),
        **problems(*_PIECE_PROBLEMS, EmptyUpload, PayloadTooLarge, StorageQuotaExceeded),
    },
    openapi_extra=described_headers("Tus-Resumable", "Upload-Length", "Upload-Metadata")
    | piece_body("The first piece, if there is to be one (creation-with-upload).", required=False),
)
async def create(
    request: Request,
    response: Response,
    caller: Caller,
    parts: PartsDep,
    _tus: tus.SpeaksTus,
    _slot: UploadSlot,
) -> ResumableUploadResource:
    """Announces a file: its length, and in Upload-Metadata its `kind` and, if you like, `name`.

    Its whole length counts as stored from now on. Send the file in pieces with PATCH, then
    finalize. An upload that nobody goes on with is forgotten after a day (Upload-Expires).
    """
    asked = tus.read_announcement(request)
    checksum = tus.read_checksum(request)
    more = tus.piece_length(request) if tus.brings_a_piece(request) else 0
    tenant_id = caller.tenant_id
    upload = await run_in_threadpool(
        begin_upload, parts.store, parts.blobs, parts.settings, tenant_id, asked
    )
    if more != 0:
        writer = await run_in_threadpool(
            open_writer, parts.store, parts.blobs, parts.settings, tenant_id, upload.id, 0, checksum
        )
        upload = await _append(request, parts, writer, more)
    resource = ResumableUploadResource.of(upload)
    response.headers.update(tus.progress(upload))
    response.headers["Location"] = resource.links.self
    return resource


@router.head(
    "/{upload_id}",
    operation_id="head_upload",
    summary="How far an upload is",
    response_class=Response,
    responses={
        200: body("Headers alone.", **RESUMABLE, **OFFSET, **EXPIRES, **UPLOAD_LENGTH, **METADATA),
        **problems(NotFound, UnsupportedTusVersion, UploadExpired),
    },
    openapi_extra=described_headers("Tus-Resumable"),
)
def head(caller: Caller, parts: PartsDep, _tus: tus.SpeaksTus, upload_id: UploadId) -> Response:
    """Upload-Offset is where the next piece begins, after crashes too."""
    upload = get_upload(parts.store, parts.blobs, caller.tenant_id, upload_id)
    headers = {"Upload-Length": str(upload.length), "Cache-Control": "no-store"}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Response(headers=headers | tus.progress(upload))


@router.get(
    "/{upload_id}",
    operation_id="get_upload",
    summary="Get a resumable upload",
    responses={200: body("The upload.", **RESUMABLE), **problems(NotFound, UploadExpired)},
)
def get(
    response: Response, caller: Caller, parts: PartsDep, upload_id: UploadId
) -> ResumableUploadResource:
    """The same as HEAD says, and what the upload became, as a document."""
    response.headers["Cache-Control"] = "no-store"
    upload = get_upload(parts.store, parts.blobs, caller.tenant_id, upload_id)
    return ResumableUploadResource.of(upload)


@router.patch(
    "/{upload_id}",
    operation_id="append_to_upload",
    summary="Send a piece of a file",
    status_code=204,
    responses={
        204: body("The piece is kept, durably.", **RESUMABLE, **OFFSET, **EXPIRES),
        **problems(*_PIECE_PROBLEMS, NotFound, UploadExpired),
    },
    openapi_extra=described_headers("Tus-Resumable", "Upload-Offset", *PIECE_HEADERS)
    | piece_body("The bytes from Upload-Offset on.", required=True),
)
async def append(
    request: Request,
    response: Response,
    caller: Caller,
    parts: PartsDep,
    _tus: tus.SpeaksTus,
    upload_id: UploadId,
    _slot: PieceSlot,
) -> None:
    """Appends the body to the file. One request at a time may do so (423).

    What arrived of a piece that breaks off is kept, so ask with HEAD where to go on. A piece with
    Upload-Checksum is kept whole or not at all.
    """
    offset, checksum = tus.read_offset(request), tus.read_checksum(request)
    more = tus.piece_length(request)
    given = (parts.store, parts.blobs, parts.settings, caller.tenant_id, upload_id)
    writer = await run_in_threadpool(open_writer, *given, offset, checksum)
    response.headers.update(tus.progress(await _append(request, parts, writer, more)))


async def _append(
    request: Request, parts: Parts, writer: UploadWriter, more: int | None
) -> ResumableUpload:
    """Stream the body into the upload, whose lock is given up whatever happens."""
    rules = Reception.of(parts.settings, 0)
    try:
        refuse_encoding(request.headers)
        if more is not None:
            writer.expect(more)
        async for batch in batches(request.stream(), rules):
            await run_in_threadpool(writer.write, batch)
        return await run_in_threadpool(writer.finish)
    except (ClientDisconnect, UploadStalled):
        await run_in_threadpool(writer.give_up)
        raise
    finally:
        writer.close()


@router.delete(
    "/{upload_id}",
    operation_id="delete_upload",
    summary="End an upload early",
    status_code=204,
    responses={
        204: body("The upload is forgotten.", **RESUMABLE),
        **problems(NotFound, UnsupportedTusVersion),
    },
    openapi_extra=described_headers("Tus-Resumable"),
)
def delete(caller: Caller, parts: PartsDep, _tus: tus.SpeaksTus, upload_id: UploadId) -> None:
    """Forgets the upload and its bytes. A checkpoint or data set that it became stays."""
    delete_upload(parts.store, parts.blobs, caller.tenant_id, upload_id)


@router.post(
    "/{upload_id}/finalize",
    operation_id="finalize_upload",
    summary="Make a checkpoint or data set of an upload",
    status_code=202,
    responses={
        200: body(
            "The tenant has these bytes already, from this upload or another; this is it.",
            Location=LOCATION,
            **RESUMABLE,
        )
        | {"model": CheckpointResource | DatasetResource},
        202: body(
            "It is stored and waits for validation.",
            Location=LOCATION,
            Retry_After=RETRY_AFTER,
            **RESUMABLE,
        ),
        **problems(
            Conflict, NotFound, StorageFull, StorageQuotaExceeded, UploadExpired, UploadLocked
        ),
    },
)
def finalize(
    response: Response, caller: Caller, parts: PartsDep, upload_id: UploadId
) -> CheckpointResource | DatasetResource:
    """The same as a plain upload of the whole file; once more, it answers the same resource."""
    given = (parts.store, parts.blobs, parts.settings, caller.tenant_id, upload_id)
    added = finalize_upload(*given)
    made = added.upload
    resource: Any = CheckpointResource if isinstance(made, Checkpoint) else DatasetResource
    shown: CheckpointResource | DatasetResource = resource.of(made)
    announce_upload(response, shown.links.self, created=added.created)
    return shown
