"""Webhooks may be CloudEvents."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLES = ("webhook_endpoints", "webhook_deliveries")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(
            table,
            sa.Column("format", sa.String(length=16), server_default="standard", nullable=False),
        )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "format")
