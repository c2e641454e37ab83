"""Finished constructions are told to an MLflow server."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mlflow_deliveries",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.String(length=64), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')", name="ck_mlflow_deliveries_status"
        ),
        # Processes of the release before delete jobs without knowing of this table.
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_mlflow_deliveries_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_mlflow_deliveries"),
    )
    op.create_index("ix_mlflow_deliveries_due", "mlflow_deliveries", ["status", "due_at"])


def downgrade() -> None:
    op.drop_table("mlflow_deliveries")
