"""Large values, read as the bytes that they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session


def read_bytes(session: Session, query: Select[bytes]) -> bytes | None:
    """The one value of a query, or None if there is none.

    PostgreSQL would send bytes as hexadecimal text, at a third of the speed, unless the cursor asks
    for its binary format; SQLAlchemy has no word for that.
    """
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        return session.scalar(query)
    compiled = query.compile(dialect=connection.dialect)
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor(binary=True) as cursor:
        row = cursor.execute(str(compiled), compiled.params).fetchone()
    return None if row is None else bytes(row[0])
