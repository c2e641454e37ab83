"""What can go wrong between a client and the service.

LTForgeError                    has ``code`` (stable), ``detail``, ``pointers`` and ``request_id``
├── NoAnswerError               no connection, or it broke or timed out, after every safe retry
├── ResponseError               the service answered with a problem document; has ``status``
│   ├── AuthenticationError     401, 403: no key, an unknown or revoked key
│   ├── NotFoundError           404: absent, or another tenant's
│   ├── ConflictError           409, 412, 428: the resource is not in the state this needs
│   ├── TooLargeError           413: the upload is over the service's limit
│   ├── InvalidRequestError     any other 4xx; ``pointers`` name the wrong fields
│   ├── RateLimitError          429: asked too often; retried where that is safe
│   └── ServiceFailureError     5xx: retried where that is safe
├── UploadRejectedError         an upload was read and refused: not a usable checkpoint or data set
├── JobFailedError              the job ended without a ticket; has ``job``
│   └── JobCanceledError        because somebody canceled it
├── WaitTimeoutError            the deadline of a wait passed; the job goes on
├── CorruptTransferError        the bytes that arrived are not the bytes that were announced
└── MissingExtraError           this needs a library that one of the package's extras brings
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltforge.resources import FieldProblem, JobRecord


class LTForgeError(Exception):
    """Anything this package raises on purpose. ``code`` is stable; ``detail`` says what to do."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        pointers: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointers = pointers
        self.request_id = request_id

    def __str__(self) -> str:
        lines = [f"{self.code}: {self.detail}"]
        lines += [f"  {item.pointer or '/'}: {item.detail}" for item in self.pointers]
        if self.request_id:
            lines.append(f"  request id: {self.request_id}")
        return "\n".join(lines)


class NoAnswerError(LTForgeError):
    """No answer came. ``sent`` is false when the request surely never left this machine."""

    def __init__(self, code: str, detail: str, *, sent: bool) -> None:
        super().__init__(code, detail)
        self.sent = sent


class ResponseError(LTForgeError):
    """The service refused, or failed, with a problem document."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int,
        pointers: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, detail, pointers=pointers, request_id=request_id)
        self.status = status
        self.retry_after = retry_after


class AuthenticationError(ResponseError):
    """The API key is missing, unknown or revoked."""


class NotFoundError(ResponseError):
    """No such resource for this API key."""


class ConflictError(ResponseError):
    """The resource is not in the state this request needs."""


class TooLargeError(ResponseError):
    """The upload is over the service's limit."""


class InvalidRequestError(ResponseError):
    """The request is wrong; ``pointers`` name the fields."""


class RateLimitError(ResponseError):
    """Too many requests; ``retry_after`` says for how long to stay away."""


class ServiceFailureError(ResponseError):
    """The service, or a proxy before it, failed."""


class UploadRejectedError(LTForgeError):
    """The service read the upload and refused it."""


class JobFailedError(LTForgeError):
    """The job ended without a result."""

    def __init__(self, code: str, detail: str, *, job: JobRecord) -> None:
        super().__init__(code, detail)
        self.job = job


class JobCanceledError(JobFailedError):
    """The job was canceled."""


class WaitTimeoutError(LTForgeError):
    """The deadline of a wait passed before a final state was seen."""


class CorruptTransferError(LTForgeError):
    """The bytes that arrived are not the bytes that were announced."""


class MissingExtraError(LTForgeError):
    """A library is not installed; the error names the extra that brings it."""


_BY_STATUS: dict[int, type[ResponseError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    413: TooLargeError,
    428: ConflictError,
    429: RateLimitError,
}

_FIRST_SERVER_STATUS = 500


def error_class(status: int) -> type[ResponseError]:
    """The class of error for an HTTP status that is not a success."""
    fallback = ServiceFailureError if status >= _FIRST_SERVER_STATUS else InvalidRequestError
    return _BY_STATUS.get(status, fallback)
