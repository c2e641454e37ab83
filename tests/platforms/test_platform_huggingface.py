"""A ticket as a repository of the Hugging Face Hub: what its own library commits there."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard

from ltforge.errors import LTForgeError
from ltforge.platforms.finished_job import FinishedJob
from ltforge.platforms.huggingface import push
from tests.ltforge.command import run_command
from tests.platforms.hub_server import hub_server
from tests.service.real_tickets import MadeTicket


def test_a_ticket_is_committed_with_a_card_and_its_report(
    made: MadeTicket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    spec = made.report["specification"]
    labels = {"team": "ours | theirs"}
    job = FinishedJob("job_1", spec, made.report, made.file, labels=labels)

    with hub_server() as hub:
        address = push(job, "ours/lenet-ticket", endpoint=hub.url)

    assert address == f"{hub.url}/ours/lenet-ticket/commit/{'0' * 40}"
    assert hub.authorization == "Bearer hf_secret"
    (made_repository,) = hub.made
    assert (made_repository["organization"], made_repository["name"]) == ("ours", "lenet-ticket")
    assert made_repository["visibility"] == "private"
    assert hub.messages == [f"Ticket {made.report['ticket']['digest']}"]
    assert hub.files["ticket.safetensors"] == made.file.read_bytes()
    assert json.loads(hub.files["report.json"]) == json.loads(json.dumps(made.report))
    assert json.loads(hub.files["specification.json"]) == spec
    card = ModelCard(hub.files["README.md"].decode())
    assert "library_name: ltforge" in str(card.data).splitlines()
    assert 'hf_hub_download("ours/lenet-ticket", "ticket.safetensors")' in card.text
    assert "| label.team | ours \\| theirs |" in card.text


def test_a_job_without_a_ticket_is_not_pushed() -> None:
    with pytest.raises(LTForgeError, match="NO_TICKET"):
        push(FinishedJob("job_1", {}), "ours/nothing")


def test_the_command_pushes_a_file_and_names_what_it_does_not_know(made: MadeTicket) -> None:
    ticket = str(made.file)
    with hub_server() as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
        to = ("publish", ticket, "--json", "--to")
        pushed = run_command(*to, "hf://ours/by-hand", environment=environment)
        unknown = run_command(*to, "ftp://ours/by-hand", environment=environment)

    assert json.loads(pushed.stdout)["repository"] == "ours/by-hand", pushed.stderr
    assert hub.files["ticket.safetensors"] == made.file.read_bytes()
    assert json.loads(unknown.stdout)["error"]["code"] == "UNKNOWN_PLATFORM"
