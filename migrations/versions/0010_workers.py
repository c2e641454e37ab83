"""Workers say what they can do, and jobs what they want to run on."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("cpu_cores", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("job_slots", sa.Integer(), nullable=False),
        sa.Column("cuda_count", sa.Integer(), nullable=False),
        sa.Column("cuda_devices", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.add_column(
        "jobs", sa.Column("device", sa.String(length=8), server_default="cpu", nullable=False)
    )
    op.execute(
        "UPDATE jobs SET device = spec ->> 'device' "
        "WHERE status = 'queued' AND spec ->> 'device' IN ('auto', 'cuda')"
    )


def downgrade() -> None:
    op.drop_column("jobs", "device")
    op.drop_table("workers")
