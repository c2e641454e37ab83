"""Downloads as RFC 9110 has them: strong ETags, conditions, one range, digests, file names."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Header
from fastapi.responses import Response, StreamingResponse

from service.api.entity_tags import names_tag
from service.api.refusals import RangeNotSatisfiable
from service.errors import PreconditionFailed
from service.usecases.contents import Content

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_LONGEST_NUMBER = 18
FOREVER = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request says about what its client has already."""

    if_match: str | None
    if_none_match: str | None
    if_range: str | None
    range: str | None


def _conditions(
    if_match: Annotated[str | None, Header(description="ETags, one of which must fit")] = None,
    if_none_match: Annotated[
        str | None, Header(description="ETags of what the client has; or *")
    ] = None,
    if_range: Annotated[
        str | None, Header(description="the ETag that the range belongs to")
    ] = None,
    range: Annotated[  # noqa: A002 - the header's name
        str | None, Header(description="one range of bytes; several are answered in full")
    ] = None,
) -> Conditions:
    return Conditions(if_match, if_none_match, if_range, range)


ConditionsDep = Annotated[Conditions, Depends(_conditions)]


class FileResponse(StreamingResponse):
    """A stream of bytes."""

    media_type = "application/octet-stream"


def send_content(
    content: Content, names: tuple[str, str], asked: Conditions, *, head: bool = False
) -> Response:
    """The whole, a range of it, or word that the client has it.

    Args:
        content: what is downloaded.
        names: a plain file name, and one with what a user chose; see `disposition`.
        asked: the request's conditions.
        head: send the headers alone.

    Raises:
        PreconditionFailed, RangeNotSatisfiable: as the conditions say.
    """
    etag = f'"sha256-{content.sha256}"'
    unchanged = check_conditions(etag, asked)
    if unchanged is not None:
        return unchanged
    digest = f"sha-256=:{base64.b64encode(bytes.fromhex(content.sha256)).decode()}:"
    headers = {
        "ETag": etag,
        "Cache-Control": FOREVER,
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(*names),
        "Repr-Digest": digest,
    }
    # RFC 9110 defines ranges for GET alone.
    part = None if head else _range(asked, etag, content.size)
    begin, end = part or (0, content.size)
    headers["Content-Length"] = str(end - begin)
    if part is None:
        headers["Content-Digest"] = digest
    else:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{content.size}"
    if head:
        return Response(headers=headers, media_type=FileResponse.media_type)
    return FileResponse(content.read(begin, end), 200 if part is None else 206, headers=headers)


def check_conditions(etag: str, asked: Conditions) -> Response | None:
    """A 304 if the client has it already; raises PreconditionFailed."""
    if asked.if_match is not None and not names_tag(asked.if_match, etag, weak=False):
        raise PreconditionFailed
    if names_tag(asked.if_none_match, etag, weak=True):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": FOREVER})
    return None


def disposition(plain: str, chosen: str) -> str:
    """A plain name for every client, and the chosen one for those that read RFC 8187.

    The chosen one holds any text a user gave: separators go, and the rest is percent-encoded.
    """
    encoded = quote(re.sub(r"[/\\:]+", "_", chosen), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def file_stem(name: str) -> str:
    """What of a user's name can begin a file's name."""
    return re.sub(r"[/\\:]+", "_", name).strip(". ")[:100] or "checkpoint"


def _range(asked: Conditions, etag: str, size: int) -> tuple[int, int] | None:
    """The part that is asked for, from its first byte to the one after its last; None: the whole.

    As RFC 9110 has it, ranges that cannot be understood are ignored, and so are several at once,
    and one that an If-Range of another version guards.
    """
    matched = _ONE_RANGE.fullmatch(asked.range or "")
    if matched is None or (asked.if_range is not None and asked.if_range.strip() != etag):
        return None
    first, last = matched.groups()
    if max(len(first), len(last)) > _LONGEST_NUMBER or first == last == "":
        return None
    if first == "":
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise RangeNotSatisfiable(size)
    return begin, end
