"""What a test does in a browser: sign in, watch the console, ask axe for faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.journeys.stacks import Embedded

AXE = (Path(__file__).parent / "axe.min.js").read_text()
WIDE, NARROW = (1200, 850), (400, 800)
LOADING = 60_000
WORKING = 240_000


@dataclass
class Visit:
    """A page of the dashboard, and what its console said."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list)

    def sign_in(self, key: str) -> None:
        """Show the key, and land on the jobs."""
        self.page.goto(self.url)
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Jobs", level=1).wait_for()

    def faults(self) -> list[str]:
        """Serious faults that axe finds in the page as it is."""
        self.page.evaluate(AXE)
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then(r => r.violations)")
        return [
            f"{self.page.url}: {fault['id']}: {fault['help']}: {fault['nodes'][0]['html']}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def cut_drawings(self) -> list[str]:
        """The drawings that are wider than their frame, so that one would have to scroll."""
        found: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('svg.plot, #mask img')].filter(drawn => "
            "drawn.getBoundingClientRect().right > innerWidth || "
            "drawn.parentElement.scrollWidth > drawn.parentElement.clientWidth + 1)"
            ".map(drawn => drawn.querySelector('title')?.textContent ?? drawn.alt)"
        )
        return found


@contextmanager
def visit(
    chromium: Browser, product: Embedded, size: tuple[int, int] = WIDE, scheme: Any = "light"
) -> Iterator[Visit]:
    """A fresh browser window."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        accept_downloads=True,
    )
    context.set_default_timeout(LOADING)
    opened = Visit(context.new_page(), product.url)
    opened.page.on(
        "console",
        lambda message: (
            opened.said.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
    try:
        yield opened
    finally:
        context.close()
