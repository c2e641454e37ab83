"""Logs of the worker's processes: JSON lines on standard error, as the API's are."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Send this process's logs to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
