"""The kinds of problems: the one place where a failure meets a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.api import refusals
from service.errors import (
    ChecksumMismatch,
    Conflict,
    DigestMismatch,
    EmptyUpload,
    EventsPruned,
    ExportRefused,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidDigest,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PlanFailed,
    PlanRefused,
    PreconditionFailed,
    QueueUnavailable,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
    ServiceError,
    StorageFull,
    StorageQuotaExceeded,
    StorageUnavailable,
    UploadExpired,
    UploadLocked,
    UploadRejected,
)


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How one kind of failure is told over HTTP; `slug` names it under /problems/."""

    status: int
    slug: str
    title: str
    meaning: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The problem's `type`: a reference, relative to the service's root, that it answers."""
        return f"/problems/{self.slug}"


PROBLEM_TYPES: dict[type[ServiceError], ProblemType] = {
    ServiceError: ProblemType(
        500, "service-error", "The service failed", "A failure without a name of its own."
    ),
    NotFound: ProblemType(
        404,
        "not-found",
        "No such resource",
        "The id does not exist, or belongs to another tenant; the two look the same on purpose.",
    ),
    NotAuthenticated: ProblemType(
        401,
        "not-authenticated",
        "A valid API key is required",
        "Send the key as 'Authorization: Bearer ltf_...'. Keys can be revoked.",
        {"WWW-Authenticate": 'Bearer realm="ltforge"'},
    ),
    ScopeMissing: ProblemType(
        403,
        "scope-missing",
        "The API key may not do this",
        "Keys have scopes: read for GET, write for changes, admin for keys, webhooks and the audit "
        "log. Each includes the ones before it.",
    ),
    InvalidRequest: ProblemType(
        422,
        "invalid-request",
        "The request is invalid",
        "`errors` names each wrong field by JSON pointer (body) or parameter (query).",
    ),
    PayloadTooLarge: ProblemType(
        413,
        "payload-too-large",
        "The request body is too large",
        "The body exceeds the limit that `detail` names; nothing of it was kept.",
    ),
    StorageQuotaExceeded: ProblemType(
        413,
        "storage-quota-exceeded",
        "The tenant's storage is used up",
        "Nothing of it was kept; delete checkpoints, data sets or tickets, see /v1/usage.",
    ),
    RateLimited: ProblemType(
        429,
        "rate-limited",
        "Too many requests",
        "The tenant sent more requests than RateLimit-Policy allows; wait Retry-After seconds.",
        {"Retry-After": "30"},
    ),
    QuotaExceeded: ProblemType(
        429,
        "quota-exceeded",
        "A quota is used up",
        "The tenant has as much of something as it may have at a time; see /v1/usage.",
        {"Retry-After": "10"},
    ),
    EmptyUpload: ProblemType(
        422,
        "empty-upload",
        "The upload is empty",
        "The body had no byte. With curl, use --data-binary @FILE.",
    ),
    InvalidDigest: ProblemType(
        400,
        "invalid-digest",
        "The announced digest cannot be read",
        "Content-Digest is 'sha-256=:BASE64:' or 'sha-512=:BASE64:' (RFC 9530); Upload-Checksum "
        "is 'sha1 BASE64', 'sha256 BASE64' or 'sha512 BASE64'.",
    ),
    DigestMismatch: ProblemType(
        400,
        "digest-mismatch",
        "The file was damaged on its way",
        "The bytes are not those that Content-Digest announces; nothing of them was kept.",
    ),
    ChecksumMismatch: ProblemType(
        460,
        "checksum-mismatch",
        "The piece was damaged on its way",
        "The bytes are not those that Upload-Checksum announces; the upload is as it was before.",
    ),
    UploadLocked: ProblemType(
        423,
        "upload-locked",
        "Somebody else writes to the upload",
        "One request at a time may write to an upload or finalize it.",
        {"Retry-After": "1"},
    ),
    UploadExpired: ProblemType(
        410,
        "upload-expired",
        "The upload expired",
        "Upload-Expires says until when an unfinished upload is kept; every piece puts it off.",
    ),
    StorageFull: ProblemType(
        507,
        "storage-full",
        "The service has no room",
        "The disk is nearly full, so no file is taken; nothing of it was kept.",
        {"Retry-After": "600"},
    ),
    UploadRejected: ProblemType(
        409,
        "upload-rejected",
        "The file was rejected",
        "The job names a checkpoint or data set that did not pass validation; see its `rejection`.",
    ),
    Conflict: ProblemType(
        409,
        "conflict",
        "The resource's state does not allow this",
        "`code` says what is in the way, `detail` what to do about it.",
    ),
    EventsPruned: ProblemType(
        410,
        "events-pruned",
        "The events are no longer kept",
        "Some events after the one that the request names are gone.",
    ),
    IdempotencyKeyInUse: ProblemType(
        409,
        "idempotency-key-in-use",
        "The same request is under way",
        "A request with this Idempotency-Key has not been answered yet.",
        {"Retry-After": "1"},
    ),
    IdempotencyKeyReused: ProblemType(
        422,
        "idempotency-key-reused",
        "The Idempotency-Key belongs to another request",
        "A key names one request: the same method, path, query and body.",
    ),
    PreconditionFailed: ProblemType(
        412,
        "precondition-failed",
        "The resource has changed",
        "The ETag in If-Match is not the resource's present one; nothing was changed.",
    ),
    PlanRefused: ProblemType(
        422,
        "plan-refused",
        "No plan can be made",
        "The checkpoint and the spec do not fit; `code` and `detail` are those of the job.",
    ),
    PlanFailed: ProblemType(
        500,
        "plan-failed",
        "The plan was not made",
        "The job that should make the plan failed by no fault of the request; `code` is its own. "
        "Ask again; if it repeats, look at the job and at the workers' logs.",
    ),
    StorageUnavailable: ProblemType(
        503,
        "storage-unavailable",
        "The storage does not answer",
        "The database or the file store cannot be used now; try again after Retry-After seconds.",
        {"Retry-After": "5"},
    ),
    QueueUnavailable: ProblemType(
        503,
        "queue-unavailable",
        "The queue does not answer",
        "The broker cannot be used now; accepted work is kept and will be announced again.",
        {"Retry-After": "5"},
    ),
    refusals.UnsupportedEncoding: ProblemType(
        415,
        "unsupported-encoding",
        "The body must be the bare file",
        "Bodies are taken as they are: no Content-Encoding, no multipart form.",
    ),
    refusals.WrongMediaType: ProblemType(
        415,
        "wrong-media-type",
        "The piece has the wrong Content-Type",
        "Pieces of resumable uploads are application/offset+octet-stream.",
    ),
    refusals.UnsupportedTusVersion: ProblemType(
        412,
        "unsupported-tus-version",
        "Another version of tus is spoken here",
        "Tus-Resumable names the version of the protocol; Tus-Version those that are spoken.",
        {"Tus-Version": "1.0.0"},
    ),
    refusals.InvalidCursor: ProblemType(
        400,
        "invalid-cursor",
        "The cursor is invalid",
        "Cursors are opaque, and valid only for the list, the filters and the key they came from.",
    ),
    refusals.RangeNotSatisfiable: ProblemType(
        416,
        "range-not-satisfiable",
        "The range lies outside the file",
        "Content-Range names the file's size; ask for bytes below it.",
    ),
    ExportRefused: ProblemType(
        422,
        "export-refused",
        "The ticket cannot be exported so",
        "The ticket does not fit the format; `code` and `detail` are those of the export's job.",
    ),
    refusals.LengthRequired: ProblemType(
        411,
        "length-required",
        "The upload has no length",
        "Send Content-Length, or the body in chunks. With curl: --data-binary @FILE.",
    ),
    refusals.UploadStalled: ProblemType(
        408,
        "upload-stalled",
        "The upload stalled",
        "The client sent nothing for too long; nothing of the upload was kept.",
    ),
}

INTERNAL_ERROR = ProblemType(
    500,
    "internal-error",
    "The service failed",
    "A defect of the service. The log holds the reason under the request id.",
)

# Refusals of the framework itself: no route, wrong method, unreadable body.
FRAMEWORK_TYPES: dict[int, ProblemType] = {
    400: ProblemType(
        400,
        "malformed-request",
        "The request cannot be read",
        "The body is not what its Content-Type says.",
    ),
    404: ProblemType(404, "no-such-path", "No such path", "See /openapi.json for what is here."),
    405: ProblemType(
        405,
        "method-not-allowed",
        "The method is not allowed here",
        "The Allow header lists the methods of this path.",
    ),
}


def all_problem_types() -> list[ProblemType]:
    """Every problem type that a response can name."""
    return [*PROBLEM_TYPES.values(), *FRAMEWORK_TYPES.values(), INTERNAL_ERROR]


def code_of(kind: ProblemType) -> str:
    """The code of problems that are no ServiceError: the slug in capitals."""
    return kind.slug.replace("-", "_").upper()


def problem_type_of(error: ServiceError) -> ProblemType:
    """The type of an error: that of its class, or of the nearest base class."""
    return next(PROBLEM_TYPES[base] for base in type(error).__mro__ if base in PROBLEM_TYPES)
