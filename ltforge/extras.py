"""Which extra brings which module, so that a missing one is named with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ltforge.errors import MissingExtraError

_BROUGHT_BY = {
    "typer": "cli",
    "rich": "cli",
    "numpy": "engine",
    "numba": "engine",
    "safetensors": "engine",
    "onnx": "engine",
    "pydantic": "engine",
    "pydantic_core": "engine",
    "torch": "engine",
    "fastapi": "server",
    "starlette": "server",
    "uvicorn": "server",
    "multipart": "server",
    "pydantic_settings": "server",
    "celery": "server",
    "kombu": "server",
    "sqlalchemy": "server",
    "alembic": "server",
    "psycopg": "server",
    "structlog": "server",
    "mlflow": "mlflow",
    "pandas": "mlflow",
    "huggingface_hub": "hf",
    "wandb": "wandb",
    "sklearn": "dev",
}


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The extra that brings the module that was not found, or None if it is not one of theirs."""
    return _BROUGHT_BY.get((error.name or "").partition(".")[0])


@contextmanager
def needing(purpose: str) -> Iterator[None]:
    """Turn a failed import inside the block into an error that names what to install.

    Raises:
        MissingExtraError: something is not installed that one of our extras brings.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = missing_extra(error)
        if extra is None:
            raise
        raise MissingExtraError(
            "MISSING_EXTRA",
            f"{purpose} needs {error.name}, which is not installed; "
            f'run: pip install "ltforge[{extra}]"',
        ) from error
