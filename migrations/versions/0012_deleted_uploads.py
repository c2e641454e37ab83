"""Checkpoints and data sets that were deleted, and that jobs and tickets still name."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("checkpoints", "datasets")
_KEPT_BEFORE = sa.text("status <> 'rejected'")
_KEPT = sa.text("status <> 'rejected' AND deleted_at IS NULL")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
        _index_contents(table, _KEPT)


def downgrade() -> None:
    for table in _TABLES:
        # The schema before knows one way to say that a file is not to be used.
        op.execute(
            f"UPDATE {table} SET status = 'rejected', canonical_sha256 = NULL, summary = NULL, "  # noqa: S608
            "lease_token = NULL, lease_expires_at = NULL, rejection_code = 'DELETED', "
            "rejection_detail = 'It was deleted.' "
            "WHERE deleted_at IS NOT NULL AND status <> 'rejected'"
        )
        _index_contents(table, _KEPT_BEFORE)
        # No batch: it would drop a table that others refer to.
        op.drop_column(table, "deleted_at")


def _index_contents(table: str, kept: sa.TextClause) -> None:
    op.drop_index(f"uq_{table}_content", table)
    op.create_index(
        f"uq_{table}_content",
        table,
        ["tenant_id", "sha256"],
        unique=True,
        sqlite_where=kept,
        postgresql_where=kept,
    )
