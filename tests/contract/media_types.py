"""Teaches schemathesis the one media type of ours that it does not know; loaded by its name."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.transport.serialization import serialize_binary

from tests.service.tus_client import PIECE


@schemathesis.serializer(PIECE)
def send_as_it_is(_context: Any, value: Any) -> Any:
    """A piece of a file is bytes."""
    return serialize_binary(value)
