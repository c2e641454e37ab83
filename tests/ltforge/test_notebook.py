"""What notebooks show: tables, with every foreign text escaped."""

from __future__ import annotations

from html.parser import HTMLParser

from ltforge import Client, TicketFile
from ltforge.notebook import Rows, rows_html
from ltforge.resources import JobRecord, Progress
from tests.ltforge.contract_server import API_KEY, ContractServer

HOSTILE = '<script>alert("x")</script>'


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def job(number: int, **fields: object) -> JobRecord:
    given = {"id": f"job_{number}", "kind": "construct", "status": "running", "terminal": False}
    return JobRecord(**{**given, **fields})  # type: ignore[arg-type]


def test_a_job_shows_its_fields_with_a_bar_and_escapes_them() -> None:
    halfway = Progress(stage=HOSTILE, done=1, total=2, fraction=0.5)
    shown = Tags(job(1, progress=halfway, labels={HOSTILE: HOSTILE})._repr_html_())

    assert "script" not in shown.seen
    assert "progress" in shown.seen
    assert HOSTILE in shown.text
    assert "job_1" in shown.text
    assert "cancel_reason" not in shown.text


def test_a_list_shows_one_table_and_says_that_there_is_more() -> None:
    shown = Tags(rows_html(Rows([job(number) for number in range(30)])))

    assert shown.seen.count("table") == 1
    assert shown.seen.count("tr") == 21
    assert "20 shown, 10 more" in shown.text
    assert "_repr" not in Rows([job(1)])._repr_html_()
    assert "nothing" in Tags(rows_html([])).text


def test_a_listing_shows_its_first_records(server: ContractServer) -> None:
    with Client(server.url, API_KEY) as client:
        for _ in range(3):
            client.submit("ckp_1", {"construction": HOSTILE})
        listing = client.list_jobs()

        shown = Tags(listing._repr_html_())

    assert "3 shown" in shown.text
    assert "script" not in shown.seen


def test_a_ticket_file_shows_what_it_says_without_loading_anything(small_ticket: bytes) -> None:
    shown = Tags(TicketFile(small_ticket)._repr_html_())

    assert "L+1" in shown.text
    assert TicketFile(small_ticket).digest in shown.text
