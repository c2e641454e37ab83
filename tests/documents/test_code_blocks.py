"""Every fenced block of the README, the documentation and the examples does what it says.

A block is run, on a service that is started once: Python in this process, shell scripts in bash,
doctests and console blocks compared with what they print. One that cannot run on a test machine
has a comment before it that names what is checked instead (`checks.py`, `reader.py`); a block of
another language, or that nothing checks, fails.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, blocks_in, blocks_of, pages
from tests.documents.reader import Reader

pytestmark = pytest.mark.slow


WITH_BLOCKS = [page for page in pages() if blocks_of(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_does_what_it_says(page: Path, reader: Reader) -> None:
    for block in blocks_of(page):
        try:
            reader.follow(block)
        except Exception as error:
            error.add_note(f"in {block}")
            raise


def test_no_fence_escapes() -> None:
    for page in pages():
        fences = sum(line.lstrip().startswith("```") for line in page.read_text().splitlines())
        assert fences == 2 * len(blocks_of(page)), page


@pytest.mark.parametrize("fence", ["```", "```text", "```yaml", "```json", "```go"])
def test_a_block_that_nothing_checks_fails(fence: str, reader: Reader) -> None:
    (block,) = blocks_in(ROOT / "docs" / "unwritten.md", f"{fence}\na: 1\n```\n")

    with pytest.raises(AssertionError, match="nothing checks"):
        reader.follow(block)
