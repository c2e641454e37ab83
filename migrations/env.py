"""Alembic's entry. The caller passes an open connection, so this reads no settings."""

from alembic import context

configuration = context.config

connection = configuration.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=configuration.attributes.get("target_metadata"),
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
