"""What workers do with tickets, over HTTP with the real engine: export, verify, compare, delete."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save

from ltengine.ticket_file import read_ticket_bytes
from ltforge import Client, InvalidRequestError, NotFoundError
from tests.service.running_api import RunningApi, submit, upload
from worker.execution import work_one_job
from worker.validation import validate_one_upload
from worker.workplace import Workplace, open_workplace

SPEC = {"construction": "2L", "activation": {"name": "relu"}, "base_set": {"size": 16}}


@pytest.fixture(scope="module")
def api(shared_api: RunningApi) -> RunningApi:
    return shared_api


@pytest.fixture(scope="module")
def workplace(api: RunningApi) -> Iterator[Workplace]:
    opened = open_workplace(api.settings)
    yield opened
    opened.close()


def checkpoint_bytes(seed: int = 5) -> bytes:
    generator = np.random.default_rng(seed)
    shapes = {"0.weight": (5, 6), "0.bias": (5,), "2.weight": (3, 5), "2.bias": (3,)}
    return save(
        {name: generator.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    )


def work_all(workplace: Workplace) -> None:
    """Do all that is queued, also what other tests left in a database that they share."""
    while work_one_job(workplace):
        pass


def construct(api: RunningApi, workplace: Workplace, **fields: Any) -> str:
    """A ticket of our tenant, made by the worker; its id."""
    checkpoint = upload(api.client, checkpoint_bytes())
    while validate_one_upload(workplace):
        pass
    job = submit(api.client, checkpoint["id"], spec={**SPEC, **fields}, labels={"by": "test"})
    work_all(workplace)
    done = api.client.get(f"/v1/jobs/{job['id']}").json()
    assert done["status"] == "succeeded", done
    return str(done["ticket_id"])


@pytest.fixture(scope="module")
def ticket_id(api: RunningApi, workplace: Workplace) -> str:
    return construct(api, workplace)


def mask_of(api: RunningApi, ticket_id: str) -> bytes:
    return api.client.get(f"/v1/tickets/{ticket_id}/mask").content


def read_npz(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


READERS: dict[str, Callable[[bytes], Any]] = {
    "sparse_safetensors": load_safetensors,
    "safetensors": load_safetensors,
    "npz": read_npz,
}


@pytest.mark.parametrize("form", ["sparse_safetensors", "safetensors", "npz", "onnx", "state_dict"])
def test_an_export_is_made_once_and_then_served(
    api: RunningApi, workplace: Workplace, ticket_id: str, form: str
) -> None:
    path = f"/v1/tickets/{ticket_id}/export"
    asked = {"format": form}

    first = api.client.get(path, params=asked)
    again = api.client.get(path, params=asked)

    assert first.status_code == again.status_code == 202
    assert first.headers["Retry-After"]
    assert first.headers["Location"] == again.headers["Location"]
    assert first.json()["kind"] == "export"

    work_all(workplace)
    made = api.client.get(path, params=asked)

    assert made.status_code == 200, made.text
    assert made.headers["ETag"] == f'"sha256-{hashlib.sha256(made.content).hexdigest()}"'
    assert f"{ticket_id}" in made.headers["Content-Disposition"]
    part = api.client.get(path, params=asked, headers={"Range": "bytes=3-9"})
    assert part.status_code == 206
    assert part.content == made.content[3:10]
    if form in READERS:
        assert READERS[form](made.content)
    assert not work_one_job(workplace)


def test_an_unknown_format_is_refused(api: RunningApi, ticket_id: str) -> None:
    answer = api.client.get(f"/v1/tickets/{ticket_id}/export", params={"format": "gif"})

    assert answer.status_code == 422


def test_pieces_are_the_rows_of_the_mask(api: RunningApi, ticket_id: str) -> None:
    ticket, _ = read_ticket_bytes(mask_of(api, ticket_id))
    for number, layer in enumerate(ticket.layers, start=1):
        path, mask = f"/v1/tickets/{ticket_id}/mask", layer.mask
        for first, end in ((0, mask.width), (1, 2), (mask.width // 2, mask.width)):
            asked: dict[str, Any] = {"layer": number, "rows": f"{first}:{end}"}
            piece = api.client.get(path, params=asked).json()

            expected = [
                mask.columns[mask.offsets[row] : mask.offsets[row + 1]].tolist()
                for row in range(first, end)
            ]
            assert piece["columns"] == expected
            assert piece["biases"] == mask.biases[first:end].tolist()
            assert piece["next_row"] is None
            assert (piece["width"], piece["inputs"]) == (mask.width, mask.inputs)

            dense = np.zeros((end - first, mask.inputs), np.bool_)
            for row, columns in enumerate(expected):
                dense[row, columns] = True
            packed = api.client.get(path, params={**asked, "format": "packed"}).content
            assert packed == np.packbits(dense, axis=1, bitorder="little").tobytes()

            archive = api.client.get(path, params={**asked, "format": "npz"}).content
            loaded = scipy.sparse.load_npz(io.BytesIO(archive))
            assert (loaded.toarray() == dense).all()
            assert (read_npz(archive)["biases"] == mask.biases[first:end]).all()


def test_a_piece_has_an_etag_of_its_own(api: RunningApi, ticket_id: str) -> None:
    path = f"/v1/tickets/{ticket_id}/mask"
    etags: set[str] = set()
    pieces: list[dict[str, str | int]] = [
        {"layer": 1},
        {"layer": 2},
        {"layer": 1, "rows": ":1"},
        {"format": "ticket"},
    ]
    for asked in pieces:
        answer = api.client.get(path, params=asked)
        etags.add(answer.headers["ETag"])
        unchanged = {"If-None-Match": answer.headers["ETag"]}
        assert api.client.get(path, params=asked, headers=unchanged).status_code == 304
    assert len(etags) == 4


@pytest.mark.parametrize(
    "asked",
    [
        {"layer": 99},
        {"layer": 0},
        {"layer": 1, "rows": "5:5"},
        {"layer": 1, "rows": "9999999:"},
        {"layer": 1, "rows": "a:b"},
        {"layer": 1, "rows": "-1:3"},
        {"layer": 1, "format": "ticket"},
        {"rows": "0:1"},
        {"format": "npz"},
    ],
)
def test_pieces_that_are_not_there_are_refused(
    api: RunningApi, ticket_id: str, asked: dict[str, Any]
) -> None:
    answer = api.client.get(f"/v1/tickets/{ticket_id}/mask", params=asked)

    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_ticket_is_verified_by_a_job(
    api: RunningApi, workplace: Workplace, ticket_id: str
) -> None:
    answer = api.client.post(f"/v1/tickets/{ticket_id}/verify")

    assert answer.status_code == 202
    work_all(workplace)
    done = api.client.get(answer.headers["Location"]).json()
    assert (done["kind"], done["status"]) == ("verify", "succeeded")
    assert done["metrics"]["valid"] is True
    assert sum(done["metrics"]["histogram"]["counts"]) > 0


def test_two_tickets_are_compared(api: RunningApi, workplace: Workplace, ticket_id: str) -> None:
    other = construct(api, workplace, tolerance={"parameter": 0.02})
    asked = {"ticket_id": ticket_id, "other_ticket_id": other}

    answer = api.client.post("/v1/comparisons", json=asked, headers={"Prefer": "respond-async"})

    assert answer.status_code == 202
    work_all(workplace)
    found = api.client.get(answer.headers["Location"]).json()["metrics"]
    assert found["specification"] == [
        {"pointer": "/tolerance/parameter", "first": 0.01, "second": 0.02}
    ]
    assert found["same_target"] is True
    figures = found["metrics"]["ticket.parameters"]
    assert figures == {
        "first": found["parameters"]["first"],
        "second": found["parameters"]["second"],
    }
    assert any(layer["overlap"] for layer in found["layers"])


def test_metrics_are_selected_by_name(api: RunningApi, ticket_id: str) -> None:
    path = f"/v1/tickets/{ticket_id}/metrics"
    whole = api.client.get(path).json()

    some = api.client.get(path, params={"key": ["error.histogram", "ticket.layers"]}).json()

    assert some == {
        "error.histogram": whole["error"]["histogram"],
        "ticket.layers": whole["ticket"]["layers"],
    }
    wrong = api.client.get(path, params={"key": "error.nothing"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["code"] == "NO_SUCH_ENTRY"


def test_tickets_are_filtered(api: RunningApi, workplace: Workplace, ticket_id: str) -> None:
    ticket = api.client.get(f"/v1/tickets/{ticket_id}").json()

    def listed(**asked: str) -> set[str]:
        page = api.client.get("/v1/tickets", params={"limit": 200, **asked}).json()
        return {found["id"] for found in page["data"]}

    assert listed(job_id=ticket["job_id"]) == {ticket_id}
    assert ticket_id in listed(checkpoint_id=ticket["checkpoint_id"], construction="2L")
    assert ticket_id not in listed(construction="L+1")
    assert ticket_id in listed(label="by=test")
    assert listed(label="by=nobody") == set()
    assert listed(job_id="job_" + "0" * 26) == set()


def test_a_deleted_ticket_is_gone_and_its_job_stays(api: RunningApi, workplace: Workplace) -> None:
    ticket_id = construct(api, workplace, tolerance={"parameter": 0.03})
    job_id = api.client.get(f"/v1/tickets/{ticket_id}").json()["job_id"]
    export = api.client.get(f"/v1/tickets/{ticket_id}/export", params={"format": "npz"})
    path = f"/v1/tickets/{ticket_id}"

    assert api.stranger.delete(path).status_code == 404
    assert api.client.delete(path).status_code == 204
    assert api.client.delete(path).status_code == 404
    for part in ("", "/mask", "/metrics", "/export?format=npz"):
        assert api.client.get(path + part).status_code == 404
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["ticket_id"]) == ("succeeded", None)
    # the export that nobody made yet fails by name
    work_all(workplace)
    assert api.client.get(export.headers["Location"]).json()["error"]["code"] == "TICKET_DELETED"


def test_strangers_can_do_nothing_with_a_ticket(api: RunningApi, ticket_id: str) -> None:
    path = f"/v1/tickets/{ticket_id}"
    assert api.stranger.get(f"{path}/export", params={"format": "npz"}).status_code == 404
    assert api.stranger.head(f"{path}/export", params={"format": "npz"}).status_code == 404
    assert api.stranger.get(f"{path}/mask", params={"layer": 1}).status_code == 404
    assert api.stranger.post(f"{path}/verify").status_code == 404
    asked = {"ticket_id": ticket_id, "other_ticket_id": ticket_id}
    assert api.stranger.post("/v1/comparisons", json=asked).status_code == 404


@contextmanager
def busy(workplace: Workplace) -> Iterator[None]:
    """A worker at work beside the test."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            if not work_one_job(workplace):
                over.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_client_does_all_of_it(api: RunningApi, workplace: Workplace, tmp_path: Path) -> None:
    ticket_id = construct(api, workplace, tolerance={"parameter": 0.04})

    with Client(str(api.client.base_url), api.key) as client, busy(workplace):
        file = client.export_ticket(ticket_id, "onnx", tmp_path / "ticket.onnx", timeout=60)
        again = client.export_ticket(ticket_id, "onnx", tmp_path / "again.onnx", timeout=60)
        verdict = client.verify(ticket_id, timeout=60)
        comparison = client.compare(ticket_id, ticket_id, timeout=60)
        piece = client.mask_rows(ticket_id, 1, 0, 2)
        with pytest.raises(InvalidRequestError):
            client.export_ticket(ticket_id, "gif", tmp_path / "x", timeout=60)
        client.delete_ticket(ticket_id)
        with pytest.raises(NotFoundError):
            client.get_ticket(ticket_id)

    assert file.read_bytes() == again.read_bytes()
    assert verdict["valid"]
    assert comparison["overlap"]["share"] == 1.0
    assert (piece.first_row, piece.end_row) == (0, 2)
