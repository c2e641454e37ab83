"""The fenced blocks of a Markdown page, each with the check that a comment before it names.

<!-- check: make -->
```bash
make demo
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:^ *<!-- check: (?P<check>[^>]+?) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block, and where it stands."""

    page: Path
    line: int
    language: str
    text: str
    check: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language or 'no language'})"


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks in order."""
    return blocks_in(page, page.read_text())


def blocks_in(page: Path, text: str) -> list[Block]:
    """The same, of a page that says this."""
    return [
        Block(
            page,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"].strip(),
            re.sub(rf"^{match['indent']}", "", match["text"], flags=re.M),
            match["check"],
        )
        for match in _BLOCK.finditer(text)
    ]


def pages() -> list[Path]:
    """Every page for users."""
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.md")),
    ]
