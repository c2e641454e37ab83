"""Everything that can be configured: one frozen record, read from LTFORGE_* once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain import Limits

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
BROKERS = ("redis://", "rediss://", "amqp://", "amqps://")
"""How a broker's URL may begin."""


def _sqlite_in(values: dict[str, Any]) -> str:
    return f"sqlite:///{values['data']}/ltforge.sqlite"


def _supported_broker(url: str) -> str:
    if url and not url.startswith(BROKERS):
        raise ValueError(f"must begin with one of {', '.join(BROKERS)}, or be empty")
    return url


class Settings(BaseSettings):
    """The service's configuration. Defaults are those of the embedded form."""

    model_config = SettingsConfigDict(env_prefix="LTFORGE_", frozen=True, extra="ignore")

    data: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        default=Path("data"), validate_default=True
    )
    database_url: str = Field(default_factory=_sqlite_in)
    # Empty: the filesystem broker inside the data folder.
    broker_url: Annotated[str, AfterValidator(_supported_broker)] = ""
    # On a RabbitMQ cluster, quorum: a classic queue is away while its one node is.
    broker_queue_type: Literal["classic", "quorum"] = "classic"
    host: str = "127.0.0.1"
    port: int = 8000

    # Who may read the metrics of the whole service; empty: only a tenant's own, with an admin key.
    metrics_token: SecretStr = SecretStr("")
    # Web origins whose pages may call the API, as a JSON list; none by default.
    cors_origins: tuple[str, ...] = ()

    # What one tenant may do, where its row in the database says nothing else.
    rate_limit_requests: int = Field(default=60_000, ge=1)
    rate_limit_seconds: int = Field(default=60, ge=1)
    max_queued_jobs: int = Field(default=10_000, ge=0)
    max_running_jobs: int = Field(default=64, ge=1)
    max_stored_bytes: int = Field(default=200 * GIBIBYTE, ge=0)
    max_uploads: int = Field(default=16, ge=1)
    # How long a process trusts what it read about a key; revoking one takes this long to spread.
    key_cache_seconds: float = Field(default=1.0, ge=0)

    max_checkpoint_bytes: int = 2 * GIBIBYTE
    max_dataset_bytes: int = 2 * GIBIBYTE
    # An upload that brings less than this per second for so long is given up.
    upload_idle_seconds: float = Field(default=60.0, gt=0)
    upload_least_rate: float = Field(default=1024.0, ge=0)
    # A resumable upload that nobody goes on with for so long is forgotten.
    upload_expiry_seconds: float = Field(default=24 * 3600.0, gt=0)
    max_unfinished_uploads: int = Field(default=1000, ge=0)
    # No file is taken that would leave less room on the disk under the data folder.
    free_disk_bytes: int = Field(default=GIBIBYTE, ge=0)

    # A lease must outlive several heartbeats, or a slow disk looks like a dead worker.
    lease_seconds: float = Field(default=60.0, gt=0)
    heartbeat_seconds: float = Field(default=10.0, gt=0)
    progress_seconds: float = Field(default=1.0, gt=0)
    # How often a running job's row is asked whether somebody canceled it.
    job_poll_seconds: float = Field(default=0.4, gt=0)
    cancel_grace_seconds: float = Field(default=0.8, ge=0)
    job_seconds: float = Field(default=24 * 3600.0, gt=0)
    max_attempts: int = Field(default=3, ge=1)
    # Constructions of so many subset-sum problems or more are divided; how many a shard has.
    divided_job_problems: int = Field(default=1 << 24, ge=1)
    shard_problems: int = Field(default=1 << 22, ge=1)

    # Of each attempt; what a job writes beyond it is lost.
    job_log_bytes: int = Field(default=MEBIBYTE, gt=0)

    job_slots: int = Field(default=1, ge=1)
    # CUDA devices that a worker uses, one job at a time on each; empty: all it finds.
    cuda_devices: int | None = Field(default=None, ge=0)
    # Compiling its kernels included, where they are not cached; then its attempt has failed.
    runner_start_seconds: float = Field(default=600.0, gt=0)
    runner_jobs: int = Field(default=50, ge=1)
    runner_memory_bytes: int = Field(default=8 * GIBIBYTE, gt=0)
    # A runner that occupies more is killed, and its job's attempt with it; empty: an equal share of
    # nine tenths of what the machine or the container has.
    runner_memory_limit_bytes: int | None = Field(default=None, gt=0)
    runner_threads: int | None = Field(default=None, gt=0)

    # Numbers are widened to float64: a file of float16 takes four times its size.
    conversion_memory_bytes: int = Field(default=16 * GIBIBYTE, gt=0)
    conversion_cpu_seconds: int = Field(default=300, gt=0)
    conversion_wall_seconds: float = Field(default=600.0, gt=0)
    conversion_file_bytes: int = Field(default=8 * GIBIBYTE, gt=0)
    conversion_open_files: int = Field(default=256, gt=0)
    validation_attempts: int = Field(default=3, ge=1)

    # For so long a request sent again with its Idempotency-Key is answered as before.
    idempotency_seconds: float = Field(default=24 * 3600.0, gt=0)
    max_batch_jobs: int = Field(default=1000, ge=1)
    # How often watched jobs are looked at: once for all streams of a process.
    event_poll_seconds: float = Field(default=0.25, gt=0)
    housekeeping_seconds: float = Field(default=0.5, gt=0)
    # How often the leading housekeeper looks for wake-ups to send: jobs wait for this.
    relay_seconds: float = Field(default=0.05, gt=0)
    # Queued work older than this is announced again, whatever became of the first message.
    rewake_seconds: float = Field(default=15.0, gt=0)
    # Stored bytes that no accepted upload needs are removed when they are older than this.
    blob_grace_seconds: float = Field(default=120.0, gt=0)
    # Development only: webhooks over http, to any port, and to this machine and its neighbours.
    webhook_development: bool = False
    webhook_seconds: float = Field(default=15.0, gt=0)
    webhook_senders: int = Field(default=8, ge=1)
    # An endpoint that only failed for this long is disabled.
    webhook_patience_seconds: float = Field(default=5 * 24 * 3600.0, gt=0)
    # Finished deliveries stay listed this long.
    webhook_log_seconds: float = Field(default=30 * 24 * 3600.0, gt=0)
    # Finished constructions are told to this MLflow server; empty: to none. Credentials are read
    # from MLflow's own variables.
    mlflow_tracking_uri: str = ""
    # The experiment's name is this and the tenant's.
    mlflow_experiment: str = Field(default="ltforge", min_length=1)
    # Every ticket becomes a version of this registered model; empty: of none.
    mlflow_registered_model: str = ""
    # A ticket of more kept cells is told as a file, not as a model.
    mlflow_model_cells: int = Field(default=5_000_000, ge=0)
    mlflow_seconds: float = Field(default=600.0, gt=0)
    # Days after which finished jobs, tickets and events are deleted; empty: they are kept for ever.
    job_retention_days: float | None = Field(default=None, gt=0)
    ticket_retention_days: float | None = Field(default=None, gt=0)
    event_retention_days: float | None = Field(default=None, gt=0)
    broker_poll_seconds: float = Field(default=0.2, gt=0)

    @property
    def blobs(self) -> Path:
        """Where uploaded files and their canonical forms lie."""
        return self.data / "blobs"

    @property
    def limits(self) -> Limits:
        """What one tenant may do."""
        return Limits(
            requests=self.rate_limit_requests,
            window_seconds=self.rate_limit_seconds,
            queued_jobs=self.max_queued_jobs,
            running_jobs=self.max_running_jobs,
            stored_bytes=self.max_stored_bytes,
            uploads=self.max_uploads,
        )

    @property
    def scratch(self) -> Path:
        """Where running jobs and conversions put files that nobody needs afterwards."""
        return self.data / "scratch"

    def to_environment(self) -> dict[str, str]:
        """The variables from which a child process reads these same settings."""
        document = self.model_dump(mode="json", exclude_none=True)
        document["metrics_token"] = self.metrics_token.get_secret_value()
        return {
            f"LTFORGE_{name.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
            for name, value in document.items()
        }
