"""What processes agree on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Row


class LeaderRow(Row):
    """Who leads, until when."""

    __tablename__ = "leaders"

    role: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime]


class WorkerRow(Row):
    """Worker processes; one is alive until `expires_at`, and remembered for some time after it."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    cpu_cores: Mapped[int]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    job_slots: Mapped[int]
    cuda_count: Mapped[int]
    cuda_devices: Mapped[list[dict[str, Any]]]
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]
