"""What can go wrong in the service, in its own words.

ServiceError
├── NotFound                 absent, or another tenant's: nobody can tell which
├── NotAuthenticated         no valid API key
├── ScopeMissing             the API key is valid, but not for this
├── InvalidRequest           the request itself is wrong; carries one problem per field
├── PayloadTooLarge          an upload over its limit
│   └── StorageQuotaExceeded what the tenant may store is used up
├── RateLimited              too many requests in a window of time
├── QuotaExceeded            as much of something as the tenant may have
├── EmptyUpload              an upload without a single byte
├── InvalidDigest            a Content-Digest that cannot be read
├── DigestMismatch           an upload whose bytes are not those announced
├── ChecksumMismatch         a piece of a resumable upload whose bytes are not those announced
├── UploadLocked             another request writes to the resumable upload
├── UploadExpired            a resumable upload that nobody went on with for too long
├── StorageFull              the blob store has no room for an upload
├── UploadRejected           a job names a checkpoint or data set that was rejected
├── Conflict                 the resource's state does not allow what was asked
├── EventsPruned             events that were asked for are no longer kept
├── IdempotencyKeyInUse      the first request under this key is still under way
├── IdempotencyKeyReused     another request was made under this key
├── PreconditionFailed       the resource changed since the caller last saw it
├── ExportRefused            a ticket does not fit the format it should be exported to
├── PlanRefused              no plan can be made from this checkpoint and spec
├── PlanFailed               a worker's misfortune kept a plan from being made
├── StorageUnavailable       the database or the blob store does not answer
└── QueueUnavailable         the broker does not answer; the outbox still holds the message

No class here knows HTTP: `service.api.problems` maps each to a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime


class ServiceError(Exception):
    """Base of all expected failures; `code` is stable, `detail` says what to do."""

    code = "SERVICE_ERROR"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class NotFound(ServiceError):  # noqa: N818 - reads as the outcome it is
    """The id does not exist for this tenant."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"There is no {kind} with the id {identifier!r}.")
        self.kind = kind
        self.identifier = identifier


class NotAuthenticated(ServiceError):  # noqa: N818
    """The API key is missing, unknown or revoked."""

    code = "NOT_AUTHENTICATED"


class ScopeMissing(ServiceError):  # noqa: N818
    """The API key does not have the scope that the request needs."""

    code = "SCOPE_MISSING"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This request needs a key with the scope {scope!r}; an admin key can make one."
        )


class InvalidRequest(ServiceError):  # noqa: N818
    """The request is wrong; `problems` holds one {pointer, code, detail} per field."""

    code = "INVALID_REQUEST"

    def __init__(
        self,
        detail: str,
        problems: Sequence[Mapping[str, str]] = (),
        *,
        code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.problems = tuple(problems)


class PayloadTooLarge(ServiceError):  # noqa: N818
    """An upload exceeds the number of bytes allowed."""

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The upload exceeds the limit of {limit} bytes.")
        self.limit = limit


class StorageQuotaExceeded(PayloadTooLarge):
    """An upload does not fit into what the tenant may store."""

    code = "STORAGE_QUOTA_EXCEEDED"

    def __init__(self, limit: int, stored: int) -> None:
        super().__init__(limit)
        self.detail = (
            f"The upload does not fit: the tenant stores {stored} of {limit} bytes. "
            "Delete what is no longer needed."
        )


class RateLimited(ServiceError):  # noqa: N818
    """The tenant sent too many requests; more are taken after `retry_after` seconds."""

    code = "RATE_LIMITED"

    def __init__(self, limit: int, window_seconds: int, retry_after: int) -> None:
        super().__init__(
            f"More than {limit} requests in {window_seconds} seconds; wait {retry_after} seconds."
        )
        self.retry_after = retry_after


class QuotaExceeded(ServiceError):  # noqa: N818
    """The tenant has as much of something as it may have; `what` is its plural."""

    code = "QUOTA_EXCEEDED"

    def __init__(self, what: str, limit: int, retry_after: int) -> None:
        super().__init__(
            f"The tenant may have {limit} {what} at a time, and that is used up; "
            "wait, or cancel some."
        )
        self.retry_after = retry_after


class EmptyUpload(ServiceError):  # noqa: N818
    """The request body of an upload was empty."""

    code = "EMPTY_UPLOAD"


class InvalidDigest(ServiceError):  # noqa: N818
    """A digest announced with an upload cannot be read."""

    code = "INVALID_DIGEST"


class DigestMismatch(ServiceError):  # noqa: N818
    """The bytes that arrived are not those that were announced."""

    code = "DIGEST_MISMATCH"

    def __init__(self, algorithm: str) -> None:
        super().__init__(
            f"The bytes that arrived do not have the {algorithm} digest that Content-Digest "
            "announces; send the file again."
        )


class ChecksumMismatch(ServiceError):  # noqa: N818
    """The bytes of one piece of an upload are not those that were announced."""

    code = "CHECKSUM_MISMATCH"

    def __init__(self, algorithm: str) -> None:
        super().__init__(
            f"The bytes that arrived do not have the {algorithm} checksum that Upload-Checksum "
            "announces; none of them was kept, so send the same piece again."
        )


class UploadLocked(ServiceError):  # noqa: N818
    """Another request holds the upload."""

    code = "UPLOAD_LOCKED"

    def __init__(self) -> None:
        super().__init__(
            "Another request is writing to this upload; wait for its end, then ask for the offset "
            "with HEAD."
        )


class UploadExpired(ServiceError):  # noqa: N818
    """Nobody went on with the upload in time."""

    code = "UPLOAD_EXPIRED"

    def __init__(self, moment: datetime) -> None:
        super().__init__(f"The upload expired at {moment:%Y-%m-%dT%H:%M:%SZ}; begin a new one.")


class StorageFull(ServiceError):  # noqa: N818
    """The disk under the blob store is nearly full."""

    code = "STORAGE_FULL"

    def __init__(self) -> None:
        super().__init__("The service has too little room for this file; try again later.")


class UploadRejected(ServiceError):  # noqa: N818
    """A job names a checkpoint or data set that did not pass validation."""

    def __init__(self, kind: str, identifier: str, reason: str) -> None:
        super().__init__(
            f"The {kind} {identifier!r} was rejected: {reason}", code=f"{kind.upper()}_REJECTED"
        )


class Conflict(ServiceError):  # noqa: N818
    """The state of a resource does not allow what was asked; `code` says which state."""

    code = "CONFLICT"


class EventsPruned(ServiceError):  # noqa: N818
    """Events between those that the caller knows and those that are kept are gone."""

    code = "EVENTS_PRUNED"

    def __init__(self, first: int) -> None:
        super().__init__(
            f"The first event that is still kept is number {first}; look at the job itself, then "
            f"go on after {first - 1}."
        )


class IdempotencyKeyInUse(ServiceError):  # noqa: N818
    """The first request under an Idempotency-Key is still under way."""

    code = "IDEMPOTENCY_KEY_IN_USE"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is under way; try again in a moment.")


class IdempotencyKeyReused(ServiceError):  # noqa: N818
    """An Idempotency-Key came with another request than before."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request; take a new key for each request."
        )


class PreconditionFailed(ServiceError):  # noqa: N818
    """The resource is not, or no longer, what If-Match names."""

    code = "PRECONDITION_FAILED"

    def __init__(self) -> None:
        super().__init__(
            "The resource changed since you last saw it; get it again, look at what changed, and "
            "repeat the request with its new ETag."
        )


class ExportRefused(ServiceError):  # noqa: N818
    """A ticket does not fit a format; `code` is the export job's."""

    code = "EXPORT_REFUSED"


class PlanRefused(ServiceError):  # noqa: N818
    """No plan can be made as asked; `code` is the one that the construction would fail with."""

    code = "PLAN_REFUSED"


class PlanFailed(ServiceError):  # noqa: N818
    """The job that should make a plan failed by no fault of its request."""

    code = "PLAN_FAILED"


class StorageUnavailable(ServiceError):  # noqa: N818
    """The database or the blob store cannot be used now."""

    code = "STORAGE_UNAVAILABLE"


class QueueUnavailable(ServiceError):  # noqa: N818
    """The broker did not take a message; the outbox relay will send it later."""

    code = "QUEUE_UNAVAILABLE"
