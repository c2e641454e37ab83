"""What can go wrong in the service, in its own words.

ServiceError
├── NotFound                 absent, or another tenant's: nobody can tell which
├── NotAuthenticated         no valid API key
├── InvalidRequest           the request itself is wrong; carries one problem per field
├── PayloadTooLarge          an upload over its limit
├── EmptyUpload              an upload without a single byte
├── UploadRejected           a job names a checkpoint or data set that was rejected
├── PlanRefused              no plan can be made from this checkpoint and spec
├── PlanFailed               a worker's misfortune kept a plan from being made
├── StorageUnavailable       the database or the blob store does not answer
└── QueueUnavailable         the broker does not answer; the outbox still holds the message

No class here knows HTTP: `service.api.problems` maps each to a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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


class InvalidRequest(ServiceError):  # noqa: N818
    """The request is wrong; `problems` holds one {pointer, code, detail} per field."""

    code = "INVALID_REQUEST"

    def __init__(self, detail: str, problems: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(detail)
        self.problems = tuple(problems)


class PayloadTooLarge(ServiceError):  # noqa: N818
    """An upload exceeds the number of bytes allowed."""

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The upload exceeds the limit of {limit} bytes.")
        self.limit = limit


class EmptyUpload(ServiceError):  # noqa: N818
    """The request body of an upload was empty."""

    code = "EMPTY_UPLOAD"


class UploadRejected(ServiceError):  # noqa: N818
    """A job names a checkpoint or data set that did not pass validation."""

    def __init__(self, kind: str, identifier: str, reason: str) -> None:
        super().__init__(
            f"The {kind} {identifier!r} was rejected: {reason}", code=f"{kind.upper()}_REJECTED"
        )


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
