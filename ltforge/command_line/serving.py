"""``ltforge serve``: the embedded default, everything on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltforge.command_line.failures import CommandError
from ltforge.extras import needing


def serve(*, port: int | None, data: Path | None, host: str | None) -> int:
    """Run the API, a worker and the housekeeper until SIGTERM or Ctrl-C; the exit status.

    What is not given here comes from the LTFORGE_* environment, then from the defaults.
    """
    with needing("serve"):
        from pydantic import ValidationError  # noqa: PLC0415

        from service.errors import ServiceError  # noqa: PLC0415
        from service.settings import Settings  # noqa: PLC0415
        from worker.supervisor import serve as supervise  # noqa: PLC0415
    given: dict[str, Any] = {"port": port, "data": data, "host": host}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise CommandError(
            "INVALID_SETTINGS", _describe(error.errors(include_url=False))
        ) from error
    try:
        return supervise(settings)
    except ServiceError as error:
        raise CommandError(error.code, error.detail) from error


def _describe(problems: list[Any]) -> str:
    return "; ".join(
        f"LTFORGE_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in problems
    )
