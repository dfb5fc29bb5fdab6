"""The studio in a real browser: what only script and style sheets can get wrong."""

from __future__ import annotations

import os
import threading
import time

import pytest
from django.core.handlers.base import BaseHandler
from django.urls import reverse
from playwright.sync_api import expect

from newsletter.models import Article, Issue
from tests import chromium
from tests.makers import NOW, make_editor, make_issue, make_newsletter

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "true"  # Playwright's loop runs in this thread; the test's queries wait for it
)
pytestmark = [pytest.mark.browser, chromium.needs_chromium, pytest.mark.django_db(transaction=True)]
PASSWORD = "katasandi-panjang"


ONE_AT_A_TIME = threading.Lock()


@pytest.fixture
def _one_at_a_time(transactional_db, monkeypatch):
    """The threads of the live server share one connection to the database in memory, which takes turns badly.

    At the end every request that arrived is answered before the tables are emptied.
    """
    answer, asked = BaseHandler.get_response, []

    def in_turn(self, request):
        asked.append(request)
        with ONE_AT_A_TIME:
            try:
                return answer(self, request)
            finally:
                asked.remove(request)

    monkeypatch.setattr(BaseHandler, "get_response", in_turn)
    yield
    for _ in range(100):
        if not asked:
            break
        time.sleep(0.05)


def stored_subject(issue):
    with ONE_AT_A_TIME:
        return Issue.objects.get(pk=issue.pk).content["envelopes"]["id"]["subject"]


@pytest.fixture(scope="module")
def browser():
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def complaints():
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def issue():
    newsletter = make_newsletter()
    editor = make_editor(newsletter, email="ayu@kabarlintas.example")
    Article.objects.create(guid="a", url="https://x.example/a", title="Paspor hilang", language="id", published_at=NOW)
    return make_issue(newsletter, editor=editor)


@pytest.fixture
def open_page(_one_at_a_time, browser, live_server, complaints, issue):
    """Open a page of the studio as its administrator, in a window of one's own choice."""
    contexts = []

    def opener(name="studio-start", *args, **window):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **window})
        contexts.append(context)
        page = chromium.watched_page(context, home=live_server.url, complaints=complaints)
        page.goto(f"{live_server.url}{reverse('account_login')}?next={reverse(name, args=args)}")
        page.fill("#id_login", "ayu@kabarlintas.example")
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url(f"**{reverse(name, args=args)}")
        return page

    yield opener
    heard = list(complaints)
    for context in contexts:
        context.close()
    complaints[:] = heard  # what closing a window breaks off is nobody's mistake


def order(page):
    return [card.input_value() for card in page.locator("[name=block]").all()]


def test_typing_is_saved_without_a_click_and_shows_in_the_preview(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.fill("#b001-headline", "Jalur autogate di Denpasar")

    expect(page.locator("#state")).to_contain_text("Saved", timeout=2_000)
    expect(page.frame_locator("iframe:not(.back)").locator("h1, h2").first).to_have_text("Jalur autogate di Denpasar")
    page.reload()
    expect(page.locator("#b001-headline")).to_have_value("Jalur autogate di Denpasar")


def test_the_checks_follow_what_is_typed(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.fill("#b002-headline", "[TK] judul")

    expect(page.locator("#checks")).to_contain_text("Stops sending")
    page.fill("#b002-headline", "Paspor hilang, apa yang dilakukan")
    expect(page.locator("#checks")).not_to_contain_text("Stops sending")


def test_blocks_are_moved_removed_and_brought_back_by_keyboard(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.focus("#b002-headline")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("[name=block]").first).to_have_value("b002")
    page.focus("#b003-remove")
    page.keyboard.press("Enter")
    expect(page.locator(".snip")).to_have_count(2)
    page.locator("#main").focus()
    page.keyboard.press("Control+z")
    expect(page.locator(".snip")).to_have_count(3)

    assert order(page) == ["b002", "b001", "b003"]


def test_a_step_is_taken_once_though_typing_waits_to_be_saved(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.locator("#b001-headline").press_sequentially(" kini")
    page.click("#b001-down")
    expect(page.locator("[name=block]").first).to_have_value("b002")
    page.wait_for_timeout(900)

    assert order(page) == ["b002", "b001", "b003"]


def test_an_added_block_has_the_cursor(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.click("#add-quote")

    expect(page.locator(".snip")).to_have_count(4)
    expect(page.locator(".snip").last.locator("textarea")).to_be_focused()


def test_two_people_never_overwrite_each_other(open_page, issue):
    mine, theirs = open_page("issue-compose", issue.pk), open_page("issue-compose", issue.pk)
    theirs.fill("#subject", "Dari Dewi")
    expect(theirs.locator("#state")).to_contain_text("Saved")

    mine.fill("#subject", "Dari saya")
    mine.get_by_role("button", name="Keep mine as a copy").click()

    expect(mine.locator("#subject")).to_have_value("Dari saya")
    assert stored_subject(issue) == "Dari Dewi"


def test_a_broken_line_is_said_and_the_text_saved_later(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)

    page.context.set_offline(True)
    page.fill("#subject", "Tanpa jaringan")
    expect(page.locator("#state")).to_have_text("Not saved: retrying")
    page.context.set_offline(False)

    expect(page.locator("#state")).to_contain_text("Saved", timeout=10_000)
    assert stored_subject(issue) == "Tanpa jaringan"
    complaints[:] = [line for line in complaints if "htmx" not in line and "ERR_INTERNET_DISCONNECTED" not in line]


def test_the_composer_works_without_script(open_page, issue):
    page = open_page("issue-compose", issue.pk, java_script_enabled=False)

    page.fill("#subject", "Tanpa skrip")
    page.click("#b001-down")

    assert order(page) == ["b002", "b001", "b003"]
    assert page.input_value("#subject") == "Tanpa skrip"


def test_on_a_phone_tray_and_preview_open_over_the_page(open_page, issue):
    page = open_page("issue-compose", issue.pk, viewport={"width": 390, "height": 844})

    page.get_by_role("button", name="Articles").click()
    page.get_by_role("button", name="Add “Paspor hilang”").click()
    page.keyboard.press("Escape")

    expect(page.locator(".snip")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(("look", "language"), [("light", "id"), ("dark", "en")])
def test_no_page_has_an_accessibility_defect_or_scrolls_sideways(open_page, live_server, issue, look, language):
    page = open_page(color_scheme=look, viewport={"width": 390, "height": 844})
    names = ["studio-start", "issue-list", "article-list", "source-list", "settings-newsletters", "audit"]
    names += ["settings-editors", "settings-account", "settings-newsletter-create"]
    addresses = [reverse(name) for name in names]
    addresses += [reverse(name, args=[issue.pk]) for name in ("issue-compose", "issue-history")]
    addresses.append(reverse("settings-newsletter", args=[issue.newsletter.slug]))
    found = []

    for address in addresses:
        page.goto(f"{live_server.url}{address}?lang={language}")
        # axe waits for ever on a frame in which no script may run
        page.evaluate("document.querySelectorAll('iframe').forEach((frame) => frame.remove())")
        found += [f"{address}: {line}" for line in chromium.axe_complaints(page)]
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            found.append(f"{address}: scrolls sideways")

    assert found == []
