"""The Hugging Face Hub: a ticket as a model repository with a card.

Needs ``pip install 'ltforge[hf]'``; the token is what ``hf auth login`` or ``HF_TOKEN`` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from ltforge.errors import LTForgeError
from ltforge.platforms.finished_job import FinishedJob, identity, metrics, parameters

_LOADING = """```python
from huggingface_hub import hf_hub_download
from ltforge import TicketFile

ticket = TicketFile.read(hf_hub_download("{repository}", "ticket.safetensors"))
network = ticket.to_torch()  # takes normalised inputs; needs ltforge[engine]
```"""


def push(
    job: FinishedJob, repository: str, *, endpoint: str | None = None, private: bool = True
) -> str:
    """Commit a ticket with its card and its report to ``OWNER/NAME``, made where there is none.

    Args:
        job: with a ticket.
        repository: ``OWNER/NAME``.
        endpoint: of the Hub; None: as its own variables say.
        private: whether a repository that is made is.

    Returns:
        The address of the commit.

    Raises:
        LTForgeError: the job has no ticket.
        HfHubHTTPError: the Hub did not take it.
    """
    if job.ticket is None:
        raise LTForgeError("NO_TICKET", f"{job.id} has no ticket to be pushed")
    files: dict[str, Path | bytes] = {
        "README.md": card(job, repository).encode(),
        "ticket.safetensors": job.ticket,
        "specification.json": json.dumps(job.specification, indent=2).encode(),
        "report.json": json.dumps(job.report, indent=2).encode(),
    }
    hub = HfApi(endpoint=endpoint)
    hub.create_repo(repository, private=private, exist_ok=True)
    committed = hub.create_commit(
        repository,
        [CommitOperationAdd(name, content) for name, content in files.items()],
        commit_message=f"Ticket {identity(job).get('ticket_digest', job.id)}",
    )
    return str(committed.commit_url)


def card(job: FinishedJob, repository: str) -> str:
    """The repository's README: what it is, how to load it, what was asked for and what came."""
    front = ["---", "library_name: ltforge", "tags: [strong-lottery-ticket, pruning]", "---"]
    said: dict[str, Mapping[str, object]] = {
        "Asked for": parameters(job),
        "Measured": metrics(job),
        "From": identity(job),
    }
    tables = [_table(title, values) for title, values in said.items() if values]
    about = (
        "A strong lottery ticket: a random network, fixed by a seed, pruned until it computes a "
        "trained one. The file holds the seed and the mask, and no weight."
    )
    loading = _LOADING.format(repository=repository)
    return "\n".join([*front, f"# {repository}", "", about, "", loading, "", *tables])


def _table(title: str, values: Mapping[str, object]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join([f"## {title}", "", "| | |", "| --- | --- |", *rows, ""])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
