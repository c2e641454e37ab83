"""Tickets over HTTP: the resource, the report, and the file streamed from the database."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

import pytest

from tests.service.running_api import REPORT, RunningApi, make_ticket

CHUNKS = [bytes([number]) * (1 << 20) for number in range(5)] + [b"the rest"]
CONTENT = b"".join(CHUNKS)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def api(shared_api: RunningApi) -> RunningApi:
    return shared_api


@pytest.fixture(scope="module")
def ticket_id(api: RunningApi) -> str:
    return make_ticket(api, CHUNKS)


def test_a_ticket_names_its_file_and_its_origin(api: RunningApi, ticket_id: str) -> None:
    ticket = api.client.get(f"/v1/tickets/{ticket_id}").json()

    assert ticket["id"] == ticket_id
    assert ticket["sha256"] == DIGEST
    assert ticket["bytes"] == len(CONTENT)
    assert ticket["metrics"] == REPORT
    for name, link in ticket["links"].items():
        if name not in {"export", "verify"}:
            assert api.client.get(link).status_code == 200


def test_the_report_is_served_alone(api: RunningApi, ticket_id: str) -> None:
    assert api.client.get(f"/v1/tickets/{ticket_id}/metrics").json() == REPORT


def test_the_file_arrives_whole_and_announced(api: RunningApi, ticket_id: str) -> None:
    answer = api.client.get(f"/v1/tickets/{ticket_id}/mask")

    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["ETag"] == f'"sha256-{DIGEST}"'
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize("form", ['"sha256-{}"', 'W/"sha256-{}"', '"x", "sha256-{}"', "*"])
def test_a_file_the_client_has_is_not_sent_again(
    api: RunningApi, ticket_id: str, form: str
) -> None:
    answer = api.client.get(
        f"/v1/tickets/{ticket_id}/mask", headers={"If-None-Match": form.format(DIGEST)}
    )

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == f'"sha256-{DIGEST}"'


def test_another_etag_gets_the_file(api: RunningApi, ticket_id: str) -> None:
    answer = api.client.get(
        f"/v1/tickets/{ticket_id}/mask", headers={"If-None-Match": '"sha256-else"'}
    )

    assert answer.content == CONTENT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet.safetensors", "lenet.safetensors.ticket.safetensors"),
        ("../../etc/passwd", "_.._etc_passwd.ticket.safetensors"),
        ("..", "checkpoint.ticket.safetensors"),
        ('a"; filename="b', 'a"; filename="b.ticket.safetensors'),
        ("Größe ✓ \u202etxt", "Größe ✓ \u202etxt.ticket.safetensors"),
        ("C:\\net", "C_net.ticket.safetensors"),
    ],
)
def test_the_file_name_is_the_checkpoints_made_harmless(
    api: RunningApi, name: str, expected: str
) -> None:
    ticket_id = make_ticket(api, [b"file"], name=name)

    disposition = api.client.get(f"/v1/tickets/{ticket_id}/mask").headers["Content-Disposition"]

    found = re.fullmatch(
        r"attachment; filename=\"(tkt_[a-z0-9]{26}\.safetensors)\"; "
        r"filename\*=UTF-8''([A-Za-z0-9%._~-]+)",
        disposition,
    )
    assert found is not None, disposition
    assert found[1] == f"{ticket_id}.safetensors"
    assert unquote(found[2]) == expected
