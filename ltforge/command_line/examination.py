"""What ``ltforge doctor`` looks at: each examination says what it found and what to do about it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ltforge.command_line.failures import CommandError
from ltforge.errors import MissingExtraError
from ltforge.extras import needing

if TYPE_CHECKING:
    from service.settings import Settings

_OLDEST_TORCH = (2, 11)
_CLOCK_SECONDS = 5.0
_INSTALL = 'pip install "ltforge[server]"'


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. A fault keeps the service from working, a warning does not."""

    what: str
    state: Literal["ok", "warning", "fault"]
    detail: str
    remedy: str = ""


def healthy(findings: list[Finding]) -> bool:
    """Whether there is no fault."""
    return all(finding.state != "fault" for finding in findings)


def examine() -> list[Finding]:
    """Every finding; an examination that needs what is broken is left out."""
    return list(_examine())


def _examine() -> Iterator[Finding]:
    try:
        from ltforge.command_line.serving import read_settings  # noqa: PLC0415

        settings = read_settings({})
    except CommandError as error:
        yield Finding("settings", "fault", error.detail, "see docs/configuration.md")
    except MissingExtraError as error:
        yield Finding("settings", "fault", error.detail, _INSTALL)
    else:
        yield Finding("settings", "ok", f"data in {settings.data}")
        for examination in (_database, _broker, _folder, _disk):
            yield _careful(examination, settings)
    for independent in (_numba_cache, _torch, _cuda):
        yield independent()


def _careful(examination: Callable[[Settings], Finding], settings: Settings) -> Finding:
    """A finding also where something needed for the examination is not installed."""
    try:
        return examination(settings)
    except MissingExtraError as error:
        return Finding(examination.__name__.strip("_"), "fault", error.detail, _INSTALL)


def _database(settings: Settings) -> Finding:
    """Reachable, migrated, and of one time with this machine."""
    with needing("the database"):
        from service.errors import ServiceError  # noqa: PLC0415
        from service.store import open_store  # noqa: PLC0415
        from service.store.schema import is_compatible  # noqa: PLC0415
    if settings.database_url.startswith("sqlite") and not _sqlite_file(settings).exists():
        return Finding(
            "database",
            "warning",
            f"{_sqlite_file(settings)} is not there yet",
            "ltforge serve or ltforge migrate makes it",
        )
    try:
        store = open_store(settings.database_url)
        try:
            store.ping()
            current = is_compatible(store)
            skew = abs(_database_time(settings) - time.time())
        finally:
            store.dispose()
    except ServiceError as error:
        return Finding(
            "database", "fault", error.detail, "start it, or correct LTFORGE_DATABASE_URL"
        )
    if not current:
        return Finding(
            "database", "fault", "the schema is not this version's", "run ltforge migrate"
        )
    if skew > _CLOCK_SECONDS:
        detail = f"its clock and this machine's differ by {skew:.0f} s"
        return Finding("database", "warning", detail, "synchronise both with NTP")
    return Finding("database", "ok", "reachable, migrated, clock in step")


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.database_url.partition(":///")[2])


def _database_time(settings: Settings) -> float:
    """What the database calls now, in seconds since 1970."""
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    sqlite = settings.database_url.startswith("sqlite")
    question = "SELECT strftime('%s', 'now')" if sqlite else "SELECT extract(epoch FROM now())"
    url = settings.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return float(connection.execute(text(question)).scalar_one())
    finally:
        engine.dispose()


def _broker(settings: Settings) -> Finding:
    if not settings.broker_url:
        return Finding("broker", "ok", "files in the data folder, for one machine")
    with needing("the broker"):
        kombu = import_module("kombu")
    try:
        with kombu.Connection(settings.broker_url, connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=10)
            shown = connection.as_uri()
    except Exception as error:  # every transport has exceptions of its own
        return Finding(
            "broker",
            "fault",
            f"it does not answer: {error}",
            "start it, or correct LTFORGE_BROKER_URL; jobs wait in the database meanwhile",
        )
    return Finding("broker", "ok", f"{shown} answers")


def _folder(settings: Settings) -> Finding:
    """Whether files can be written where uploads go, or where the folder would be made."""
    place = settings.blobs
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            return Finding("blob folder", "ok", f"{settings.blobs} is writable")
    except OSError as error:
        return Finding(
            "blob folder",
            "fault",
            f"cannot write in {place}: {error.strerror}",
            f"make {place} writable for this user, or set LTFORGE_DATA",
        )


def _disk(settings: Settings) -> Finding:
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / 1e9:.1f} GB free under {place}"
    if free <= settings.free_disk_bytes:
        remedy = "free some space (ltforge gc), or lower LTFORGE_FREE_DISK_BYTES"
        return Finding("disk", "fault", f"{detail}: uploads are refused", remedy)
    return Finding("disk", "ok", detail)


def _numba_cache() -> Finding:
    """Compiled kernels are kept between processes; without that each start takes half a minute."""
    import ltengine  # noqa: PLC0415

    own = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(own) if own else Path(ltengine.__file__).parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place):
            return Finding("numba cache", "ok", f"{place} is writable")
    except OSError as error:
        return Finding(
            "numba cache",
            "warning",
            f"cannot write in {place}: {error.strerror}; kernels are compiled at every start",
            "set NUMBA_CACHE_DIR to a folder that this user can write",
        )


def _torch() -> Finding:
    """Present, and no older than what the package asks for."""
    try:
        torch = import_module("torch")
    except ModuleNotFoundError:
        return Finding(
            "torch",
            "warning",
            "not installed: no export as state_dict, no to_torch",
            'pip install "ltforge[engine]"',
        )
    version = str(torch.__version__)
    numbers = tuple(int(part) for part in version.partition("+")[0].split(".")[:2])
    if numbers < _OLDEST_TORCH:
        return Finding(
            "torch", "fault", f"{version} is too old", 'pip install -U "ltforge[engine]"'
        )
    return Finding("torch", "ok", version)


def _cuda() -> Finding:
    """Whether constructions can use a GPU; without one they use the processor."""
    try:
        from ltengine.device import cuda_is_available  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return Finding(
            "cuda", "warning", f"{error.name} is missing", 'pip install "ltforge[engine]"'
        )
    if cuda_is_available():
        return Finding("cuda", "ok", "a device is usable")
    return Finding("cuda", "ok", "no usable device: constructions use the processor")
