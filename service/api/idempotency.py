"""The Idempotency-Key header: a request that creates something can be sent again safely.

A route takes part by the route class `IdempotentRoute` and the parameter `_once: Once`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.bounded_body import BoundedRoute
from service.api.deps import Caller, Parts, PartsDep
from service.errors import InvalidRequest
from service.usecases.idempotency import keep_answer, release_key, reserve_key

REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class _Reservation:
    parts: Parts
    tenant_id: str
    key: str


class _Replay(Exception):  # noqa: N818 - an event, not a fault
    """The request was made before; this is how it was answered."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _once(
    request: Request,
    caller: Caller,
    parts: PartsDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description=f"up to {_LONGEST_KEY} characters that name this request, for example a "
            "UUID, bare or in quotes; sent again with the same key and body, it creates nothing "
            "new and is answered as before, with status 200 and `Idempotency-Replayed: true`"
        ),
    ] = None,
) -> None:
    if idempotency_key is None:
        return
    key = _read_key(idempotency_key)
    digest = await _fingerprint(request)
    known = await run_in_threadpool(reserve_key, parts.store, caller.tenant_id, key, digest)
    if known is None:
        request.state.reservation = _Reservation(parts, caller.tenant_id, key)
        return
    headers = {REPLAYED: "true"}
    if known.location is not None:
        headers["Location"] = known.location
    raise _Replay(Response(known.body, media_type="application/json", headers=headers))


Once = Annotated[None, Depends(_once)]


class IdempotentRoute(BoundedRoute):
    """A route with a bounded body that keeps its answer under the request's Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, between the reservation of the key and the keeping of the answer."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            try:
                response = await handle(request)
            except _Replay as replay:
                return replay.response
            except BaseException:
                await _release(request)
                raise
            reservation: _Reservation | None = getattr(request.state, "reservation", None)
            if reservation is not None:
                await run_in_threadpool(
                    keep_answer,
                    reservation.parts.store,
                    reservation.tenant_id,
                    reservation.key,
                    bytes(response.body),
                    response.headers.get("Location"),
                    reservation.parts.settings.idempotency_seconds,
                )
            return response

        return handle_once


async def _release(request: Request) -> None:
    reservation: _Reservation | None = getattr(request.state, "reservation", None)
    if reservation is not None:
        await run_in_threadpool(
            release_key, reservation.parts.store, reservation.tenant_id, reservation.key
        )


def _read_key(header: str) -> str:
    """The key, with the quotes of a structured field's string taken off."""
    text = header.strip()
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not _KEY.fullmatch(bare):
        detail = f"it must have 1 to {_LONGEST_KEY} visible ASCII characters"
        item = {"parameter": "idempotency-key", "code": "STRING_PATTERN_MISMATCH", "detail": detail}
        raise InvalidRequest(f"Idempotency-Key: {detail}", [item])
    return bare


async def _fingerprint(request: Request) -> str:
    """What makes two requests the same: method, path, query and body."""
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        digest.update(part.encode() + b"\n")
    digest.update(await request.body())
    return digest.hexdigest()
