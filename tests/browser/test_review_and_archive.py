"""The review page without mouse and without script, and the archive, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from newsletter import content, editions
from newsletter.models import Issue, IssueStatus
from tests.chromium import axe_complaints, browser, needs_chromium, session_cookies, watched_page
from tests.factories import make_document, make_editor, make_issue
from tests.newsletter import gallery

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def issue(letter):
    """A draft with one check to tick."""
    document = make_document()
    document.blocks[1].words["id"].link_text = "Baca selengkapnya"
    return make_issue(letter, document=document)


@pytest.fixture
def review(client, letter, issue, live_server):
    """Open the issue's review page as a publisher."""

    def open_page(chromium, complaints, **fields):
        editor = make_editor(letter)
        client.force_login(editor)
        context = chromium.new_context(**fields)
        context.add_cookies(session_cookies(client, url=live_server.url))
        page = watched_page(context, home=live_server.url, complaints=complaints)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/review/")
        return page

    return open_page


def focused(page) -> str:
    return page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.tagName")


def tab_to(page, name: str) -> None:
    for _ in range(60):
        if focused(page) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {name} by keyboard")


def test_an_issue_is_scheduled_by_keyboard_alone(review, issue):
    from playwright.sync_api import expect

    complaints = []
    with browser() as chromium:
        page = review(chromium, complaints, viewport={"width": 390, "height": 800})
        expect(page.get_by_text("A check above still wants your tick.")).to_be_visible()
        tab_to(page, "when")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#send")).to_have_text(re.compile(r"Send to 12 readers"), use_inner_text=True)
        tab_to(page, "ticks")
        page.keyboard.press("Space")
        expect(page.get_by_text("A check above still wants your tick.")).to_be_hidden()
        tab_to(page, "send")
        page.keyboard.press("Enter")
        page.wait_for_url("**/progress/")

    issue.refresh_from_db()
    assert issue.status == IssueStatus.SCHEDULED
    assert complaints == []


def test_without_script_others_get_a_test_and_a_time_is_chosen(review, issue, settings):
    from playwright.sync_api import expect

    complaints = []
    with browser() as chromium:
        page = review(chromium, complaints, java_script_enabled=False)
        page.get_by_text("Also to others").click()
        page.get_by_label("Further addresses for the test").fill("rizky@")
        page.get_by_role("button", name="Send both to my phone").click()
        expect(page.locator("#to-error")).to_contain_text("A part before or after the @ is missing.")
        page.get_by_label("Further addresses for the test").fill("rizky@kabarlintas.example")
        page.get_by_role("button", name="Send both to my phone").click()
        expect(page.get_by_text("Test sent to rizky@kabarlintas.example (English)")).to_be_visible()
        expect(page.locator("#test-box")).to_contain_text("Tested just now. Nothing changed since.")
        page.get_by_label("Another time…").check()
        page.get_by_label("Date").fill("2027-01-14")
        page.get_by_label("Time, WIB").fill("06:30")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#verdict")).to_contain_text("Thursday 14 January at 06:30\u00a0WIB, 12 readers get")
        page.get_by_role("checkbox").check()
        page.locator("#send").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Issue 1 is scheduled")

    issue.refresh_from_db()
    assert issue.scheduled_at.isoformat() == "2027-01-13T23:30:00+00:00"
    assert len(list(settings.MAILBOX_DIR.glob("**/*.eml"))) == 4
    assert complaints == []


def test_what_a_worker_finds_comes_into_the_page_and_ticks_stay(review, issue):
    from playwright.sync_api import expect

    complaints = []
    with browser() as chromium:
        page = review(chromium, complaints)
        tick = page.get_by_role("checkbox").first
        tick.check()
        page.get_by_role("button", name="Check now").click()
        expect(page.locator("#look")).to_contain_text("Links and articles are being checked.")
        document = content.parse(Issue.objects.get(pk=issue.pk).content)
        document.blocks[0].words["id"].headline = "[TK]"
        later = timezone.now() + timedelta(seconds=1)
        Issue.objects.filter(pk=issue.pk).update(content=content.dump(document), looked_at=later)
        expect(page.locator("#state")).to_contain_text("1 thing stands in the way", timeout=8000)
        expect(page.locator("#send")).to_be_disabled()
        expect(page.locator("#button-hint")).to_contain_text("Not possible yet:")
        expect(page.get_by_role("checkbox").first).to_be_checked()
        complaints += axe_complaints(page)

    assert complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_a_test_from_the_composer_is_answered_there(review, issue, live_server, script):
    from playwright.sync_api import expect

    with browser() as chromium:
        page = review(chromium, [], java_script_enabled=script)
        page.goto(f"{live_server.url}/studio/issues/{issue.pk}/compose/")
        page.get_by_role("button", name="Send me a test").first.click()
        expect(page.get_by_text("Test sent to")).to_have_count(2)
        address = page.url

    assert address == f"{live_server.url}/studio/issues/{issue.pk}/compose/"


# --- the archive -----------------------------------------------------------------------------------------------------

ATTACKS = [
    '"><script>console.error("ran")</script>',
    "<img src=x onerror=console.error('ran')>",
    "<svg><script>console.error('ran')</script></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=console.error('ran')&gt;\">",
    "</script><script>console.error('ran')</script>",
    "<noscript><p title=\"</noscript><img src=x onerror=console.error('ran')>\">",
    "' onmouseover='console.error(1)' x='",
]


def make_sent(letter, document):
    issue = make_issue(letter, document=document)
    now = timezone.now()
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, scheduled_at=now, started_at=now, sent_at=now)
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


@pytest.fixture
def sent(letter, live_server, settings):
    settings.SITE_URL = live_server.url
    return make_sent(letter, gallery.document(picture=gallery.make_picture()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_archive_pages_hold_to_wcag_reach_for_nothing_and_never_scroll_sideways(live_server, sent, scheme, width):
    complaints = []
    addresses = [
        *(f"{editions.web_url(sent)}?lang={language}" for language in ("id", "en")),
        f"{live_server.url}/archive/?lang=id",
        f"{live_server.url}/archive/2026/soon/?warta=test&lang=en",
    ]
    with browser() as chromium:
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        page = watched_page(context, home=live_server.url, complaints=complaints)
        for address in addresses:
            page.goto(address)
            complaints += [f"{address}: {found}" for found in axe_complaints(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                complaints.append(f"{address} scrolls sideways")

    assert complaints == []


def test_a_printed_issue_is_dark_on_white_whatever_the_screen_prefers(live_server, sent):
    with browser() as chromium:
        page = chromium.new_context(color_scheme="dark").new_page()
        page.goto(editions.web_url(sent))
        page.emulate_media(media="print")
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        shown = [page.locator(one).is_visible() for one in ("article", "nav", ".mast")]

    assert colours == ["rgb(28, 26, 22)", "rgb(255, 255, 255)"]
    assert shown == [True, False, True]


def test_t23_no_attack_runs_in_the_archive(live_server, letter, settings):
    settings.SITE_URL = live_server.url
    complaints = []
    document = content.Document(
        envelopes={"id": content.Envelope(subject=ATTACKS[0] + ATTACKS[4], preheader=ATTACKS[0])},
        blocks=[
            content.Story(
                words={
                    "id": content.StoryWords(
                        headline=attack, summary=f"<p>{attack}</p>", url="https://kabarlintas.example/", update=attack
                    )
                }
            )
            for attack in ATTACKS
        ],
    )
    issue = make_sent(letter, document)
    with browser() as chromium:
        page = watched_page(chromium.new_context(), home=live_server.url, complaints=complaints)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(editions.web_url(issue))
        page.wait_for_timeout(300)
        stories = page.locator("article h2").count()

    assert stories == len(ATTACKS)
    assert complaints == []
