"""What happened, in order, and what still has to be told to the broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

WorkKind = Literal["cpu", "cuda", "auto", "validate"]
"""Work for a worker's processor, for a CUDA device, for either, and uploads to validate."""


@dataclass(frozen=True, slots=True)
class Event:
    """One transition of one job, checkpoint or data set; `seq` counts from 1 per subject."""

    subject_id: str
    tenant_id: str
    seq: int
    type: str
    data: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A wake-up that was committed together with the work it announces."""

    id: str
    kind: WorkKind
    available_at: datetime
