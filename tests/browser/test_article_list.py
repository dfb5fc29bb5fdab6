"""The article list in a real browser: choosing several, and waiting for a page."""

from __future__ import annotations

import os
import time

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from newsletter import articles, content
from newsletter.articles.article_data import ArticleData
from newsletter.models import Issue, IssueStatus
from tests import chromium
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader
from tests.live_server_lock import ONE_AT_A_TIME

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
pytestmark = [pytest.mark.browser, chromium.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def issue():
    newsletter = make_newsletter(languages=["id"])
    make_editor(newsletter, email="ayu@kabarlintas.example")
    make_reader(newsletter)
    for number in range(6):
        data = ArticleData(
            f"https://kabarlintas.example/{number}",
            title=f"Kabar paspor {number}",
            summary="Cara mengurusnya, berapa biayanya, dan apa yang perlu Anda bawa.",
            language="id",
            published_at=NOW,
        )
        articles.upsert(data, source=None, now=NOW)
    return make_issue(newsletter, stories=0)


@pytest.fixture
def opened(_one_at_a_time, browser, live_server, issue):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    complaints: list[str] = []
    page = chromium.watched_page(context, home=live_server.url, complaints=complaints)
    page.goto(live_server.url + reverse("account_login"))
    page.get_by_label("E-mail address").fill("ayu@kabarlintas.example")
    page.get_by_label("Password").fill("katasandi-panjang")
    page.get_by_role("button", name="Log in").click()
    page.goto(live_server.url + reverse("studio-start"))
    yield page
    context.close()
    assert complaints == []


def test_five_chosen_articles_are_scheduled_after_nine_clicks_with_only_the_subject_typed(opened, issue):
    clicks = 0

    def click(what):
        nonlocal clicks
        clicks += 1
        what.click()

    click(opened.get_by_role("link", name="Articles", exact=True).first)
    put = opened.get_by_role("button", name="to draft")
    expect(put).to_have_text("Add selected to draft")
    for number in range(5):
        click(opened.get_by_label(f"Choose “Kabar paspor {number}”"))
        expect(put).to_have_text(f"Add {number + 1} to draft")
    click(put)

    expect(opened).to_have_url(f"{opened.url.partition('/studio')[0]}{reverse('issue-compose', args=[issue.pk])}")
    with ONE_AT_A_TIME:
        document = content.parse(Issue.objects.get(pk=issue.pk).content)
    opened.keyboard.type("Lima kabar tentang paspor Anda pekan ini")
    expect(opened.locator("#state")).to_contain_text("Saved ·")
    click(opened.locator("#next a.primary"))
    click(opened.locator("form.review .wide.primary"))

    opened.wait_for_url("**/progress/")
    with ONE_AT_A_TIME:
        assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SCHEDULED
    assert clicks == 9
    assert sorted(block.words["id"].headline for block in document.blocks) == [f"Kabar paspor {n}" for n in range(5)]


def test_a_page_that_takes_its_time_is_said_to_be_read_and_asked_for_once(opened, monkeypatch):
    asked = []

    def add_by_url(url, **_):
        asked.append(url)
        time.sleep(0.3)
        raise articles.NotAnArticle("There is no page at this address (any more).")

    monkeypatch.setattr(articles, "add_by_url", add_by_url)
    opened.get_by_role("link", name="Articles", exact=True).first.click()
    note = opened.get_by_text("Reading the page. This takes up to ten seconds.").first
    expect(note).to_be_hidden()

    opened.get_by_label("URL of the article").fill("https://x.example/lambat")
    is_seen, is_stopped = opened.evaluate(
        """async () => {
          await customElements.whenDefined("busy-form");
          const form = document.querySelector("busy-form form");
          form.requestSubmit();
          const second = new SubmitEvent("submit", { bubbles: true, cancelable: true });
          return [form.nextElementSibling.checkVisibility(), !form.dispatchEvent(second)];
        }"""
    )

    assert (is_seen, is_stopped) == (True, True)
    expect(opened.get_by_text("There is no page at this address (any more).").first).to_be_visible()
    assert asked == ["https://x.example/lambat"]
    assert chromium.axe_complaints(opened) == []
