"""The served API, as the service's own tests have it."""

from tests.service.conftest import api, settings, shared_api

__all__ = ["api", "settings", "shared_api"]
