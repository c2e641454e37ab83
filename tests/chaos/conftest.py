"""What a crash leaves behind is found by the same fixtures as workers' other tests."""

from tests.worker.conftest import settings, submit, workplace

__all__ = ["settings", "submit", "workplace"]
