"""Review, hold, stop and send again as a publisher does them, in a real browser, with and without script."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from newsletter.models import Issue, IssueStatus
from tests.chromium import axe_complaints, browser, needs_chromium, session_cookies, watched_page
from tests.factories import make_document, make_editor, make_issue, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, Delivery
from workers.throttling import domain_limits, rate_limit

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def session(client):
    """Log `editor` in; the cookies for the browser."""

    def cookies(editor, url):
        client.force_login(editor)
        return session_cookies(client, url=url)

    return cookies


def open_page(chromium, cookies, url, complaints, **fields):
    context = chromium.new_context(**fields)
    context.add_cookies(cookies)
    return watched_page(context, home=url, complaints=complaints)


def test_the_sentence_and_the_button_follow_the_time_chosen(live_server, letter, session):
    from playwright.sync_api import expect

    issue, complaints = make_issue(letter), []
    with browser() as chromium:
        page = open_page(chromium, session(make_editor(letter), live_server.url), live_server.url, complaints)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/review/")
        button = page.locator(".btn.primary")

        expect(button).to_contain_text("Schedule for 12 readers")
        page.get_by_label("Now").check()
        expect(button).to_have_text(re.compile(r"^\s*Send to 12 readers\s*$"), use_inner_text=True)
        page.get_by_label("Another time…").check()
        page.get_by_label("Date").fill("2027-01-14")
        page.get_by_label("Time, WIB").fill("06:30")
        expect(button).to_contain_text("14 Jan 06:30 WIB")
        expect(page.locator("#verdict")).to_contain_text("Thursday 14 January")
        complaints += axe_complaints(page)
        button.click()
        page.wait_for_url("**/progress/")

    issue.refresh_from_db()
    assert issue.status == IssueStatus.SCHEDULED
    assert issue.scheduled_at.isoformat() == "2027-01-13T23:30:00+00:00"
    assert complaints == []


def test_a_test_send_answers_in_place_and_leaves_the_ticks(live_server, letter, session):
    from playwright.sync_api import expect

    document, complaints = make_document(), []
    document.blocks[1].words["id"].link_text = "Baca selengkapnya"
    issue = make_issue(letter, document=document)
    with browser() as chromium:
        page = open_page(chromium, session(make_editor(letter), live_server.url), live_server.url, complaints)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/review/")
        tick = page.get_by_role("checkbox").first
        tick.check()
        page.get_by_role("button", name="Send both to my phone").click()

        expect(page.locator("#test-box")).to_contain_text("Nothing changed since")
        expect(tick).to_be_checked()
        complaints += axe_complaints(page)

    assert complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_send_now_is_held_and_stopped(live_server, letter, session, script):
    from playwright.sync_api import expect

    issue, complaints = make_issue(letter), []
    with browser() as chromium:
        cookies = session(make_editor(letter), live_server.url)
        page = open_page(chromium, cookies, live_server.url, complaints, java_script_enabled=script)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/review/")
        page.get_by_label("Now").check()
        page.locator(".btn.primary").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Issue 1 is scheduled")
        expect(page.locator("count-down")).to_have_text(re.compile(r"^[12]:\d\d$"))
        scheduled = Issue.objects.get(pk=issue.pk).status
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_text("Stopped. Nobody got it.")).to_be_visible()

    issue.refresh_from_db()
    assert (scheduled, issue.status) == (IssueStatus.SCHEDULED, IssueStatus.APPROVED)
    assert complaints == []


def test_the_progress_page_follows_by_itself_and_keeps_ticks(live_server, letter, session):
    from playwright.sync_api import expect

    issue, people = make_sending_issue(readers=1, newsletter=letter)
    batch, complaints = Batch.objects.get(issue=issue), []
    Delivery.objects.create(issue=issue, subscription=people[0].pk, batch=batch, outcome="uncertain")
    Batch.objects.filter(pk=batch.pk).update(uncertain=1)
    with browser() as chromium:
        page = open_page(chromium, session(make_editor(letter), live_server.url), live_server.url, complaints)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/progress/")
        page.get_by_role("checkbox").check()
        Batch.objects.filter(pk=batch.pk).update(accepted=6)
        expect(page.locator(".bigbar b")).to_have_text(re.compile("53"), timeout=8000)
        expect(page.locator("#said")).to_have_text("Issue 1: 50 per cent done.")
        expect(page.get_by_role("checkbox")).to_be_checked()
        Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=issue.started_at)
        expect(page.get_by_role("heading", level=1)).to_have_text("Issue 1 is sent", timeout=8000)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(2500)
        complaints += axe_complaints(page)

    assert asked == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_hold_to_wcag_and_never_scroll_sideways(live_server, letter, session, scheme, language, width):
    draft, complaints = make_issue(letter), []
    flying, people = make_sending_issue(readers=0, newsletter=letter)
    addresses = [
        f"/studio/issues/{draft.pk}/review/?when=at",
        f"/studio/issues/{flying.pk}/progress/?stop",
        f"/studio/issues/{flying.pk}/report/",
        "/studio/reports/",
        "/studio/subscribers/",
        f"/studio/subscribers/{make_reader(letter).subscriber.public_id}/",
        "/studio/forms/",
        "/studio/forms/new/",
        f"/studio/forms/texts/{letter.slug}/",
    ]
    editor = make_editor(letter, language=language)
    with browser() as chromium:
        cookies, size = session(editor, live_server.url), {"width": width, "height": 900}
        page = open_page(chromium, cookies, live_server.url, complaints, color_scheme=scheme, viewport=size)
        for address in addresses:
            page.goto(live_server.url + address)
            complaints += [f"{address}: {found}" for found in axe_complaints(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                complaints.append(f"{address} scrolls sideways")

    assert complaints == []


def test_the_progress_page_tells_what_is_slow_on_a_phone_and_in_the_dark(live_server, session):
    now, complaints = timezone.now(), []
    newsletter = make_newsletter(first_batch=4)
    for number in range(60):
        make_reader(newsletter, email=f"reader{number}@{('gmail.com', 'p.example', 'yahoo.co.id')[number % 3]}")
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)
    Issue.objects.filter(pk=issue.pk).update(started_at=now)
    rate_limit.register([("smtp-1", "smtp", 0), ("smtp-2", "smtp", 0)])
    rate_limit.record_failure("smtp-2", error="535 5.7.8 login refused", now=now, at_once=True)
    domain_limits.slow_down(
        "smtp-1",
        domain_limits.SlowDownRequest("gmail", 20.0, "421 4.7.28 unusual rate of mail from your host"),
        now=now,
    )
    answers = [("uncertain", ""), ("deferred", "452 4.2.2"), ("refused", "550 5.1.1"), ("accepted", "250")]
    for _ in range(2):
        claim = ledger.claim(issue, worker="surabaya:1:boot:spool", now=now, routes=["smtp-1"])
        told = [ledger.LedgerEntry(reader, *answers[min(place, 3)]) for place, reader in enumerate(claim.ids)]
        ledger.record(claim, told, now=now)
    stuck = Batch.objects.filter(lane="gmail").last()
    Batch.objects.filter(pk=stuck.pk).update(status="uncertain", worker="surabaya:1:boot:spool", lease_expires_at=now)

    with browser() as chromium:
        for width, scheme, language in ((1440, "light", "en"), (390, "dark", "id")):
            cookies = session(make_editor(newsletter, language=language), live_server.url)
            look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
            page = open_page(chromium, cookies, live_server.url, complaints, **look)
            page.goto(f"{live_server.url}/studio/issues/{issue.pk}/progress/")

            said = page.locator("#slow + .notes").inner_text()
            assert all(words in said for words in ("Gmail", "smtp-2", "535 5.7.8", "surabaya"))
            assert page.locator(".eq > div").count() == 7
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            complaints += axe_complaints(page)

            page.locator('a[href="?lost=surabaya"]').click()
            page.wait_for_url("**/progress/?lost=surabaya")
            assert page.locator("#lost-now").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            complaints += axe_complaints(page)
        page.locator("#lost-now").click()
        page.wait_for_url("**/progress/")
        assert page.locator(".notes").first.is_visible()

    assert complaints == []
    assert not Batch.objects.filter(pk=stuck.pk, status="uncertain").exists()
