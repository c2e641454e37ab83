"""A stopping API process: open streams end at once, and clients go on where they were."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import httpx

from service.settings import Settings
from tests.service.running_api import RunningApi, submit, upload
from tests.waiting import wait_until


def test_a_stopped_process_ends_its_streams(api: RunningApi, settings: Settings) -> None:
    job = submit(api.client, upload(api.client)["id"])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "--port", str(port)]
    command += ["service.api.application:create_app_from_environment"]
    process = subprocess.Popen(command, env=os.environ | settings.to_environment())
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {api.key}", "Accept": "text/event-stream"}

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/livez", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, 60, "the API answers")
        with (
            httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client,
            client.stream("GET", job["links"]["events"]) as answer,
        ):
            lines = answer.iter_lines()
            assert next(line for line in lines if line.startswith("event")) == "event: job.queued"
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert "event: end" not in rest
