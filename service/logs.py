"""Logs: JSON lines on standard error, with the ids of what they speak of and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

REDACTED = "[redacted]"
# Keys of ours, secrets of webhooks, whatever an Authorization header holds, passwords in URLs.
_SECRETS = (
    (re.compile(r"(ltf_[0-9a-z]+_)[0-9A-Za-z]+"), rf"\1{REDACTED}"),
    (re.compile(r"whsec_[0-9A-Za-z+/=]+"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[0-9a-z._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"), rf"\1{REDACTED}"),
)
# Nothing that holds none of these holds a secret: most of what is logged is looked at once.
_SUSPICIOUS = re.compile(r"ltf_|whsec_|://|(?i:bearer|basic)\s")
_SECRET_NAMES = frozenset({"authorization", "api_key", "secret", "password", "token", "cookie"})


def configure_logs() -> None:
    """Send this process's logs to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def redact(
    _logger: Any, _method: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A structlog processor: the same entry without anything that opens a door."""
    return {name: _without_secrets(name, value) for name, value in entry.items()}


def _without_secrets(name: str, value: Any) -> Any:
    if name.lower() in _SECRET_NAMES:
        return REDACTED
    if isinstance(value, dict):
        return {key: _without_secrets(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets("", item) for item in value]
    if isinstance(value, str) and _SUSPICIOUS.search(value):
        for secret, shown in _SECRETS:
            value = secret.sub(shown, value)
    return value
