"""Everything that can be configured: one frozen record, read from LTFORGE_* once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


def _sqlite_in(values: dict[str, Any]) -> str:
    return f"sqlite:///{values['data']}/ltforge.sqlite"


class Settings(BaseSettings):
    """The service's configuration. Defaults are those of the embedded form."""

    model_config = SettingsConfigDict(env_prefix="LTFORGE_", frozen=True, extra="ignore")

    data: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        default=Path("data"), validate_default=True
    )
    database_url: str = Field(default_factory=_sqlite_in)
    # Empty: the filesystem broker inside the data folder.
    broker_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000

    max_checkpoint_bytes: int = 2 * GIBIBYTE
    max_dataset_bytes: int = 2 * GIBIBYTE

    # A lease must outlive several heartbeats, or a slow disk looks like a dead worker.
    lease_seconds: float = Field(default=60.0, gt=0)
    heartbeat_seconds: float = Field(default=10.0, gt=0)
    progress_seconds: float = Field(default=1.0, gt=0)
    # How often a running job's row is asked whether somebody canceled it.
    job_poll_seconds: float = Field(default=0.4, gt=0)
    cancel_grace_seconds: float = Field(default=0.8, ge=0)
    job_seconds: float = Field(default=24 * 3600.0, gt=0)
    max_attempts: int = Field(default=3, ge=1)

    job_slots: int = Field(default=1, ge=1)
    runner_start_seconds: float = Field(default=120.0, gt=0)
    runner_jobs: int = Field(default=50, ge=1)
    runner_memory_bytes: int = Field(default=8 * GIBIBYTE, gt=0)
    runner_threads: int | None = None

    # Importing torch alone maps several GiB of address space.
    conversion_memory_bytes: int = Field(default=16 * GIBIBYTE, gt=0)
    conversion_cpu_seconds: int = Field(default=300, gt=0)
    conversion_wall_seconds: float = Field(default=600.0, gt=0)
    conversion_file_bytes: int = Field(default=8 * GIBIBYTE, gt=0)
    conversion_open_files: int = Field(default=256, gt=0)
    validation_attempts: int = Field(default=3, ge=1)

    housekeeping_seconds: float = Field(default=0.5, gt=0)
    # Queued work older than this is announced again, whatever became of the first message.
    rewake_seconds: float = Field(default=15.0, gt=0)
    # Stored bytes that no accepted upload needs are removed when they are older than this.
    blob_grace_seconds: float = Field(default=120.0, gt=0)
    broker_poll_seconds: float = Field(default=0.2, gt=0)

    @property
    def blobs(self) -> Path:
        """Where uploaded files and their canonical forms lie."""
        return self.data / "blobs"

    @property
    def scratch(self) -> Path:
        """Where running jobs and conversions put files that nobody needs afterwards."""
        return self.data / "scratch"

    def to_environment(self) -> dict[str, str]:
        """The variables from which a child process reads these same settings."""
        document = self.model_dump(mode="json", exclude_none=True)
        return {f"LTFORGE_{name.upper()}": str(value) for name, value in document.items()}
