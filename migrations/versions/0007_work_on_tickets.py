"""Jobs that export, verify and compare tickets; the files that exports made."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATUSES = "'queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'"
_KINDS_BEFORE = "'construct', 'estimate', 'statistics', 'plan'"
_UNCHANGED = {
    "ck_jobs_status": f"status IN ({_STATUSES})",
    "ck_jobs_replicates": "(kind = 'estimate') = (replicates IS NOT NULL)",
}
_BEFORE = {
    "ck_jobs_kind": f"kind IN ({_KINDS_BEFORE})",
    "ck_jobs_checkpoint": "(kind = 'statistics') = (checkpoint_id IS NULL)",
}
_AFTER = {
    "ck_jobs_kind": f"kind IN ({_KINDS_BEFORE}, 'export', 'verify', 'compare')",
    "ck_jobs_checkpoint": "(kind IN ('statistics', 'export', 'compare')) = (checkpoint_id IS NULL)",
}


def upgrade() -> None:
    _constrain_jobs(_AFTER)
    op.create_table(
        "ticket_exports",
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_exports_ticket_id"),
        sa.PrimaryKeyConstraint("ticket_id", "format", name="pk_ticket_exports"),
    )
    op.create_index("ix_ticket_exports_sha256", "ticket_exports", ["sha256"])


def downgrade() -> None:
    op.drop_table("ticket_exports")
    op.execute(
        "DELETE FROM job_logs WHERE job_id IN (SELECT id FROM jobs WHERE kind IN "
        "('export', 'verify', 'compare'))"
    )
    op.execute("DELETE FROM jobs WHERE kind IN ('export', 'verify', 'compare')")
    _constrain_jobs(_BEFORE)


def _constrain_jobs(changed: dict[str, str]) -> None:
    """SQLite's tables are rebuilt, without the checks they had."""
    rebuilt = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("jobs") as table:
        for name in {} if rebuilt else changed:
            table.drop_constraint(name, type_="check")
        for name, condition in ((_UNCHANGED | changed) if rebuilt else changed).items():
            table.create_check_constraint(name, condition)
