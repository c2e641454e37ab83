"""Jobs have priorities, timeouts, parents and batches; logs of jobs are kept."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("timeout_s", sa.Double(), nullable=True),
        sa.Column("queue_timeout_s", sa.Double(), nullable=True),
        sa.Column("queue_deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("retry_of", sa.String(length=32), nullable=True),
        sa.Column("parent_id", sa.String(length=32), nullable=True),
        sa.Column("batch_id", sa.String(length=32), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
    )


def upgrade() -> None:
    # Plain ALTER TABLE: SQLite's rebuilt tables would lose their check constraints.
    for column in _columns():
        op.add_column("jobs", column)
    op.create_index("ix_jobs_parent", "jobs", ["parent_id"])
    op.create_index("ix_jobs_batch", "jobs", ["batch_id", "id"])
    op.create_table(
        "job_logs",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_logs_job_id"),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_job_logs"),
    )


def downgrade() -> None:
    op.drop_table("job_logs")
    op.drop_index("ix_jobs_batch", "jobs")
    op.drop_index("ix_jobs_parent", "jobs")
    for column in reversed(_columns()):
        op.drop_column("jobs", column.name)
