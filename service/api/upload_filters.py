"""Which checkpoints or data sets a list is asked for, by query parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from service.api.schemas import Name
from service.domain import CheckpointStatus, UploadFilter


async def _upload_filter(
    status: Annotated[
        CheckpointStatus | None, Query(description="only those in this status")
    ] = None,
    name: Annotated[Name | None, Query(description="only those with exactly this name")] = None,
    digest: Annotated[
        str | None,
        Query(pattern="^[0-9a-f]{64}$", description="only the one with this SHA-256, as uploaded"),
    ] = None,
) -> UploadFilter:
    return UploadFilter(status=status, name=name, sha256=digest)


UploadFilterDep = Annotated[UploadFilter, Depends(_upload_filter)]
