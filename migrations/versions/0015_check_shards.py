"""Shards may certify and check a ticket, not only build it."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STATUSES = "status IN ('waiting', 'running', 'done', 'failed', 'canceled')"


def _allow(kinds: str) -> None:
    """SQLite's table is rebuilt, without the checks it had."""
    rebuilt = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("job_shards") as table:
        if rebuilt:
            table.create_check_constraint("ck_job_shards_status", _STATUSES)
        else:
            table.drop_constraint("ck_job_shards_kind", type_="check")
        table.create_check_constraint("ck_job_shards_kind", f"kind IN ({kinds})")


def upgrade() -> None:
    _allow("'build', 'certify', 'check', 'merge', 'conclude'")


def downgrade() -> None:
    # A job whose ticket is being checked builds it again.
    op.execute(
        "UPDATE jobs SET status = 'queued', stage = 'queued', done = 0, total = 0, "
        "shards = NULL, shards_done = NULL WHERE status = 'running' AND id IN "
        "(SELECT job_id FROM job_shards WHERE kind NOT IN ('build', 'merge'))"
    )
    op.execute(
        "UPDATE jobs SET status = 'canceled', finished_at = CURRENT_TIMESTAMP "
        "WHERE status = 'canceling' AND id IN "
        "(SELECT job_id FROM job_shards WHERE kind NOT IN ('build', 'merge'))"
    )
    op.execute(
        "DELETE FROM job_shards WHERE job_id IN "
        "(SELECT job_id FROM job_shards WHERE kind NOT IN ('build', 'merge'))"
    )
    _allow("'build', 'merge'")
