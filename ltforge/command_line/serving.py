"""The parts of the service as commands: serve, worker, migrate, gc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltforge.command_line.failures import CommandError
from ltforge.extras import needing

if TYPE_CHECKING:
    from service.settings import Settings


def serve(*, port: int | None, data: Path | None, host: str | None) -> int:
    """Run the API, a worker and the housekeeper until SIGTERM or Ctrl-C; the exit status.

    What is not given here comes from the LTFORGE_* environment, then from the defaults.
    """
    given: dict[str, Any] = {"port": port, "data": data, "host": host}
    settings = read_settings({name: value for name, value in given.items() if value is not None})
    with needing("serve"):
        from worker.supervisor import serve as supervise  # noqa: PLC0415
    with _named():
        return supervise(settings)


def work() -> None:
    """Run a worker on the configured database and broker until SIGTERM or Ctrl-C."""
    read_settings({})
    with needing("worker"):
        from worker.celery_app import main  # noqa: PLC0415
    with _named():
        main()


def migrate() -> dict[str, Any]:
    """Bring the configured database to this version's schema."""
    settings = read_settings({})
    with needing("migrate"):
        from service.store import open_store  # noqa: PLC0415
        from service.store.schema import is_compatible, upgrade  # noqa: PLC0415
    with _named():
        upgrade(settings.database_url)
        store = open_store(settings.database_url)
        try:
            return {"migrated": is_compatible(store)}
        finally:
            store.dispose()


def collect_garbage() -> dict[str, Any]:
    """Delete what is older than the retention settings allow, and bytes that nothing needs."""
    settings = read_settings({})
    with needing("gc"):
        from service.logs import configure_logs  # noqa: PLC0415
        from service.queue import open_queue  # noqa: PLC0415
        from service.store import open_store  # noqa: PLC0415
        from worker.housekeeper import Housekeeper  # noqa: PLC0415
        from worker.workplace import process_name  # noqa: PLC0415
    # What the command prints is on stdout alone.
    configure_logs()
    before = _stored(settings.blobs)
    with _named():
        store = open_store(settings.database_url)
        try:
            store.ping()
            Housekeeper(settings, store, open_queue(settings), process_name()).collect_garbage()
        finally:
            store.dispose()
    after = _stored(settings.blobs)
    return {"files": {"before": before[0], "after": after[0]}, "freed_bytes": before[1] - after[1]}


def _stored(folder: Path) -> tuple[int, int]:
    """Files under a folder, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def read_settings(given: dict[str, Any]) -> Settings:
    """The service's settings: these, else the environment's, else the defaults.

    Raises:
        CommandError: one of them cannot be.
    """
    with needing("the service"):
        from pydantic import ValidationError  # noqa: PLC0415

        from service.settings import Settings  # noqa: PLC0415
    try:
        return Settings(**given)
    except ValidationError as error:
        raise CommandError(
            "INVALID_SETTINGS", _describe(error.errors(include_url=False))
        ) from error


def _describe(problems: list[Any]) -> str:
    return "; ".join(
        f"LTFORGE_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in problems
    )


@contextmanager
def _named() -> Iterator[None]:
    """Have the service's own errors end the command by their names."""
    from service.errors import ServiceError  # noqa: PLC0415

    try:
        yield
    except ServiceError as error:
        raise CommandError(error.code, error.detail) from error
