"""Requests of the tus protocol, spelled out for tests; a real client is in the tests beside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import httpx

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"


def metadata(**pairs: str) -> str:
    """The header Upload-Metadata."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
    )


def begin(
    client: httpx.Client,
    length: int,
    kind: str = "checkpoint",
    name: str = "net",
    **headers: str,
) -> httpx.Response:
    """Begin an upload."""
    announced = {"Upload-Length": str(length), "Upload-Metadata": metadata(kind=kind, name=name)}
    return client.post("/v1/uploads", headers={**TUS, **announced, **headers})


def begun(client: httpx.Client, length: int, kind: str = "checkpoint", name: str = "net") -> str:
    """Begin an upload; its path."""
    answer = begin(client, length, kind, name)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def send(
    client: httpx.Client,
    path: str,
    offset: int | str,
    data: Any,
    headers: Mapping[str, str] = {},
) -> httpx.Response:
    """Send a piece; headers may have any character of a byte."""
    own = {**TUS, "Upload-Offset": str(offset), "Content-Type": PIECE, **headers}
    encoded = {name.encode(): value.encode("latin-1") for name, value in own.items()}
    return client.patch(path, content=data, headers=encoded)


def offset_of(client: httpx.Client, path: str) -> int:
    """Where the next piece begins."""
    answer = client.head(path, headers=TUS)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["Upload-Offset"])


def finalize(client: httpx.Client, path: str) -> httpx.Response:
    """Make a resource of the upload."""
    return client.post(f"{path}/finalize")
