"""The composition root of the API: settings in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from ltengine import ENGINE_VERSION
from service.api.contract_document import complete_contract
from service.api.cursors import Cursors, read_cursor_secret
from service.api.deps import Parts
from service.api.job_watch import JobWatch
from service.api.key_ring import KeyRing
from service.api.problems import install_problem_handlers
from service.api.rate_limits import RateLimiter
from service.api.request_context import RequestContext
from service.api.routes import (
    account,
    api_keys,
    batches,
    checkpoints,
    comparisons,
    datasets,
    health,
    job_events,
    job_shards,
    jobs,
    metrics,
    plans,
    problems,
    resumable_uploads,
    ticket_files,
    tickets,
    webhooks,
)
from service.api.stop_signals import on_stop_signal
from service.dashboard.application import install_dashboard
from service.logs import configure_logs
from service.settings import Settings
from service.store import open_store
from service.store.blobs import LocalBlobStore
from service.tracing import send_spans, start_tracing


class Application(FastAPI):
    """FastAPI with the contract completed by what it cannot know."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete_contract(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """The API over the database and the data folder that the settings name.

    The database's schema must exist already; /readyz says so if it does not.
    """
    application = assemble_routes()
    if settings.cors_origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    secret = read_cursor_secret(settings.data)
    install_dashboard(application, secret)
    store = open_store(settings.database_url, settings.limits)
    application.state.parts = Parts(
        settings=settings,
        store=store,
        blobs=LocalBlobStore(settings.blobs),
        cursors=Cursors(secret),
        keys=KeyRing(store, settings.key_cache_seconds),
        rates=RateLimiter(store),
        watch=JobWatch(store, settings.event_poll_seconds),
    )
    return application


def create_app_from_environment() -> FastAPI:
    """For `uvicorn --factory`: settings from LTFORGE_*, logs as JSON lines on standard error."""
    configure_logs()
    start_tracing("api")
    return create_app(Settings())


def assemble_routes() -> FastAPI:
    """The routes alone, without database or folder: enough to describe the contract."""
    application = Application(
        title="LTForge",
        version=ENGINE_VERSION,
        description=_DESCRIPTION,
        lifespan=_close_at_the_end,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "exclude": lambda scope: scope.get("path") in _UNTRACED,
        },
    )
    application.add_middleware(RequestContext)
    install_problem_handlers(application)
    for module in (
        checkpoints,
        datasets,
        resumable_uploads,
        plans,
        batches,
        jobs,
        job_events,
        job_shards,
        tickets,
        ticket_files,
        comparisons,
        account,
        api_keys,
        webhooks,
        health,
        metrics,
        problems,
    ):
        application.include_router(module.router)
    return application


# Asked every few seconds by machines, about nothing that anybody would trace.
_UNTRACED = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})


@asynccontextmanager
async def _close_at_the_end(application: FastAPI) -> AsyncIterator[None]:
    with on_stop_signal(application.state.parts.watch.close):
        yield
    application.state.parts.store.dispose()
    await run_in_threadpool(send_spans, wait=True)


_DESCRIPTION = """\
Constructs strong lottery tickets: upload a trained network, submit a construction spec, and fetch
the mask that prunes a seeded random network until it computes the trained one.

Send an API key as `Authorization: Bearer ltf_...`. Times are RFC 3339 in UTC. Every error is a
problem document (RFC 9457) with a stable `code`; every response has an `X-Request-ID`. Ids of other
tenants answer 404, as if they did not exist.
"""
