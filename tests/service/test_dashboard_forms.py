"""Uploading, asking for tickets by form, sweeps and comparisons over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from service.dashboard.spec_form import DEFAULTS, fill_fields, read_spec
from service.dashboard.sweep_form import SWEEP_DEFAULTS
from service.domain import Problem
from tests.service.running_api import (
    LIMIT,
    RunningApi,
    accept_checkpoint,
    report_job,
    submit,
    upload,
)
from tests.service.test_dashboard import browser, form_token, sign_in

PLAN: dict[str, Any] = {
    "target": {"parameters": 131, "layers": [12, 8, 3]},
    "source": {"widths": [12, 700, 300, 3], "parameters": 1234567},
    "problems": {"total": 77, "expected_unsolved": 0.1},
    "success_probability": 0.9,
    "ticket": {"parameters": 4242},
    "subset_size": {"mean": 1.5, "histogram": {"1": 40, "2": 37}},
    "memory_bytes": 10**8,
    "seconds": {"construct": 0.5},
    "device": "cpu",
}


@pytest.fixture
def visiting(api: RunningApi) -> Iterator[httpx.Client]:
    with browser(api) as browsing:
        sign_in(browsing, api.key)
        yield browsing


def send_file(visiting: httpx.Client, token: str, content: bytes, kind: str = "checkpoints") -> Any:
    headers = {"X-Form-Token": token, "Accept": "text/plain"}
    return visiting.post(f"/files/{kind}?name=sent", content=content, headers=headers)


def test_a_file_is_uploaded_by_the_page(api: RunningApi, visiting: httpx.Client) -> None:
    token = form_token(visiting.get("/files"))
    for kind in ("checkpoints", "datasets"):
        answer = send_file(visiting, token, b"bytes", kind)
        assert answer.status_code == 201
        assert api.client.get(f"/v1/{kind}/{answer.text}").json()["name"] == "sent"
    shown = visiting.get("/files").text
    assert shown.count(">sent ") == 2
    assert "validating" in shown


def test_what_is_no_upload_is_refused_in_words(api: RunningApi, visiting: httpx.Client) -> None:
    token = form_token(visiting.get("/files"))

    too_large = send_file(visiting, token, b"x" * (LIMIT + 1))
    foreign = send_file(visiting, "0" * 64, b"bytes")
    empty = send_file(visiting, token, b"")

    assert (too_large.status_code, foreign.status_code, empty.status_code) == (413, 403, 422)
    assert too_large.text.startswith("The upload exceeds the limit")
    assert api.client.get("/v1/checkpoints").json()["data"] == []
    assert api.blob_files() == []


def test_a_form_asks_for_a_plan_and_then_for_the_construction(
    api: RunningApi, visiting: httpx.Client
) -> None:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    form = visiting.get(f"/submit?checkpoint={checkpoint['id']}")
    fields = {
        **DEFAULTS,
        "form_token": form_token(form),
        "checkpoint": checkpoint["id"],
        "activation": "relu",
        "seed": "7",
        "replicates": "2",
        "labels": "team=a",
    }
    planned = visiting.post("/submit", data=fields)
    waiting = visiting.get(planned.headers["Location"]).text
    assert "A worker is making the plan" in waiting
    assert "Construct" not in waiting
    report_job(api.store, PLAN)

    shown = visiting.get(planned.headers["Location"])
    assert "4\u202f242" in shown.text
    path = planned.headers["Location"].partition("?")[0]
    hidden = {"dataset": "", "replicates": "2", "labels": "team=a"}
    answer = visiting.post(f"{path}/construct", data={**hidden, "form_token": form_token(shown)})

    job = api.client.get("/v1" + answer.headers["Location"]).json()
    assert job["kind"] == "construct"
    assert job["labels"] == {"team": "a"}
    assert job["spec"]["source"]["seed"] == 7
    assert job["spec"]["replicates"] == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tolerance": "-1"}, "greater than or equal"),
        ({"tolerance": "a lot"}, "valid number"),
        ({"activation": "tanh"}, "copies inputs only near 0"),
        ({"labels": "nonsense"}, "name=value"),
        ({"checkpoint": ""}, "choose the network"),
        ({"checkpoint": "ckp_" + "0" * 26}, "There is no checkpoint"),
        ({"depth": "3", "construction": "2L"}, "leave source.depth out"),
    ],
)
def test_a_wrong_field_is_said_beside_the_form(
    api: RunningApi, visiting: httpx.Client, wrong: dict[str, str], said: str
) -> None:
    checkpoint = upload(api.client)
    form = visiting.get("/submit")
    fields = {**DEFAULTS, "checkpoint": checkpoint["id"], "form_token": form_token(form)}
    refused = visiting.post("/submit", data={**fields, "activation": "relu", **wrong})

    assert refused.status_code == 422
    assert said in unescape(refused.text)
    assert 'role="alert"' in refused.text
    assert api.client.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {**DEFAULTS},
        {**DEFAULTS, "tolerance_of": "output", "tolerance": "2.5", "base_set_by": "auto"},
        {**DEFAULTS, "activation": "leaky_relu", "slope": "0.2", "seed": str(2**64 - 1)},
        {
            **DEFAULTS,
            "construction": "L+1",
            "depth": "9",
            "mean": "0.5",
            "objective": "least_error",
        },
    ],
)
def test_a_form_filled_in_from_a_spec_asks_for_that_spec(fields: dict[str, str]) -> None:
    spec, faults = read_spec(fields)

    assert faults == {}
    assert read_spec(fill_fields(spec)) == (spec, {})


def test_a_sweep_is_drawn_over_each_of_its_fields(api: RunningApi, visiting: httpx.Client) -> None:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    document = {
        "name": "<sweep>",
        "checkpoint_id": checkpoint["id"],
        "spec": {"construction": "2L", "activation": {"name": "relu"}},
        "sweep": {
            "tolerance.parameter": [0.1, 0.01],
            "construction": ["2L", "L+1"],
            "source.seed": [0, 1],
        },
    }
    batch = api.client.post("/v1/batches", json=document).json()
    before = visiting.get(f"/sweeps/{batch['id']}").text
    assert 'hx-trigger="every' in before
    for number in range(8):
        report_job(
            api.store,
            {
                "ticket": {"parameters": 100 + number},
                "source": {"parameters": 5000 + number},
                "error": {"certified": 0.5},
            },
        )

    after = visiting.get(f"/sweeps/{batch['id']}?over=construction").text

    assert "&lt;sweep&gt;" in after
    assert 'hx-trigger="every' not in after
    assert "8 of 8 jobs have ended" in after
    for chart in ("sweep-parameters", "sweep-certified_error"):
        assert f'id="{chart}-title"' in after
    assert 'id="sweep-accuracy-title"' not in after
    # of each of three charts the means and the single seeds; the rest is the brand's
    assert after.count("<circle") == 3 * (4 + 8) + 7
    assert batch["id"] in visiting.get("/sweeps").text
    wide = visiting.get(f"/sweeps/{batch['id']}?over=width").text
    assert 'id="sweep-parameters-title"' in wide
    assert 'id="sweep-source_parameters-title"' not in wide
    for table, rows in (("rows", 8), ("groups", 4)):
        answer = visiting.get(f"/sweeps/{batch['id']}/results.csv?table={table}")
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert answer.text == (
            api.client.get(f"/v1/batches/{batch['id']}/results?format=csv&table={table}").text
        )
        assert len(answer.text.splitlines()) == 1 + rows


def test_a_sweep_over_seeds_alone_is_drawn_over_them(
    api: RunningApi, visiting: httpx.Client
) -> None:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    document = {
        "checkpoint_id": checkpoint["id"],
        "spec": {"construction": "2L", "activation": {"name": "relu"}},
        "sweep": {"source.seed": {"start": 5, "count": 3}},
    }
    batch = api.client.post("/v1/batches", json=document).json()
    assert "Charts appear with the first job" in visiting.get(f"/sweeps/{batch['id']}").text
    for number in range(3):
        report_job(api.store, {"ticket": {"parameters": 100 + number}})

    shown = visiting.get(f"/sweeps/{batch['id']}").text

    assert "parameters kept over seed" in shown
    assert shown.count("<circle") == 3 + 7


@pytest.mark.parametrize("chosen", [0, 1, 3])
def test_two_tickets_are_compared_no_fewer_and_no_more(
    api: RunningApi, visiting: httpx.Client, chosen: int
) -> None:
    token = form_token(visiting.get("/submit"))
    asked = {"ticket": ["tkt_" + "0" * 26] * chosen, "form_token": token}

    refused = visiting.post("/compare", data=asked)

    assert refused.status_code == 422
    assert "Choose exactly two tickets" in refused.text


def sweep_fields(visiting: httpx.Client, checkpoint_id: str) -> dict[str, Any]:
    return {
        **SWEEP_DEFAULTS,
        "form_token": form_token(visiting.get("/sweeps/new")),
        "checkpoint": checkpoint_id,
        "activation": "relu",
        "construction": ["2L", "L+1"],
        "tolerance": "0.02, 0.01",
        "seed": "7",
        "replicates": "3",
        "name": "mine",
    }


def hidden_fields(page: str) -> dict[str, str]:
    form = page[page.index('action="/sweeps"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found}


def test_a_form_asks_for_the_plans_of_a_sweep_and_then_for_its_jobs(
    api: RunningApi, visiting: httpx.Client
) -> None:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    planned = visiting.post("/sweeps/plans", data=sweep_fields(visiting, checkpoint["id"]))
    address = planned.headers["Location"]
    assert "0 of 4 plans are made" in visiting.get(address).text
    for _ in range(4):
        report_job(api.store, PLAN)

    shown = visiting.get(address).text
    assert "Construct 12 tickets" in shown
    assert shown.count("4\u202f242") == 4
    answer = visiting.post("/sweeps", data=hidden_fields(shown))

    batch_id = answer.headers["Location"].removeprefix("/sweeps/")
    batch = api.client.get(f"/v1/batches/{batch_id}").json()
    assert (batch["name"], batch["total"]) == ("mine", 12)
    assert batch["request"]["sweep"] == {
        "construction": ["2L", "L+1"],
        "tolerance.parameter": [0.02, 0.01],
        "source.seed": {"start": 7, "count": 3, "step": 1},
    }
    again = visiting.get(address.replace("/sweeps/plans", "/sweeps/new")).text
    assert 'value="0.02, 0.01"' in again
    assert again.count(" checked>") == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tolerance": "0.1, a lot"}, "a lot: Input should be a valid number"),
        ({"tolerance": " , "}, "choose at least one"),
        ({"construction": []}, "choose at least one"),
        ({"checkpoint": ""}, "choose the network"),
        ({"checkpoint": "ckp_" + "0" * 26}, "There is no checkpoint"),
        ({"depth": "9"}, "leave source.depth out"),
        ({"size": ",".join(map(str, range(4, 20)))}, "At most 24 are planned here"),
        ({"replicates": "0"}, "greater than or equal"),
        ({"replicates": "1000000"}, "less than or equal"),
        ({"name": "x" * 300}, "name: "),
    ],
)
def test_a_wrong_sweep_is_said_beside_the_form(
    api: RunningApi, visiting: httpx.Client, wrong: dict[str, Any], said: str
) -> None:
    checkpoint = upload(api.client)
    fields = {**sweep_fields(visiting, checkpoint["id"]), **wrong}

    refused = visiting.post("/sweeps/plans", data=fields)

    assert refused.status_code == 422
    assert said in unescape(refused.text)
    assert api.client.get("/v1/jobs").json()["data"] == []


def test_a_refused_plan_of_a_sweep_is_said_and_nothing_can_be_constructed(
    api: RunningApi, visiting: httpx.Client
) -> None:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    fields = {**sweep_fields(visiting, checkpoint["id"]), "construction": ["2L"]}
    address = visiting.post("/sweeps/plans", data=fields).headers["Location"]
    report_job(api.store, PLAN)
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        problem = Problem("TOO_WIDE", "the source would be too wide")
        assert tx.jobs.fail(claimed.job.id, claimed.lease_token, problem)

    shown = visiting.get(address).text

    assert "the source would be too wide" in shown
    assert "Not every combination can be planned" in shown
    assert 'id="construct"' not in shown
    altered = visiting.get(address.replace("seed=7", "seed=8"))
    assert "the plans of another sweep" in altered.text


def test_a_sweep_is_canceled(api: RunningApi, visiting: httpx.Client) -> None:
    document = {
        "checkpoint_id": upload(api.client)["id"],
        "spec": {"construction": "2L", "activation": {"name": "relu"}},
        "sweep": {"source.seed": {"start": 0, "count": 3}},
    }
    batch = api.client.post("/v1/batches", json=document).json()
    token = form_token(visiting.get(f"/sweeps/{batch['id']}"))
    shown = visiting.post(
        f"/sweeps/{batch['id']}/cancel", data={"form_token": token}, follow_redirects=True
    )
    assert "3 canceled" in shown.text


def test_things_of_another_tenant_are_not_there(api: RunningApi, visiting: httpx.Client) -> None:
    job = submit(api.stranger, upload(api.stranger)["id"])
    document = {
        "checkpoint_id": job["checkpoint_id"],
        "spec": {"construction": "2L", "activation": {"name": "relu"}},
        "sweep": {"source.seed": [1]},
    }
    batch = api.stranger.post("/v1/batches", json=document).json()
    some = "tkt_" + "0" * 26

    for path in (
        f"/sweeps/{batch['id']}",
        f"/sweeps/{batch['id']}/results.csv",
        f"/plans/{job['id']}",
        f"/comparisons/{job['id']}",
        f"/submit?like={job['id']}",
        f"/tickets/{some}",
    ):
        assert visiting.get(path).status_code == 404, path
    token = form_token(visiting.get("/submit"))
    asked = {"ticket": [some, some], "form_token": token}
    assert visiting.post("/compare", data=asked).status_code == 404
    assert batch["id"] not in visiting.get("/sweeps").text
