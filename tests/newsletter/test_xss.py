"""Hostile texts in every text field: no script runs in mail, preview or archive; errors name the block (T-23, T-25)."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import translation

from newsletter import checks, content, editions
from newsletter.models import Issue, IssueStatus
from newsletter.rendering import appearance
from tests.chromium import browser, needs_chromium
from tests.factories import NOW, make_issue, make_newsletter
from tests.newsletter import gallery
from tests.newsletter import xss_payloads as hostile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


CASES = [
    *((words, hostile.LINK) for words in hostile.STRINGS),
    *(("Kabar", address) for address in hostile.ADDRESSES),
]


def runnable(html: str) -> list[str]:
    """Elements and attributes that could run or load something, as lxml parses them."""
    found = []
    for element in appearance.parse_html(html).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in ("script", "iframe", "object", "embed", "svg", "math", "form", "base", "template"):
            found.append(element.tag)
        for name, value in element.attrib.items():
            if name.startswith("on") or name in ("srcdoc", "formaction"):
                found.append(f"{element.tag} {name}")
            if name in ("href", "src", "action", "background") and not value.startswith(("https://", "mailto:")):
                found.append(f"{element.tag} {name}={value[:40]}")
    return found


@pytest.mark.parametrize(("words", "address"), CASES)
def test_t23_attacks_stay_words_in_mail_and_text(words, address):
    issue = make_issue(document=hostile.document(words, address=address, picture=gallery.make_picture()))

    rendering = editions.render(issue, "id", tracked=True)

    assert runnable(rendering.html) == []
    assert rendering.html.count("⟦") == rendering.html.count("⟧")
    assert [
        check
        for check in checks.check_rendering(rendering, newsletter=issue.newsletter)
        if not check.ok and check.is_system
    ] == []


@pytest.mark.parametrize("address", hostile.ADDRESSES[:10])
def test_an_address_that_is_none_blocks_and_names_each_of_its_blocks(address):
    issue = make_issue(document=hostile.document("Kabar", address=address, picture=gallery.make_picture()))

    named = {check.block for check in checks.check_issue(issue) if check.id == "link" and not check.ok}

    assert named == {"blead", "bstory", "bbrief", "bimage", "bvideo", "bevent", "bbutton"}


# --- input that kills compilers (F-1) --------------------------------------------------------------------------------

DEEP = {
    "2,000 nested sections": "<mj-section>" * 2_000 + "x" + "</mj-section>" * 2_000,
    "10,000 nested elements": "<div>" * 10_000 + "x" + "</div>" * 10_000,
    "240 nested lists": "<ul><li>" * 240 + "x" + "</li></ul>" * 240,
    "100,000 unclosed tags": "<em>" * 100_000,
    "a million characters": "x" * 1_000_000,
}
RICH = {
    "blead": "summary",
    "btext": "body",
    "bnotice": "body",
    "bimage": "facts",
    "bvideo": "summary",
    "bevent": "summary",
}


def deep(block_id: str, words: str) -> content.Document:
    document = hostile.document("Kabar", picture=gallery.make_picture())
    block = document.block(block_id)
    if block_id == "bfaq":
        block.words["id"].questions[0].answer = words
    else:
        setattr(block.words["id"], RICH[block_id], words)
    return document


@pytest.mark.parametrize("block", [*RICH, "bfaq"])
@pytest.mark.parametrize(
    "words", [words for name, words in DEEP.items() if "lists" not in name], ids=lambda words: words[:12]
)
def test_t25_what_is_nested_too_deep_is_refused_in_words_and_its_block_named(block, words, now):
    issue = make_issue(document=deep(block, words))

    for make in (lambda: editions.render(issue, "id"), lambda: editions.freeze(issue, now=now)):
        with translation.override("en"), pytest.raises(editions.RenderError) as caught:
            make()
        assert caught.value.block == block
        assert "Paste it again as plain text" in str(caught.value)
    assert [(check.id, check.block) for check in checks.check_issue(issue) if check.id == "render"][0] == (
        "render",
        block,
    )


def test_t25_nesting_below_the_limit_is_flattened():
    issue = make_issue(document=deep("btext", DEEP["240 nested lists"]))

    html = editions.render(issue, "id").html

    assert len(html) < 100_000
    assert "<ul" in html
    assert runnable(html) == []


@pytest.mark.parametrize("field", ["headline", "image_alt", "link_text"])
def test_a_line_of_a_megabyte_is_refused_and_its_block_named(field):
    document = hostile.document("Kabar", picture=gallery.make_picture())
    setattr(document.block("bstory").words["id"], field, "x" * 1_000_000)

    with pytest.raises(editions.RenderError) as caught:
        editions.render(make_issue(document=document), "id")

    assert caught.value.block == "bstory"


def test_t25_the_calendar_file_of_such_an_event_is_still_there(client):
    issue = make_issue(document=deep("bevent", DEEP["10,000 nested elements"]))

    response = client.get(editions.calendar_url(issue, "bevent", "id").removeprefix("https://surat.example"))

    assert response.status_code == 200


# --- in a browser ----------------------------------------------------------------------------------------------------

LIVE = """() => [...document.querySelectorAll('*')].flatMap((element) => [
  ...(/^(script|iframe|object|embed|form|base|template)$/i.test(element.localName) && !element.matches('script[type="application/ld+json"]') ? [element.localName] : []),
  ...[...element.attributes].filter((one) => /^on/i.test(one.name) || /^\\s*(javascript|vbscript|data):/i.test(one.value) && /^(href|src|action|xlink:href)$/i.test(one.name)).map((one) => `${element.localName} ${one.name}`),
])"""
"""What a browser would run, at once or at a click."""


@pytest.fixture
def sent(settings) -> Issue:
    issue = make_issue(make_newsletter(languages=["id"]))
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, scheduled_at=NOW, started_at=NOW, sent_at=NOW)
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


@needs_chromium
@pytest.mark.browser
def test_t23_no_script_runs_in_mail_or_archive_in_a_browser(sent, client):
    """Without the Content-Security-Policy, which would stop scripts anyway: the pages themselves contain nothing that
    runs.
    """
    picture, pages = gallery.make_picture(), []
    for words, address in CASES:
        sent.content = content.dump(hostile.document(words, address=address, picture=picture))
        sent.save()
        pages.append(("mail", words, address, editions.preview_html(sent, "id", name=words)))
        archived = client.get(reverse("archive-issue", kwargs={"year": 2026, "slug": sent.slug}), {"lang": "id"})
        assert archived.status_code == 200
        pages.append(("archive", words, address, archived.content.decode()))
    said: list[str] = []
    ran: list[tuple[str, ...]] = []

    with browser() as chromium:
        page = chromium.new_page()
        page.route("**/*", lambda route: route.abort())
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        for kind, words, address, html in pages:
            page.set_content(html, wait_until="commit")
            held = page.evaluate(LIVE)
            if held or said:
                ran.append((kind, words, address, *held, *said))
            said.clear()

    assert ran == []
    assert len(pages) == 2 * len(CASES)


@needs_chromium
@pytest.mark.browser
def test_the_browser_would_have_told_of_a_script():
    """The check above can fail: each of these runs in a page that does not escape its text."""
    with browser() as chromium:
        page, said = chromium.new_page(), []
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.set_content(f'<p>{hostile.STRINGS[10]}</p><img alt="{hostile.STRINGS[0]}" src=x>')
        page.wait_for_timeout(200)

        assert said == ["warta", "warta"]
        assert "img onerror" in page.evaluate(LIVE)


def test_the_words_of_an_attack_are_still_there_to_be_read():
    """No text is lost: readers see what an editor typed into a headline."""
    words = 'Jangan ketik <script>alert("x")</script> & {{7*7}}'
    issue = make_issue(document=hostile.document(words))

    tree = appearance.parse_html(editions.render(issue, "id").html)

    assert tree.find(".//h1").text_content() == words
