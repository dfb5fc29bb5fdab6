"""The bad day in a real browser, with and without script: a wrong link, a wrong fact, the wrong readers."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from newsletter.checks import link_checker
from newsletter.models import Issue, IssueStatus, Link, Tracking
from tests.chromium import axe_complaints, needs_chromium, session_cookies, watched_page
from tests.factories import make_editor, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, Delivery

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]

RIGHT = "https://kabarlintas.example/biaya-paspor-2026/"
LABEL = "Daftar biaya paspor dan cara membayarnya"


@pytest.fixture
def letter():
    return make_newsletter(hold_s=120)


def sent_issue(letter, *, readers=3):
    """Sent to everybody, with a link in Indonesian, and one in either language."""
    issue, people = make_sending_issue(readers=readers, newsletter=letter)
    batch = Batch.objects.get(issue=issue)
    for person in people:
        Delivery.objects.create(issue=issue, subscription=person.pk, batch=batch, outcome="accepted")
    Batch.objects.filter(pk=batch.pk).update(status="done", accepted=readers)
    assert ledger.finish(issue, now=issue.started_at)
    if letter.tracking != Tracking.OFF:
        for number, slug, language, label in (
            (1, "biaya-paspor-2024", "id", LABEL),
            (2, "kantor", "id", "Alamat kantor"),
            (3, "kantor", "en", "Our offices"),
        ):
            url = f"https://kabarlintas.example/{slug}/"
            about = {"url": url, "language": language, "label": label, "block": "b001"}
            Link.objects.create(issue=issue, issue_key=issue.pk, number=number, **about)
    return issue


def open_page(chromium, client, editor, live_server, complaints, **fields):
    client.force_login(editor)
    context = chromium.new_context(**fields)
    context.add_cookies(session_cookies(client, url=live_server.url))
    return watched_page(context, home=live_server.url, complaints=complaints)


@pytest.mark.parametrize("script", [True, False])
def test_a_wrong_link_is_put_right_from_the_report_with_the_mouse(live_server, browser, client, letter, script):
    from playwright.sync_api import expect

    issue, complaints, clicks = sent_issue(letter), [], 0
    page = open_page(browser, client, make_editor(letter), live_server, complaints, java_script_enabled=script)
    page.goto(f"{live_server.url}/studio/issues/{issue.pk}/report/")
    for link, leads in (("Correct something", "**/correct/"), (re.compile(f"Amend ?: {LABEL}"), "**/correct/?link=1")):
        page.get_by_role("link", name=link).click()
        page.wait_for_url(leads)
        clicks += 1
    page.get_by_label("Right", exact=True).fill(RIGHT)
    if script:
        page.get_by_label("Right", exact=True).blur()
        expect(page.locator("#answer")).to_contain_text("The address is being tried")
        link_checker.store_results(
            issue, {"links": {RIGHT: {"fine": True, "why": "", "at": "2026-11-24T00:00:00+00:00"}}}, now=timezone.now()
        )
        expect(page.locator("#answer")).to_contain_text("It answers, on our own site.")
    button = page.get_by_role("button", name="Correct the link", exact=True)
    expect(button).to_be_visible()
    button.click()
    clicks += 1
    expect(page.locator(".notes")).to_contain_text("in every mail delivered")
    expect(page.get_by_role("heading", name="Corrected since")).to_be_visible()
    amended = Link.objects.get(issue=issue, number=1).target
    page.get_by_role("button", name="Put the old address back").click()
    expect(page.locator(".notes")).to_contain_text("Put back")

    assert amended == RIGHT
    assert clicks == 3
    assert Link.objects.get(issue=issue, number=1).target == "https://kabarlintas.example/biaya-paspor-2024/"
    assert complaints == []


def test_a_note_to_those_who_got_it_opens_in_the_composer(live_server, browser, client, letter):
    from playwright.sync_api import expect

    issue, complaints = sent_issue(letter), []
    page = open_page(browser, client, make_editor(letter), live_server, complaints)
    page.goto(f"{live_server.url}/studio/issues/{issue.pk}/correct/?link=1")
    page.get_by_label("Right", exact=True).fill(RIGHT)
    page.get_by_role("textbox", name="Indonesian").fill("Ralat: tautan sempat menuju daftar tahun 2024.")
    expect(page.locator("#preview")).to_be_hidden()
    page.get_by_text("Those who got it in Indonesian: 3").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("Ralat: tautan sempat menuju daftar tahun 2024.")
    expect(page.locator("#answer")).to_contain_text("The address is being tried")
    page.get_by_role("button", name="Correct the link and write to 3 readers…").click()
    page.wait_for_url("**/compose/")
    page.goto(page.url.replace("compose", "review"))
    expect(page.locator("#readers")).to_contain_text("Only those who got issue 1 in Indonesian.")
    expect(page.locator("#verdict")).to_contain_text("3 readers")

    assert Issue.objects.exclude(pk=issue.pk).get().audience == {
        "got_edition": {"issue": issue.pk, "languages": ["id"]}
    }
    assert complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_readers_who_missed_it_are_counted_ticked_and_sent_to(live_server, browser, client, letter, script):
    from playwright.sync_api import expect

    issue, complaints = sent_issue(letter), []
    for _ in range(2):
        make_reader(letter)
    page = open_page(browser, client, make_editor(letter), live_server, complaints, java_script_enabled=script)
    page.goto(f"{live_server.url}/studio/issues/{issue.pk}/correct/")
    page.get_by_role("link", name="See who, and why").click()
    page.wait_for_url("**/missed/")
    box = page.get_by_label("They signed up after it had begun: 2")
    send = page.get_by_role("button", name=re.compile("Send it to"))
    expect(send).to_contain_text("Send it to 2 readers")
    box.uncheck()
    if not script:
        page.get_by_role("button", name="Count again").click()
    expect(send).to_be_disabled()
    box.check()
    if not script:
        page.get_by_role("button", name="Count again").click()
    expect(send).to_contain_text("Send it to 2 readers")
    send.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Issue 1 is going out")

    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENDING
    assert complaints == []


@pytest.mark.parametrize("look", [(390, "light", "en"), (1440, "dark", "id")], ids=["phone", "desk"])
def test_the_pages_hold_to_wcag_and_never_scroll_sideways(live_server, browser, client, letter, look):
    width, scheme, language = look
    issue, complaints = sent_issue(letter), []
    untracked = sent_issue(make_newsletter(tracking=Tracking.OFF))
    make_reader(letter)
    editor = make_editor(letter, language=language, is_superuser=True)
    pages = [f"{issue.pk}/correct/", f"{issue.pk}/correct/?link=2", f"{issue.pk}/correct/?fact", f"{issue.pk}/missed/"]
    size = {"width": width, "height": 900}
    page = open_page(browser, client, editor, live_server, complaints, color_scheme=scheme, viewport=size)
    page.goto(f"{live_server.url}/studio/issues/{issue.pk}/correct/?link=1")
    page.locator("#url").fill(RIGHT)
    page.locator("[name=words_id]").fill("Ralat: " + "tautan-panjang-" * 20)
    page.locator("#preview").get_by_text("tautan-panjang").wait_for(state="attached")
    page.locator("#do").click()
    for address in (*pages, f"{untracked.pk}/correct/", f"{issue.pk}/report/"):
        page.goto(f"{live_server.url}/studio/issues/{address}")
        complaints += [f"{address}: {found}" for found in axe_complaints(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            complaints.append(f"{address} scrolls sideways")

    assert complaints == []
