"""Probes: one that only fails with the process, one that says why the service cannot work."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from service.settings import Settings
from service.store.schema import downgrade, upgrade
from tests.service.running_api import RunningApi, serve_api
from tests.waiting import wait_until


def test_a_migrated_database_makes_the_service_ready(api: RunningApi) -> None:
    assert api.client.get("/livez").json() == {"status": "alive", "reasons": []}
    ready = api.client.get("/readyz", headers={"Authorization": ""})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})


def test_a_database_of_another_revision_makes_it_not_ready(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.sqlite"
    upgrade(url)
    with serve_api(Settings(data=tmp_path / "data", database_url=url)) as api:
        downgrade(url, "base")

        answer = api.client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json()["status"] == "not_ready"
        assert "migrations" in answer.json()["reasons"][0]
        assert api.client.get("/livez").status_code == 200


def test_a_database_that_is_away_makes_it_not_ready(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    upgrade(f"sqlite:///{file}")
    with serve_api(Settings(data=tmp_path / "data", database_url=f"sqlite:///{file}")) as api:
        api.store.dispose()
        file.unlink()
        file.mkdir()

        ready, refused = api.client.get("/readyz"), api.client.get("/v1/jobs")

        assert ready.status_code == 503
        assert ready.json()["reasons"] == ["the database does not answer"]
        assert refused.status_code == 503
        assert refused.json()["code"] == "STORAGE_UNAVAILABLE"
        assert int(refused.headers["Retry-After"]) > 0
        assert str(file) not in refused.text
        assert api.client.get("/livez").status_code == 200


_START_AND_LIST_MODULES = """
import sys
from service.api.application import create_app_from_environment
from service.store.schema import upgrade
from service.settings import Settings
upgrade(Settings().database_url)
create_app_from_environment().openapi()
print("\\n".join(sys.modules))
"""


def test_the_api_process_loads_no_engine(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START_AND_LIST_MODULES],
        env={"LTFORGE_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "service" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "numba", "onnx", "safetensors", "worker", "celery"})


def test_the_served_factory_logs_json_and_stops_on_request(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    upgrade(settings.database_url)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    serve = [sys.executable, "-m", "uvicorn", "--factory", "--port", str(port), "--no-access-log"]
    process = subprocess.Popen(
        [*serve, "service.api.application:create_app_from_environment"],
        env=settings.to_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: answers(port), seconds=60)
    finally:
        process.terminate()
        _, written = process.communicate(timeout=60)

    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    expected = {"event": "request", "path": "/readyz", "status": 200, "level": "info"}
    assert lines[-1].items() >= expected.items()
    assert process.returncode in (0, -signal.SIGTERM)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
