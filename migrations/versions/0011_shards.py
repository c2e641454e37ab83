"""Large constructions are divided into shards."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("shards", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("shards_done", sa.Integer(), nullable=True))
    op.create_table(
        "job_shards",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=True),
        sa.Column("first_row", sa.BigInteger(), nullable=True),
        sa.Column("last_row", sa.BigInteger(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("lease_token", sa.String(length=64), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('build', 'merge')", name="ck_job_shards_kind"),
        sa.CheckConstraint(
            "status IN ('waiting', 'running', 'done', 'failed', 'canceled')",
            name="ck_job_shards_status",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_shards_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_job_shards"),
    )
    op.create_index("ix_job_shards_job", "job_shards", ["job_id", "index"], unique=True)
    op.create_index("ix_job_shards_claim", "job_shards", ["status", "job_id"])
    op.create_index("ix_job_shards_sha256", "job_shards", ["sha256"])


def downgrade() -> None:
    # What was built of a divided job is lost: it begins again.
    op.execute(
        "UPDATE jobs SET status = 'queued', stage = 'queued', done = 0, total = 0 "
        "WHERE status = 'running' AND shards IS NOT NULL"
    )
    op.execute(
        "UPDATE jobs SET status = 'canceled', finished_at = CURRENT_TIMESTAMP "
        "WHERE status = 'canceling' AND shards IS NOT NULL"
    )
    op.drop_table("job_shards")
    op.drop_column("jobs", "shards_done")
    op.drop_column("jobs", "shards")
