"""Somebody who uses the product over HTTP, by the documented routes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.waiting import wait_until


class Customer:
    """Uploads, submits, polls, fetches."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30)

    def close(self) -> None:
        self.http.close()

    def upload(self, kind: str, path: Path) -> dict[str, Any]:
        """Upload a checkpoint or data set and wait for the verdict."""
        response = self.http.post(
            f"/v1/{kind}", params={"name": path.name}, content=path.read_bytes()
        )
        assert response.status_code in {200, 202}, response.text
        return self._settled(f"/v1/{kind}/{response.json()['id']}", "validating")

    def submit(self, checkpoint: Path, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Submit a job on a checkpoint, uploading it where necessary."""
        uploaded = self.upload("checkpoints", checkpoint)
        assert uploaded["status"] == "ready", uploaded
        body = {"checkpoint_id": uploaded["id"], "spec": spec} | more
        response = self.http.post("/v1/jobs", json=body)
        assert response.status_code == 202, response.text
        return dict(response.json())

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it is now."""
        return dict(self.http.get(f"/v1/jobs/{job['id']}").raise_for_status().json())

    def finished(self, job: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """Wait for the job's end."""
        wait_until(lambda: self.job(job)["terminal"], seconds, f"the end of {job['id']}")
        return self.job(job)

    def constructing(self, job: dict[str, Any]) -> None:
        """Wait until the job is in the middle of its construction."""
        wait_until(
            lambda: self.job(job)["progress"]["stage"] == "construct", 60, "the construction"
        )

    def _settled(self, path: str, unsettled: str) -> dict[str, Any]:
        wait_until(
            lambda: self.http.get(path).raise_for_status().json()["status"] != unsettled, 60, path
        )
        return dict(self.http.get(path).json())
