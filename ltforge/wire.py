"""The seam to httpx: how requests are put to it, and its errors by our names."""

from __future__ import annotations

from typing import Any

import httpx

from ltforge import __version__
from ltforge.errors import LTForgeError, NoAnswerError
from ltforge.exchange import Reply, Request, Terms

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
HTTP_ERRORS = (httpx.TransportError, httpx.InvalidURL)
"""What httpx raises where no answer came."""


def client_arguments(base_url: str, api_key: str, terms: Terms) -> dict[str, Any]:
    """What both of httpx's clients are made with."""
    return {
        "base_url": base_url,
        "headers": {
            "Authorization": f"Bearer {api_key}",
            "User-Agent": f"ltforge/{__version__}",
            "Accept": "application/json",
        },
        "timeout": terms.timeout,
    }


def request_arguments(request: Request, terms: Terms) -> dict[str, Any]:
    """What both of httpx's clients build a request from."""
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.parameters) or None,
        "headers": dict(request.headers),
        "content": request.content,
        "timeout": httpx.Timeout(terms.timeout, read=request.timeout or terms.timeout),
    }


def reply_of(response: httpx.Response, *, whole: bool = True) -> Reply:
    """An answer, with its body if that was read."""
    content = response.content if whole else b""
    return Reply(response.status_code, response.headers, content, str(response.url))


def translated(error: Exception, base_url: httpx.URL) -> LTForgeError:
    """Our error for one of ``HTTP_ERRORS``, so that no caller needs to know httpx."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return LTForgeError(
            "BAD_ADDRESS", f"{error}; the base URL must look like http://127.0.0.1:8000"
        )
    if isinstance(error, httpx.LocalProtocolError):
        return LTForgeError(
            "REQUEST_BROKEN",
            f"{error}; the API key holds a character no header may hold, "
            "or the file changed while it was sent",
        )
    return NoAnswerError(
        "TIMED_OUT" if isinstance(error, httpx.TimeoutException) else "CONNECTION_FAILED",
        f"no answer from {base_url}: {error or type(error).__name__}; "
        "check that the service runs and that the base URL is right",
        sent=not isinstance(error, _NEVER_SENT),
    )
