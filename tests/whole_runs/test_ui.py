"""What a person reads and does in Airflow's UI, in a real browser without a window.

Each test leaves a picture of what it saw last in `.local/test-output/ui`.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from include.catalogue import ROOT, Catalogue
from include.local.bootstrap.browser import find_browser
from include.local.servers.airflow import PASSWORD, USER
from tests.waiting import LONG
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)  # the story is told before the first test
PICTURES = ROOT / ".local" / "test-output" / "ui"
DAG = "/dags/customer_base"
ARGUMENTS = (
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the UI works without anybody else
)
_numbers = itertools.count(1)
expect.set_options(timeout=LONG * 1000)


@pytest.fixture(scope="module")
def browser(story: Story) -> Iterator[Browser]:
    shutil.rmtree(PICTURES, ignore_errors=True)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        yield running
        running.close()


def _new_context(browser: Browser, story: Story) -> BrowserContext:
    context = browser.new_context(
        base_url=story.airflow.platform.airflow().url, viewport={"width": 1600, "height": 1000}
    )
    context.set_default_timeout(LONG * 1000)
    return context


@pytest.fixture(scope="module")
def logged_in(browser: Browser, story: Story) -> BrowserContext:
    context = _new_context(browser, story)
    page = context.new_page()
    _log_in(page, PASSWORD)
    expect(page.get_by_role("link", name="Dags").first).to_be_visible()
    return context


@pytest.fixture
def page(logged_in: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    opened = logged_in.new_page()
    yield opened
    _picture(opened, request.node.name)
    opened.close()


def _picture(page: Page, name: str) -> None:
    words = re.sub(r"\W+", "_", name.removeprefix("test_")).strip("_")
    page.screenshot(path=PICTURES / f"{next(_numbers):02}_{words}.png", animations="disabled")


def _log_in(page: Page, password: str) -> None:
    page.goto("/")
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def _open_form(page: Page) -> Locator:
    page.goto(DAG)
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("Allow deletions")).to_be_visible()
    return form


def _send(form: Locator) -> None:
    form.get_by_role("button", name="Trigger").click()


def _runs(story: Story) -> int:
    return int(story.airflow.platform.airflow().get(f"{DAG}/dagRuns?limit=1")["total_entries"])


# ---- who may come in


def test_a_wrong_password_is_refused(browser: Browser, story: Story) -> None:
    context = _new_context(browser, story)
    page = context.new_page()
    _log_in(page, "wrong")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    _picture(page, "a_wrong_password")
    page.goto(DAG)
    expect(page.locator("input[name=password]")).to_be_visible()
    context.close()


# ---- what is said of the use case


def test_the_documentation_says_who_asks_and_what_to_do_at_3_a_m(page: Page) -> None:
    page.goto(DAG)
    page.get_by_role("button", name="Dag Docs").first.click()
    text = page.get_by_role("dialog")
    for words in ("Customer base: the records", "Who asks. The customer-platform team", "At 3 a.m. Open the task"):
        expect(text).to_contain_text(words)
    expect(text.get_by_role("cell", name="mis/gentrack_customer")).to_be_attached()


# ---- the form


def test_the_form_explains_each_field(page: Page) -> None:
    form = _open_form(page)
    for name in ("Dry run", "Full refresh"):
        expect(form.get_by_role("checkbox", name=name)).not_to_be_checked()
    for words in ("Nothing is written anywhere.", "Read every row", "Only these datasets", "sse/customer=123"):
        expect(form).to_contain_text(words)
    for words in ("Only these customers", "cohorts/moving_in_june.csv", "A query of sql/cohorts"):
        expect(form).to_contain_text(words)


def test_the_form_offers_the_claimed_datasets_and_no_others(page: Page) -> None:
    form = _open_form(page)
    form.get_by_role("combobox").first.press("ArrowDown")
    options = page.get_by_role("option")
    expect(options).to_have_text(list(Catalogue().use_case("customer_base").claims))


@pytest.mark.parametrize("value", ["nonsense", "sse/customer=many", "sse/nothing=5"])
def test_a_wrong_value_is_refused_in_the_form_and_no_run_begins(story: Story, page: Page, value: str) -> None:
    before = _runs(story)
    form = _open_form(page)
    form.locator("textarea[name=element_allow_deletions]").fill(value)
    _send(form)
    expect(form).to_contain_text("400 Bad Request")
    expect(form).to_contain_text(f"Invalid input for param allow_deletions: '{value}' does not match")
    form.get_by_text("400 Bad Request").scroll_into_view_if_needed()
    assert _runs(story) == before


# ---- a run, from the form to what it has done


@pytest.fixture(scope="module")
def dry_run(story: Story, logged_in: BrowserContext) -> str:
    """The page of a run that was triggered by the form: dry, and of everything, whatever has been read before."""
    before = _runs(story)
    page = logged_in.new_page()
    form = _open_form(page)
    for field, name in (("dry_run", "Dry run"), ("full_refresh", "Full refresh")):
        form.locator(f"label[id='switch:element_{field}']").click()
        expect(form.get_by_role("checkbox", name=name)).to_be_checked()
    _picture(page, "the_form_before_it_is_sent")
    _send(form)
    page.wait_for_url(re.compile(rf"{DAG}/runs/"))
    assert _runs(story) == before + 1
    path = page.url.partition("?")[0]
    page.close()
    return path


def test_a_dry_run_triggered_by_the_form_is_followed_to_green(page: Page, dry_run: str) -> None:
    page.goto(dry_run)
    expect(page.get_by_text("21 Task Instances")).to_be_visible()
    expect(page.get_by_text("Success", exact=True)).to_have_count(1 + 21, timeout=3 * LONG * 1000)


def test_a_tasks_log_tells_the_query(page: Page, dry_run: str) -> None:
    page.goto(f"{dry_run}/tasks/extract.sse_customer")
    expect(page.get_by_text("would read: SELECT [CustomerId], [FirstName]")).to_be_visible()


def test_a_tasks_summary_is_read_under_xcom(page: Page, dry_run: str) -> None:
    page.goto(f"{dry_run}/tasks/extract.sse_customer")
    page.get_by_role("link", name="Storage").click()
    page.get_by_role("link", name="XCom").click()
    value = page.get_by_role("row").filter(has_text="return_value")
    page.get_by_role("button", name="Expand all extra JSON").first.click()
    for words in ('"dry_run": true', '"dataset": "sse/customer"', '"kind": "full"', '"rows": '):
        expect(value).to_contain_text(words)
