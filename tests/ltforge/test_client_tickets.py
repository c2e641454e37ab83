"""Tickets: the file arrives whole and checked, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltforge import Client, CorruptTransferError, LTForgeError, NotFoundError
from tests.ltforge.contract_server import TICKET_FILE, ContractServer, Fault

MASK = "/v1/tickets/tkt_1/mask"


def test_a_ticket_has_its_record_report_and_file(client: Client, tmp_path: Path) -> None:
    ticket = client.get_ticket("tkt_1")

    path = client.download_mask(ticket, tmp_path / "ticket.safetensors")

    assert path.read_bytes() == TICKET_FILE
    assert (ticket.digest, ticket.bytes) == ("d" * 64, len(TICKET_FILE))
    assert client.get_ticket_metrics(ticket) == {"ticket": {"digest": "d" * 64}}


@pytest.mark.parametrize("kind", ["truncate", "drop", "status"])
def test_a_broken_download_starts_again(
    client: Client, server: ContractServer, tmp_path: Path, kind: str
) -> None:
    server.state.faults.append(Fault("GET", MASK, kind))

    path = client.download_mask("tkt_1", tmp_path / "ticket.safetensors")

    assert path.read_bytes() == TICKET_FILE
    assert server.state.count("GET", MASK) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_one_flipped_bit_is_noticed_and_the_old_file_stays(
    client: Client, server: ContractServer, tmp_path: Path
) -> None:
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(b"the ticket of yesterday")
    server.state.faults.append(Fault("GET", MASK, "corrupt"))

    with pytest.raises(CorruptTransferError, match="DIGEST_MISMATCH"):
        client.download_mask("tkt_1", path)

    assert path.read_bytes() == b"the ticket of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_without_a_digest_is_refused(
    client: Client, server: ContractServer, tmp_path: Path
) -> None:
    server.state.etag = None

    with pytest.raises(CorruptTransferError, match="NO_DIGEST"):
        client.download_mask("tkt_1", tmp_path / "ticket.safetensors")

    assert list(tmp_path.iterdir()) == []


def test_an_absent_ticket_leaves_no_file(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        client.download_mask("tkt_2", tmp_path / "ticket.safetensors")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_named_error(client: Client, tmp_path: Path) -> None:
    with pytest.raises(LTForgeError, match="FILE_UNWRITABLE"):
        client.download_mask("tkt_1", tmp_path / "absent" / "ticket.safetensors")
