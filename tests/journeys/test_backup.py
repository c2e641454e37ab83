"""Backup and restore as docs/operations.md says, with the commands that it shows."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ltengine.verification import verify_files
from tests.conftest import postgres_server
from tests.journeys.customer import Customer
from tests.journeys.stacks import Production, production, stop, wait_until_ready
from tests.journeys.test_journeys import SPEC

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).parents[2] / "docs/operations.md").read_text()


def commands(purpose: str) -> str:
    """The block of the document that begins with this comment."""
    block = re.search(rf"```bash\n# {purpose}, .*?\n(.*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    return block[1]


def run(purpose: str, stack: Production, backup: Path) -> None:
    url = make_url(stack.environment["LTFORGE_DATABASE_URL"]).set(drivername="postgresql")
    environment = stack.environment | {
        "BACKUP": str(backup),
        "DATABASE": url.render_as_string(hide_password=False),
    }
    subprocess.run(["bash", "-euc", commands(purpose)], env=environment, check=True)


def lose_everything(stack: Production) -> None:
    """An empty database, no data folder, no process."""
    for process in stack.processes.values():
        stop(process)
    name = make_url(stack.environment["LTFORGE_DATABASE_URL"]).database
    engine = create_engine(postgres_server(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    shutil.rmtree(stack.environment["LTFORGE_DATA"])


def test_a_ticket_and_its_checkpoint_survive_the_loss_of_everything(
    tmp_path: Path, small_checkpoint: Path
) -> None:
    ticket, backup = tmp_path / "ticket", tmp_path / "backup"
    with production(tmp_path) as stack:
        customer = Customer(stack.url, stack.key)
        job = customer.finished(customer.submit(small_checkpoint, SPEC))
        path = f"/v1/tickets/{job['ticket_id']}/mask"
        before = customer.http.get(path)
        run("back up", stack, backup)

        lose_everything(stack)
        run("restore", stack, backup)
        for arguments in list(stack.commands):
            stack.start(*arguments)
        wait_until_ready(stack.url)
        after = customer.http.get(path)
        again = customer.http.post(
            "/v1/jobs", json={"checkpoint_id": job["checkpoint_id"], "spec": SPEC}
        )
        repeated = customer.finished(again.json())
        customer.close()

    assert before.status_code == after.status_code == 200
    assert hashlib.sha256(after.content).digest() == hashlib.sha256(before.content).digest()
    assert after.headers["etag"] == before.headers["etag"]
    ticket.write_bytes(after.content)
    assert verify_files(ticket, small_checkpoint).valid
    # The uploaded bytes are there too: a worker reads them.
    assert repeated["status"] == "succeeded", repeated
    assert repeated["metrics"]["ticket"]["digest"] == job["metrics"]["ticket"]["digest"]
