"""The served API, as the service's own tests have it."""

from tests.service.conftest import api, settings

__all__ = ["api", "settings"]
