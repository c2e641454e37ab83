"""A ticket's page: its pictures say what its file says, and its loader computes the ticket."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ltengine.export.formats import ExportFormat
from ltengine.export.writing import export_ticket
from ltengine.pipeline import plan_construction
from ltengine.specification import parse_specification
from tests.journeys.conftest import network
from tests.service.real_tickets import WIDTHS, MadeTicket, construct_ticket, put_ticket
from tests.service.running_api import RunningApi, make_ticket, report_job
from tests.service.test_dashboard import browser, form_token, sign_in


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeTicket:
    return construct_ticket(tmp_path_factory.mktemp("ticket"))


@pytest.fixture
def ticket_id(api: RunningApi, made: MadeTicket) -> str:
    return put_ticket(api, made, "<i>net</i>")


@pytest.fixture
def visiting(api: RunningApi) -> Iterator[httpx.Client]:
    with browser(api) as browsing:
        sign_in(browsing, api.key)
        yield browsing


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    """Levels of a PNG with a palette and unfiltered rows, as ours are."""
    width, height = struct.unpack(">II", png[16:24])
    begin = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[begin - 4 : begin])
    rows = zlib.decompress(png[begin + 4 : begin + 4 + length])
    return np.frombuffer(rows, np.uint8).reshape(height, width + 1)[:, 1:]


def kept_cells(api: RunningApi, ticket_id: str, layer: int) -> np.ndarray[Any, Any]:
    piece = api.client.get(f"/v1/tickets/{ticket_id}/mask?layer={layer}").json()
    kept = np.zeros((piece["width"], piece["inputs"]), bool)
    for row, columns in enumerate(piece["columns"]):
        kept[row, columns] = True
    return kept


def test_the_page_says_what_the_report_says(
    made: MadeTicket, ticket_id: str, visiting: httpx.Client
) -> None:
    shown = unescape(visiting.get(f"/tickets/{ticket_id}").text)

    assert "&lt;i&gt;net" in visiting.get(f"/tickets/{ticket_id}").text
    assert f"{made.report['ticket']['parameters']:,}".replace(",", "\u202f") in shown
    assert made.report["ticket"]["digest"] in shown
    for size, number in made.report["subset_size"]["histogram"].items():
        assert f'<th scope="row" class="number">{size}</th><td class="number">{number}' in shown
    assert shown.count('role="img"') >= 6
    assert len(re.findall(r"<svg[^>]*aria-labelledby", shown)) == shown.count("<desc")


def test_a_pixel_is_a_cell_where_the_layer_is_small(
    api: RunningApi, ticket_id: str, visiting: httpx.Client
) -> None:
    for layer in (1, 2, 3, 4):
        kept = kept_cells(api, ticket_id, layer)
        rows, columns = min(300, kept.shape[0]), min(600, kept.shape[1])
        top, left = kept.shape[0] - rows, kept.shape[1] - columns
        answer = visiting.get(
            f"/tickets/{ticket_id}/mask.png?layer={layer}"
            f"&rows={top}:{kept.shape[0]}&columns={left}:{kept.shape[1]}"
        )
        assert answer.headers["Content-Type"] == "image/png"
        assert np.array_equal(pixels(answer.content) > 0, kept[top:, left:])


def test_a_pixel_of_a_large_layer_is_as_dark_as_it_keeps_cells(
    api: RunningApi, ticket_id: str, visiting: httpx.Client
) -> None:
    kept = kept_cells(api, ticket_id, 2).T.T
    whole = pixels(visiting.get(f"/tickets/{ticket_id}/mask.png?layer=2").content)
    bands = np.arange(kept.shape[1]) * whole.shape[1] // kept.shape[1]

    assert whole.shape[1] < kept.shape[1]
    for row, levels in zip(kept, whole, strict=True):
        counts = np.bincount(bands[row], minlength=whole.shape[1])
        assert np.array_equal(counts > 0, levels > 0)


def test_zooming_and_moving_stays_within_the_layer(ticket_id: str, visiting: httpx.Client) -> None:
    address = f"/tickets/{ticket_id}/mask?layer=1"
    seen: set[str] = set()
    for move in ("in", "in", "down", "right", "out", "up", "left", "out", "out", "all"):
        part = visiting.get(address).text
        rows = re.search(r'data-rows="(\d+:\d+)"', part)
        assert rows is not None
        seen.add(rows[1])
        link = re.search(rf'id="move-{move}"[^>]*hx-get="([^"]+)"', part)
        assert link is not None
        address = unescape(link[1])
        assert visiting.get(address).status_code == 200
    assert len(seen) > 3


@pytest.mark.parametrize(
    "query",
    ["layer=9", "rows=0:0", "rows=5:2", "rows=-1:4", "rows=a", "columns=0:999999999", "layer=0"],
)
def test_parts_that_are_not_there_are_refused(
    ticket_id: str, visiting: httpx.Client, query: str
) -> None:
    for name in ("mask", "mask.png"):
        assert visiting.get(f"/tickets/{ticket_id}/{name}?{query}").status_code == 422


def test_a_neuron_shows_the_links_that_make_its_weights(
    api: RunningApi, made: MadeTicket, ticket_id: str, visiting: httpx.Client
) -> None:
    tensors = network(WIDTHS, seed=3)
    for layer, neuron in ((1, 4), (2, 0)):
        shown = visiting.get(
            f"/tickets/{ticket_id}/neuron?target_layer={layer}&neuron={neuron}"
        ).text
        kept = np.flatnonzero(kept_cells(api, ticket_id, 2 * layer)[neuron])
        claim = made.report["ticket"]["layers"][2 * layer - 2]
        row = tensors[f"fc{layer - 1}.weight"][neuron]
        table = re.findall(
            r"(?:input|neuron) (\d+)</th><td[^>]*>([^<]+)</td><td>([^<]*)</td>", shown
        )

        assert {int(unit) for unit, _, _ in table} == set(np.flatnonzero(row))
        for unit, weight, columns in table:
            of_unit = [int(c) for c in kept if c // claim["block_size"] == int(unit)]
            written = [int(c) for c in columns.split(", ")] if columns[0].isdigit() else []
            assert written == of_unit
            assert abs(float(weight) - row[int(unit)]) < 1e-2


def test_there_is_no_neuron_beyond_the_target(ticket_id: str, visiting: httpx.Client) -> None:
    for query in ("target_layer=3", "target_layer=1&neuron=5"):
        assert visiting.get(f"/tickets/{ticket_id}/neuron?{query}").status_code == 422


def test_the_plan_is_shown_beside_what_was_found(
    api: RunningApi, made: MadeTicket, ticket_id: str, visiting: httpx.Client
) -> None:
    before = visiting.get(f"/tickets/{ticket_id}")
    assert "Have it predicted" in before.text
    answer = visiting.post(f"/tickets/{ticket_id}/plan", data={"form_token": form_token(before)})
    address = answer.headers["Location"].partition("#")[0]
    assert "It is being predicted" in visiting.get(address).text
    spec = parse_specification(made.report["specification"])
    plan = plan_construction(made.target, spec, clock=time.perf_counter)
    assert report_job(api.store, plan) in answer.headers["Location"]

    after = visiting.get(address).text

    assert "Have it predicted" not in after
    assert "It is being predicted" not in after
    assert after.count('class="theory"') > before.text.count('class="theory"')
    predicted = sum(plan["subset_size"]["histogram"].values())
    assert predicted == made.report["problems"]["total"]


def test_the_loader_on_the_page_computes_the_ticket(
    made: MadeTicket, ticket_id: str, visiting: httpx.Client, tmp_path: Path
) -> None:
    shown = visiting.get(f"/tickets/{ticket_id}").text
    loader = re.search(r'<pre id="loader"[^>]*>(.*?)</pre>', shown, re.S)
    assert loader is not None
    export_ticket(made.file, ExportFormat.NPZ, tmp_path / "ticket.npz")
    x = np.random.default_rng(0).uniform(size=(50, WIDTHS[0])).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    code = unescape(loader[1]) + "\nnp.save('y.npy', ticket(np.load('x.npy')))\n"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)

    tensors = network(WIDTHS, seed=3)
    hidden = np.maximum(0, x @ tensors["fc0.weight"].T + tensors["fc0.bias"])
    target = hidden @ tensors["fc1.weight"].T + tensors["fc1.bias"]
    off = np.abs(np.load(tmp_path / "y.npy") - target).max()
    assert 0 < off <= made.report["error"]["certified"] + 1e-5


def test_the_file_is_downloaded_as_it_is(
    made: MadeTicket, ticket_id: str, visiting: httpx.Client
) -> None:
    answer = visiting.get(f"/tickets/{ticket_id}/file")

    assert answer.content == made.file.read_bytes()
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_other_formats_lead_to_the_job_that_makes_them(
    ticket_id: str, visiting: httpx.Client
) -> None:
    answer = visiting.get(f"/tickets/{ticket_id}/export?format=npz")
    assert answer.headers["Location"].startswith("/jobs/")


def test_tickets_of_others_are_not_there(api: RunningApi, ticket_id: str) -> None:
    with browser(api) as other:
        sign_in(other, api.stranger.headers["Authorization"].removeprefix("Bearer "))
        for part in ("", "/file", "/mask", "/mask.png", "/neuron", "/export?format=npz"):
            assert other.get(f"/tickets/{ticket_id}{part}").status_code == 404
        assert ticket_id not in other.get("/tickets").text


def test_a_ticket_whose_report_says_little_has_a_list_entry(
    api: RunningApi, visiting: httpx.Client
) -> None:
    ticket_id = make_ticket(api, [b"bytes"])

    assert ticket_id in visiting.get("/tickets").text
