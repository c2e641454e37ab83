"""Runs every check of schemathesis against the served API: `python -m tests.contract.check`.

The database is SQLite in a temporary folder, or a temporary one on the PostgreSQL of the tests.
Requests are generated in rounds, each from a seed of its own, until there were as many as asked.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.settings import Settings
from service.store.schema import upgrade
from tests.conftest import temporary_database
from tests.contract import media_types
from tests.contract.hands import busy_hands
from tests.service.operations import own_ids
from tests.service.running_api import RunningApi, serve_api

_ROOT = Path(__file__).parents[2]
_SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
# A fuzzer that finds its own key in the list would lock itself out.
_CLOSING_THE_DOOR = ("revoke_api_key", "change_api_key", "rotate_api_key")


# What a schema cannot say is refused by name: cursors that nobody issued, specs that contradict
# themselves, periods that end before they start, ETags of another version, uploads that announce
# more than this service takes. A request without the version of tus gets 412, as tus says.
_CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = [
    "2xx", "3xx", "400", "401", "403", "404", "409", "412", "413", "422", "429", "5xx"
]
[checks.negative_data_rejection]
expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429", "5xx"
]
[checks.missing_required_header]
expected-statuses = ["400", "401", "403", "406", "412", "415", "422"]
"""


@dataclass(frozen=True)
class Outcome:
    """What schemathesis said."""

    status: int
    cases: int
    text: str


@contextlib.contextmanager
def served(database_url: str, folder: Path) -> Iterator[RunningApi]:
    """An API over a migrated database, with something of every kind in it and hands at work."""
    settings = Settings(
        data=folder / "data",
        database_url=database_url,
        rate_limit_requests=10**8,
        max_queued_jobs=10**8,
    )
    (folder / "schemathesis.toml").write_text(_CONFIGURATION)
    with serve_api(settings) as api:
        own_ids(api)
        with busy_hands(settings):
            yield api


def check(api: RunningApi, folder: Path, examples: int, seed: int, phases: str) -> Outcome:
    """Try every operation with generated requests."""
    command = [
        *(_SCHEMATHESIS, "run", str(api.client.base_url.join("/openapi.json"))),
        *("--header", f"Authorization: Bearer {api.key}", "--checks", "all", "--no-color"),
        *("--max-examples", str(examples), "--seed", str(seed), "--workers", "2"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *("--phases", phases, "--generation-database", ":memory:"),
        *("--request-timeout", "60", "--max-response-time", "60"),
        *(part for name in _CLOSING_THE_DOOR for part in ("--exclude-operation-id", name)),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": media_types.__name__, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=os.environ | hooks
    )
    text = done.stdout + done.stderr
    counted = re.search(r"(\d+) generated", text)
    return Outcome(done.returncode, int(counted[1]) if counted else 0, text)


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        url = f"sqlite:///{folder}/state.sqlite"
        upgrade(url)
        yield url
        return
    for url in temporary_database():
        upgrade(url)
        yield url


def _rounds(first_seed: int) -> Iterator[tuple[int, str]]:
    """Seeds and phases: what does not depend on the seed comes once."""
    yield first_seed, "examples,coverage"
    for seed in itertools.count(first_seed):
        yield seed, "fuzzing"


def main() -> int:
    """Check until there were enough requests; 1 and schemathesis' report at the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--cases", type=int, default=5000, help="generated requests, at least")
    parser.add_argument("--examples", type=int, default=10, help="per operation and round")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    asked = parser.parse_args()
    cases = 0
    with (
        tempfile.TemporaryDirectory() as name,
        _database(asked.database, Path(name)) as url,
        served(url, Path(name)) as api,
    ):
        for seed, phases in _rounds(asked.seed):
            outcome = check(api, Path(name), asked.examples, seed, phases)
            cases += outcome.cases
            print(f"{asked.database}: {cases} cases, seed {seed}, {phases}", flush=True)
            if outcome.status:
                print(outcome.text)
                print(*(entry for entry in api.logs if entry["log_level"] == "error"), sep="\n")
                return 1
            if cases >= asked.cases:
                break
    print(f"{asked.database}: {cases} cases, 0 failures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
