"""The dashboard as people meet it: a real browser, the embedded default, real work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import NARROW, WIDE, WORKING, Visit, visit
from tests.journeys.conftest import network, saved
from tests.journeys.stacks import Embedded
from tests.shared_files import SHARED

LENET = SHARED / "targets/lenet300-100-relu.safetensors"


@pytest.fixture
def visiting(chromium: Browser, product: Embedded) -> Iterator[Visit]:
    with visit(chromium, product) as opened:
        opened.sign_in(product.key)
        yield opened
        assert opened.said == []


def checkpoint(folder: Path) -> Path:
    """A LeNet; a generated network of its shape where the real one is not at hand."""
    if LENET.exists():
        return LENET
    return saved(network((784, 300, 100, 10), seed=4), folder / "generated.safetensors")


def test_a_network_becomes_a_ticket_in_the_browser(
    visiting: Visit, tmp_path: Path, pictures: Path
) -> None:
    page = visiting.page
    faults = []

    # upload
    page.get_by_role("link", name="Files").click()
    file = checkpoint(tmp_path)
    uploader = page.locator("form[data-kind=checkpoints]")
    uploader.get_by_label("File", exact=True).set_input_files(file)
    uploader.get_by_label("Name", exact=True).fill("my LeNet")
    uploader.get_by_role("button", name="Upload").click()
    expect(uploader.get_by_role("status")).to_have_text("Uploaded my LeNet.")
    expect(page.locator("#uploads .status.ready")).to_be_visible(timeout=WORKING)
    faults += visiting.faults()

    # the form, then the plan
    page.get_by_role("link", name="make a ticket of it").click()
    page.get_by_label("Activation", exact=True).select_option("relu")
    page.get_by_label("Construction", exact=True).select_option("2L")
    for label, value in (("Input mean", "0.1307"), ("Input std", "0.3081")):
        page.get_by_label(label).fill(value)
    faults += visiting.faults()
    page.get_by_role("button", name="See the plan").click()
    construct = page.get_by_role("button", name="Construct it")
    construct.wait_for(timeout=WORKING)
    expect(page.get_by_text("Chance of success")).to_be_visible()
    faults += visiting.faults()

    # submit, and watch without loading the page again
    construct.click()
    page.locator("#live").wait_for()
    page.evaluate("window.sameDocument = true")
    faults += visiting.faults()
    to_ticket = page.get_by_role("link", name="Look at the ticket")
    to_ticket.wait_for(timeout=WORKING)
    assert page.evaluate("window.sameDocument") is True
    expect(page.locator(".events")).to_contain_text("job.succeeded")

    # the ticket
    to_ticket.click()
    expect(page.get_by_role("img", name="The target network")).to_be_visible()
    expect(page.get_by_text("predicted by the plan")).to_be_visible()
    page.screenshot(path=pictures / "ticket.png", full_page=True)
    faults += visiting.faults()
    zoom_by_keys(visiting)
    page.get_by_label("Layer of the target").select_option("1")
    page.get_by_label("Neuron, from 0").fill("5")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("img", name="Ticket, layer 1, neuron 5")).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the ticket").click()
    assert download.value.path().read_bytes()[8:9] == b"{"
    assert faults == []


def zoom_by_keys(visiting: Visit) -> None:
    page = visiting.page
    mask = page.locator("#mask")
    page.get_by_role("link", name="Layer 2").click()
    expect(page.locator("#layer-2")).to_have_attribute("aria-current", "true")
    whole = mask.get_attribute("data-rows")
    mask.focus()
    page.keyboard.press("+")
    expect(mask).not_to_have_attribute("data-rows", str(whole))
    expect(mask).to_be_focused()
    zoomed = mask.get_attribute("data-columns")
    page.keyboard.press("ArrowRight")
    expect(mask).not_to_have_attribute("data-columns", str(zoomed))
    page.keyboard.press("0")
    expect(mask).to_have_attribute("data-rows", str(whole))
    picture = mask.get_by_role("img")
    picture.dblclick()
    expect(mask).not_to_have_attribute("data-rows", str(whole))
    drawn = "i => i.decode().then(() => i.naturalWidth)"
    assert page.locator("#mask img").evaluate(drawn) > 8


def test_a_sweep_is_planned_constructed_drawn_and_two_of_its_tickets_compared(
    visiting: Visit, tmp_path: Path, pictures: Path
) -> None:
    page = visiting.page
    faults = []
    page.goto(f"{visiting.url}/files")
    uploader = page.locator("form[data-kind=checkpoints]")
    small = saved(network((6, 5, 3), seed=8), tmp_path / "small.safetensors")
    uploader.get_by_label("File", exact=True).set_input_files(small)
    uploader.get_by_role("button", name="Upload").click()
    expect(uploader.get_by_role("status")).to_have_text("Uploaded small.safetensors.")

    page.get_by_role("link", name="Sweeps").click()
    page.get_by_role("link", name="New sweep").click()
    page.get_by_label("Checkpoint", exact=True).select_option(index=0)
    page.get_by_label("Activation", exact=True).select_option("relu")
    page.get_by_label("Tolerances").fill("0.1, 0.05")
    page.get_by_label("Sizes of a base set").fill("12, 20")
    page.get_by_label("How many seeds").fill("2")
    faults += visiting.faults()
    page.get_by_role("button", name="See the plans").click()
    construct = page.get_by_role("button", name="Construct 8 tickets")
    construct.wait_for(timeout=WORKING)
    faults += visiting.faults()
    construct.click()
    expect(page.get_by_text("8 of 8 jobs have ended, 8 succeeded")).to_be_visible(timeout=WORKING)
    drawn = page.get_by_role("img", name="parameters kept over tolerance of a parameter")
    expect(drawn).to_be_visible()
    page.get_by_role("link", name="over the width of the source").click()
    expect(page.get_by_role("img", name="parameters kept over width")).to_be_visible()
    page.screenshot(path=pictures / "sweep.png", full_page=True)
    faults += visiting.faults()

    for seed in ("0", "1"):
        page.get_by_role("checkbox", name=f"Compare seed {seed}").first.focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.get_by_role("img", name="Parameters that each ticket keeps")).to_be_visible(
        timeout=WORKING
    )
    page.screenshot(path=pictures / "comparison.png", full_page=True)
    faults += visiting.faults()
    assert faults == []


def test_a_file_that_is_no_network_and_a_session_that_ended_are_said(
    visiting: Visit, tmp_path: Path
) -> None:
    page = visiting.page
    page.goto(f"{visiting.url}/files")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network at all")
    uploader = page.locator("form[data-kind=checkpoints]")
    uploader.get_by_label("File", exact=True).set_input_files(wrong)
    uploader.get_by_role("button", name="Upload").click()
    expect(page.locator("#uploads .status.rejected")).to_be_visible(timeout=WORKING)
    expect(page.locator("#uploads td .fault")).not_to_be_empty()
    assert visiting.faults() == []

    page.context.clear_cookies()
    uploader.get_by_label("File", exact=True).set_input_files(wrong)
    uploader.get_by_role("button", name="Upload").click()
    expect(uploader.get_by_role("status")).to_contain_text("The session is over.")
    assert [text for text in visiting.said if "401" not in text] == []
    visiting.said.clear()


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")]
)
def test_every_page_is_accessible_in_either_light_and_fits_a_telephone(
    chromium: Browser, product: Embedded, pictures: Path, size: tuple[int, int], scheme: str
) -> None:
    with visit(chromium, product, size, scheme) as visiting:
        page = visiting.page
        page.goto(f"{product.url}/sign-in")
        faults = visiting.faults()
        visiting.sign_in(product.key)
        wide = []
        for path in paths(visiting):
            page.goto(product.url + path)
            name = path.strip("/").split("_")[0].replace("/", "-") or "jobs"
            page.screenshot(path=pictures / f"{name}-{scheme}-{size[0]}.png", full_page=True)
            faults += visiting.faults()
            wide += [path] if visiting.overflow() > 0 else []
            wide += [f"{path}: {name}" for name in visiting.cut_drawings()]
        assert faults == []
        assert wide == []
        assert visiting.said == []


def paths(visiting: Visit) -> list[str]:
    """The pages there are, and one of each kind that has an id."""
    found = ["/", "/files", "/submit", "/tickets", "/sweeps", "/sweeps/new", "/compare"]
    for place, prefix in (("/", "/jobs/"), ("/tickets", "/tickets/"), ("/sweeps", "/sweeps/bat_")):
        found += first_link(visiting, place, prefix)
    for kind, opens in (("plan", "/plans/"), ("compare", "/comparisons/")):
        for job in first_link(visiting, f"/?kind={kind}", "/jobs/"):
            found += first_link(visiting, job, opens)
    return found


def first_link(visiting: Visit, place: str, prefix: str) -> list[str]:
    """Where the first link of a page with this beginning leads, if there is one."""
    visiting.page.goto(visiting.url + place)
    links = visiting.page.locator(f"main a[href^='{prefix}']")
    return [str(links.first.get_attribute("href"))] if links.count() else []


def test_the_theme_is_chosen_and_remembered(visiting: Visit) -> None:
    page = visiting.page
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Change between light and dark").click()
    dark = page.evaluate(background)
    page.reload()

    assert light != dark
    assert page.evaluate(background) == dark


def test_everything_is_reached_by_the_keyboard(visiting: Visit) -> None:
    page = visiting.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Status")).to_be_focused()


def test_signing_out_leads_back_to_the_door(chromium: Browser, product: Embedded) -> None:
    with visit(chromium, product) as leaving:
        leaving.sign_in(product.key)
        leaving.page.get_by_role("button", name="Sign out").click()
        leaving.page.get_by_role("heading", name="Sign in").wait_for()
        leaving.page.goto(f"{product.url}/files")
        expect(leaving.page.get_by_role("heading", name="Sign in")).to_be_visible()
