"""Failures that only an HTTP request can have; the service below has no words for them."""

from __future__ import annotations

from service.errors import ServiceError


class UnsupportedEncoding(ServiceError):  # noqa: N818 - reads as the outcome it is
    """The body came compressed or as a form, so its bytes are not those of the file."""

    code = "UNSUPPORTED_ENCODING"


class WrongMediaType(ServiceError):  # noqa: N818
    """A piece of a resumable upload came as something else."""

    code = "WRONG_MEDIA_TYPE"

    def __init__(self, expected: str) -> None:
        super().__init__(f"Send the bytes with Content-Type: {expected}.")


class UnsupportedTusVersion(ServiceError):  # noqa: N818
    """The request speaks another version of the tus protocol, or does not say which."""

    code = "UNSUPPORTED_TUS_VERSION"

    def __init__(self) -> None:
        super().__init__("Send Tus-Resumable: 1.0.0, the one version that is spoken here.")


class InvalidCursor(ServiceError):  # noqa: N818
    """The cursor was not issued by this service for this tenant and these filters."""

    code = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "The cursor was not issued for this list and these filters; "
            "start again without a cursor."
        )


class LengthRequired(ServiceError):  # noqa: N818
    """The request has neither a length nor chunks, so it has no body."""

    code = "LENGTH_REQUIRED"


class UploadStalled(ServiceError):  # noqa: N818
    """The client sent nothing, or next to nothing, for too long."""

    code = "UPLOAD_STALLED"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Too little or nothing arrived for {seconds:g} seconds; send the upload again."
        )


class RangeNotSatisfiable(ServiceError):  # noqa: N818
    """The range lies past the end of the file."""

    code = "RANGE_NOT_SATISFIABLE"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; ask for a range within them.")
        self.headers = {"Content-Range": f"bytes */{size}"}
