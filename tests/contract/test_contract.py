"""The running service keeps its contract: a short run of what `make contract` runs at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.check import check, served


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_generated_requests_find_nothing_against_the_contract(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path) as api:
        outcome = check(api, tmp_path, examples=1, seed=1, phases="examples,fuzzing")

    assert outcome.status == 0, outcome.text
    assert outcome.cases >= 40
