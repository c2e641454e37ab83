"""The HTTP seam: one connection pool, authentication, retries, and errors by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from ltforge import __version__
from ltforge.errors import LTForgeError, NoAnswerError, ResponseError, error_class
from ltforge.resources import read_pointers
from ltforge.retrying import Answer, Repeat, RetryPolicy, with_retries

Parameters = Mapping[str, str | int]

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Connection:
    """An authenticated connection to one service."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float,
        transport: httpx.BaseTransport | None,
        retries: RetryPolicy,
    ) -> None:
        self._retries = retries
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=base_url,
            headers={
                "Authorization": f"Bearer {api_key}",
                "User-Agent": f"ltforge/{__version__}",
                "Accept": "application/json",
            },
            timeout=timeout,
            transport=transport,
        )

    def close(self) -> None:
        """Close every pooled connection."""
        self._http.close()

    def get(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        """Read one JSON object."""

        def attempt() -> dict[str, Any]:
            with self._translated():
                return self._document(self._http.get(path, params=parameters))

        return with_retries(attempt, self._retries, Repeat.HARMLESS)

    def post(
        self, path: str, document: Mapping[str, Any] | None, *, repeat: Repeat
    ) -> dict[str, Any]:
        """Send one JSON object (or nothing) and read one."""

        def attempt() -> dict[str, Any]:
            with self._translated():
                return self._document(self._http.post(path, json=document))

        return with_retries(attempt, self._retries, repeat)

    def post_patiently(
        self, path: str, document: Mapping[str, Any], *, seconds: float
    ) -> tuple[dict[str, Any], bool]:
        """Ask for something that takes a while: the JSON object, and whether it is the result.

        If it is not, it is the job that makes the result. The service is asked to wait so many
        seconds, and less where this connection would give up before.
        """
        wait = int(min(seconds, self._timeout / 2))

        def attempt() -> tuple[dict[str, Any], bool]:
            with self._translated():
                response = self._http.post(path, json=document, headers={"Prefer": f"wait={wait}"})
                return self._document(response), response.status_code == httpx.codes.OK

        return with_retries(attempt, self._retries, Repeat.HARMLESS)

    def upload(
        self, path: str, parameters: Parameters, length: int, body: Callable[[], Iterator[bytes]]
    ) -> dict[str, Any]:
        """Stream ``length`` bytes; ``body`` opens a fresh stream for every attempt."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}

        def attempt() -> dict[str, Any]:
            with self._translated():
                return self._document(
                    self._http.post(path, params=parameters, headers=headers, content=body())
                )

        return with_retries(attempt, self._retries, Repeat.HARMLESS)

    def delete(self, path: str) -> None:
        """Delete a resource."""

        def attempt() -> None:
            with self._translated():
                response = self._http.delete(path)
                if not response.is_success:
                    raise response_error(response)

        # Not repeated once it was sent: a second answer would be that nothing is there.
        with_retries(attempt, self._retries, Repeat.ONLY_IF_NOTHING_HAPPENED)

    def maker(self, path: str) -> str | None:
        """Where the job is that makes the file at ``path``; None if the file is there."""

        def attempt() -> str | None:
            with self._translated():
                response = self._http.head(path)
                if not response.is_success:
                    # An answer to HEAD has no body that could say why.
                    response = self._http.get(path)
                    raise response_error(response)
                being_made = response.status_code == httpx.codes.ACCEPTED
                return response.headers["Location"] if being_made else None

        return with_retries(attempt, self._retries, Repeat.HARMLESS)

    def download(self, path: str, receive: Callable[[httpx.Response], Answer]) -> Answer:
        """Stream an answer's body into ``receive``; a broken transfer starts again."""

        def attempt() -> Answer:
            with (
                self._translated(),
                self._http.stream(
                    "GET", path, headers={"Accept": "application/octet-stream"}
                ) as response,
            ):
                if not response.is_success:
                    response.read()
                    raise response_error(response)
                return receive(response)

        return with_retries(attempt, self._retries, Repeat.HARMLESS)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn httpx's errors into ours, so that no caller needs to know httpx."""
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise LTForgeError(
                "BAD_ADDRESS", f"{error}; the base URL must look like http://127.0.0.1:8000"
            ) from error
        except httpx.LocalProtocolError as error:
            raise LTForgeError(
                "REQUEST_BROKEN",
                f"{error}; the API key holds a character no header may hold, "
                "or the file changed while it was sent",
            ) from error
        except httpx.TransportError as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: httpx.TransportError) -> NoAnswerError:
        timed_out = isinstance(error, httpx.TimeoutException)
        return NoAnswerError(
            "TIMED_OUT" if timed_out else "CONNECTION_FAILED",
            f"no answer from {self._http.base_url}: {error or type(error).__name__}; "
            "check that the service runs and that the base URL is right",
            sent=not isinstance(error, _NEVER_SENT),
        )

    @staticmethod
    def _document(response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            raise response_error(response)
        document = _json_object(response)
        if document is None:
            raise ResponseError(
                "NOT_THE_SERVICE",
                f"{response.url} answered {response.status_code} without a JSON object; "
                "check the base URL",
                status=response.status_code,
                request_id=response.headers.get("X-Request-ID"),
            )
        return document


def response_error(response: httpx.Response) -> ResponseError:
    """The named error for an answer that is not a success (RFC 9457 where it is one)."""
    document = _json_object(response) or {}
    status = response.status_code
    return error_class(status)(
        str(document.get("code") or f"HTTP_{status}"),
        str(document.get("detail") or document.get("title") or f"HTTP status {status}"),
        status=status,
        pointers=read_pointers(document.get("errors")),
        request_id=document.get("request_id") or response.headers.get("X-Request-ID"),
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its date form, which our service never sends, is ignored."""
    if text is None or not text.strip().isdecimal():
        return None
    return float(text)
