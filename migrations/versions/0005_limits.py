"""Limits of tenants: requests, jobs, bytes, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LIMITS = {
    "max_requests": sa.Integer,
    "max_queued_jobs": sa.Integer,
    "max_running_jobs": sa.Integer,
    "max_stored_bytes": sa.BigInteger,
    "max_uploads": sa.Integer,
}


def upgrade() -> None:
    with op.batch_alter_table("tenants") as table:
        for name, kind in _LIMITS.items():
            table.add_column(sa.Column(name, kind(), nullable=True))
    op.create_index("ix_jobs_quota", "jobs", ["tenant_id", "status"])
    op.create_table(
        "request_windows",
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_request_windows_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_request_windows"),
    )
    op.create_table(
        "upload_slots",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_upload_slots_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_upload_slots"),
    )
    op.create_index("ix_upload_slots_tenant", "upload_slots", ["tenant_id", "expires_at"])


def downgrade() -> None:
    op.drop_table("upload_slots")
    op.drop_table("request_windows")
    op.drop_index("ix_jobs_quota", "jobs")
    for name in _LIMITS:
        # No batch: it would drop a table that others refer to.
        op.drop_column("tenants", name)
