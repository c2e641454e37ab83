"""Checkpoints and data sets as resources: found by filters, looked into, and deleted."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.queue import MemoryQueue
from service.store.blobs import LocalBlobStore
from tests.service.running_api import (
    SPEC,
    RunningApi,
    accept_checkpoint,
    make_ticket,
    submit,
    upload,
)
from worker.housekeeper import Housekeeper


def upload_dataset(client: httpx.Client, content: bytes = b"numbers") -> dict[str, Any]:
    answer = client.post("/v1/datasets", content=content)
    assert answer.is_success, answer.text
    return dict(answer.json())


def keep_house(api: RunningApi) -> None:
    settings = api.settings.model_copy(update={"blob_grace_seconds": 1e-6})
    settings.scratch.mkdir(parents=True, exist_ok=True)
    Housekeeper(settings, api.store, MemoryQueue(), "keeper").round(0.0)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]]


@pytest.mark.parametrize("collection", ["checkpoints", "datasets"])
def test_lists_can_be_narrowed(api: RunningApi, collection: str) -> None:
    path = f"/v1/{collection}"
    for number in range(4):
        answer = api.client.post(path, params={"name": f"n{number % 2}"}, content=bytes([number]))
        assert answer.status_code == 202
    every = api.client.get(path).json()["data"]

    odd = api.client.get(path, params={"name": "n1", "limit": 1})
    rest = api.client.get(
        path, params={"name": "n1", "limit": 1, "cursor": odd.json()["next_cursor"]}
    )
    elsewhere = api.client.get(path, params={"cursor": odd.json()["next_cursor"]})

    assert ids(odd) + ids(rest) == [item["id"] for item in every if item["name"] == "n1"]
    assert rest.json()["next_cursor"] is None
    assert elsewhere.json()["code"] == "INVALID_CURSOR"
    chosen = every[2]
    assert ids(api.client.get(path, params={"digest": chosen["sha256"]})) == [chosen["id"]]
    assert len(ids(api.client.get(path, params={"status": "validating"}))) == 4
    assert ids(api.client.get(path, params={"status": "ready"})) == []
    assert api.client.get(path, params={"digest": "abc"}).status_code == 422
    assert ids(api.stranger.get(path, params={"digest": chosen["sha256"]})) == []


def test_the_tensors_of_a_ready_checkpoint_are_listed(api: RunningApi) -> None:
    checkpoint = upload(api.client)
    early = api.client.get(f"/v1/checkpoints/{checkpoint['id']}/tensors")
    tensors = {"layer.0.weight": np.ones((3, 2), np.float32), "layer.0.bias": np.ones(3, "f4")}
    staged = LocalBlobStore(api.settings.blobs).stage()
    staged.write(safetensors.numpy.save(tensors, {"activation": "relu"}))
    canonical, _ = staged.commit()
    staged.discard()
    with api.store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        assert tx.checkpoints.accept(task.id, task.lease_token, canonical, {})

    answer = api.client.get(f"/v1/checkpoints/{checkpoint['id']}/tensors")

    assert (early.status_code, early.json()["code"]) == (409, "CHECKPOINT_NOT_READY")
    found = {entry["name"]: (entry["dtype"], entry["shape"]) for entry in answer.json()["data"]}
    assert found == {"layer.0.weight": ("F32", [3, 2]), "layer.0.bias": ("F32", [3])}


def test_a_checkpoint_in_use_is_kept_and_a_free_one_deleted(api: RunningApi) -> None:
    checkpoint = upload(api.client)
    path = checkpoint["links"]["self"]
    jobs = [submit(api.client, checkpoint["id"])["id"] for _ in range(4)]

    refused = api.client.delete(path)
    for job_id in jobs:
        api.client.post(f"/v1/jobs/{job_id}/cancel")
    answers = [api.client.delete(path) for _ in range(2)]

    assert (refused.status_code, refused.json()["code"]) == (409, "CHECKPOINT_IN_USE")
    assert jobs[0] in refused.json()["detail"]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert api.client.get(path).status_code == 404
    assert ids(api.client.get("/v1/checkpoints")) == []
    assert api.client.get("/v1/usage").json()["now"]["stored_bytes"] == 0
    with api.store.begin() as tx:
        assert tx.checkpoints.claim_validation("validator", 60) is None


def test_what_was_made_of_a_deleted_checkpoint_stays(api: RunningApi) -> None:
    ticket_id = make_ticket(api, [b"ticket file"], name="lenet")
    ticket = api.client.get(f"/v1/tickets/{ticket_id}").json()
    checkpoint_id, job_id = ticket["checkpoint_id"], ticket["job_id"]

    assert api.client.delete(f"/v1/checkpoints/{checkpoint_id}").status_code == 204

    assert api.client.get(f"/v1/tickets/{ticket_id}").json() == ticket
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["checkpoint_id"]) == ("succeeded", checkpoint_id)
    mask = api.client.get(f"/v1/tickets/{ticket_id}/mask")
    assert mask.content == b"ticket file"
    assert "lenet" in mask.headers["Content-Disposition"]
    assert ids(api.client.get("/v1/tickets", params={"checkpoint_id": checkpoint_id}))
    for refused in (
        api.client.post(f"/v1/tickets/{ticket_id}/verify"),
        api.client.post(f"/v1/jobs/{job_id}/retry"),
        api.client.post("/v1/jobs", json={"checkpoint_id": checkpoint_id, "spec": SPEC}),
    ):
        assert refused.status_code == 404
        assert checkpoint_id in refused.json()["detail"]


def test_deleted_bytes_are_collected_unless_somebody_else_has_them(api: RunningApi) -> None:
    ours, theirs = upload(api.client, b"shared"), upload(api.stranger, b"shared")
    blobs = LocalBlobStore(api.settings.blobs)

    api.client.delete(ours["links"]["self"])
    keep_house(api)
    assert blobs.exists(ours["sha256"])
    api.stranger.delete(theirs["links"]["self"])
    keep_house(api)

    assert not blobs.exists(ours["sha256"])


def test_deleted_content_can_be_uploaded_again(api: RunningApi) -> None:
    first = upload(api.client, b"again")
    api.client.delete(first["links"]["self"])

    second = upload(api.client, b"again")

    assert second["id"] != first["id"]
    assert second["status"] == "validating"
    accept_checkpoint(api.store)
    assert api.client.get(second["links"]["self"]).json()["status"] == "ready"


def test_a_data_set_goes_the_same_way(api: RunningApi) -> None:
    checkpoint, dataset = upload(api.client), upload_dataset(api.client)
    job = submit(api.client, checkpoint["id"], dataset_id=dataset["id"])
    path = dataset["links"]["self"]

    refused = api.client.delete(path)
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    answers = [api.client.delete(path) for _ in range(2)]

    assert (refused.status_code, refused.json()["code"]) == (409, "DATASET_IN_USE")
    assert [answer.status_code for answer in answers] == [204, 204]
    assert api.client.get(f"/v1/jobs/{job['id']}").json()["dataset_id"] == dataset["id"]
    assert api.client.post(f"/v1/jobs/{job['id']}/retry").status_code == 404


def test_a_deletion_and_a_submission_at_once_leave_no_job_without_its_checkpoint(
    api: RunningApi,
) -> None:
    for number in range(8):
        checkpoint = upload(api.client, bytes([number]))
        answers: dict[str, httpx.Response] = {}

        def remove(path: str = checkpoint["links"]["self"], into: Any = answers) -> None:
            into["delete"] = api.client.delete(path)

        def ask(checkpoint_id: str = checkpoint["id"], into: Any = answers) -> None:
            document = {"checkpoint_id": checkpoint_id, "spec": SPEC}
            into["submit"] = api.client.post("/v1/jobs", json=document)

        threads = [threading.Thread(target=action) for action in (remove, ask)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        outcome = (answers["delete"].status_code, answers["submit"].status_code)
        assert outcome in {(204, 404), (409, 202)}
