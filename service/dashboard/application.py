"""Puts the dashboard's pages and static files beside the API's routes."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.dashboard.pages import STATIC, static_version
from service.dashboard.routes import (
    comparisons,
    entrance,
    files,
    jobs,
    submissions,
    sweep_submissions,
    sweeps,
    ticket_parts,
    tickets,
)
from service.dashboard.sessions import SessionSigner


class _VersionedFiles(StaticFiles):
    """Files that browsers keep for ever where their address names the version."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if scope["query_string"] == f"v={static_version()}".encode():
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def install_dashboard(application: FastAPI, secret: bytes) -> None:
    """Serve the dashboard; `secret` signs its sessions, alike in all processes of the API."""
    application.state.session_signer = SessionSigner(secret)
    for router in (
        entrance.router,
        jobs.router,
        files.router,
        files.uploading,
        submissions.router,
        tickets.router,
        ticket_parts.router,
        # Before the sweeps themselves: its addresses would be read as their ids.
        sweep_submissions.router,
        sweeps.router,
        comparisons.router,
    ):
        application.include_router(router)
    application.mount("/static", _VersionedFiles(directory=STATIC), name="static")
