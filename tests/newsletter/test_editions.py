"""An issue becomes one edition per language: same blocks, same links, frozen once, safe HTML."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter import content, editions
from newsletter.models import Edition, Issue, Link
from newsletter.rendering import appearance, mjml, slots
from tests.chromium import browser, needs_chromium
from tests.examples import examples
from tests.factories import make_document, make_issue, make_newsletter, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


def one_block(block: content.BlockBase, **envelope: str) -> content.Document:
    words = {"subject": "Kabar pekan ini", "preheader": "Lima kabar imigrasi pekan ini, lima menit baca", **envelope}
    return content.Document(envelopes={"id": content.Envelope(**words)}, blocks=[block])


def test_the_mail_holds_the_facts_of_its_issue(now):
    issue = make_issue(make_newsletter(brand="Kabar Lintas"), stories=2)

    rendering = editions.render(issue, "en", tracked=True)

    assert rendering.subject == "New autogates, online permits"
    assert "<title>New autogates, online permits</title>" in rendering.html
    assert "Issue 1 · Tuesday, 24 November 2026" in rendering.html
    assert '<html lang="en" dir="ltr"' in rendering.html
    assert rendering.html.count("Autogate lane 1 opens") == 1
    assert rendering.html.count("https://surat.example/l/1/⟦hit⟧") == 2  # headline and button
    assert "https://surat.example/t/⟦hit⟧.gif" in rendering.html
    assert "https://surat.example/u/⟦u⟧/" in rendering.html
    assert "https://surat.example/p/⟦p⟧/" in rendering.html
    assert "https://surat.example/archive/2026/" in rendering.html
    assert "Jl. Contoh No. 10, Jakarta 12345" in rendering.html
    assert "⟦why⟧" in rendering.html
    assert [link.url for link in rendering.links] == [
        "https://kabarlintas.example/en/autogate-1",
        "https://kabarlintas.example/en/autogate-2",
    ]


def test_the_date_is_that_of_the_newsletters_zone():
    newsletter = make_newsletter(time_zone="Asia/Jayapura")
    issue = make_issue(newsletter)
    issue.scheduled_at = issue.edited_at.replace(hour=15, minute=30)  # 00:30 of the next day in Jayapura

    assert "Wednesday, 25 November 2026" in editions.render(issue, "en").html


def test_s08_the_text_part_says_the_same():
    issue = make_issue(document=gallery.document())

    rendering = editions.render(issue, "en", tracked=True)

    for fact in (
        "Issue 1 · Tuesday, 24 November 2026",
        "Immigration opens 12 new autogate lanes at Soekarno-Hatta",
        "less than 30 seconds",
        "Beware of scams",
        "Updated: 22 November, also for holders of an ITAP.",
        "- The arrival declaration, filled in",
        "In brief",
        "“Whoever asks for money without a billing code is not one of ours.”",
        "See the service hours in December:\nhttps://surat.example/l/",
        "Unsubscribe:\nhttps://surat.example/u/⟦u⟧/",
    ):
        assert fact in rendering.text
    assert "<p>" not in rendering.text
    assert "&" not in rendering.text.replace("scammer&", "")
    numbers = set(re.findall(r"/l/(\d+)/", rendering.html))
    assert numbers == set(re.findall(r"/l/(\d+)/", rendering.text)) == {str(link.number) for link in rendering.links}


def test_without_tracking_there_is_no_pixel_and_no_token_in_links():
    rendering = editions.render(make_issue(), "id")

    assert "⟦hit⟧" not in rendering.html + rendering.text
    assert 'href="https://kabarlintas.example/id/autogate-1"' in rendering.html


def test_a_block_in_another_language_says_so():
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}
    issue = make_issue(document=document)

    rendering = editions.render(issue, "en")

    marked = appearance.parse_html(rendering.html).find_class("blk-b002")[0]
    assert (marked.get("lang"), marked.get("dir")) == ("id", "ltr")
    assert "This article is in Indonesian." in rendering.html
    assert "This article is in Indonesian." in rendering.text


def test_a_block_in_a_language_that_warta_does_not_speak_says_so_too():
    document = make_document(stories=2)
    document.blocks[1].words = {"ar": story_words(2)}
    issue = make_issue(make_newsletter(languages=["ar", "en"]), document=document)

    html = editions.render(issue, "en").html

    assert "This article is in Arabic." in html
    assert appearance.parse_html(html).find_class("blk-b002")[0].get("dir") == "rtl"


def test_a_block_that_may_not_fall_back_is_left_out():
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}
    document.blocks[1].policy = {"en": "optional"}

    assert "autogate ke-2" not in editions.render(make_issue(document=document), "en").html


def test_pictures_come_from_our_own_site_with_their_description():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))

    images = re.findall(r"<img [^>]*>", editions.render(issue, "en").html)

    assert len(images) == 4
    assert all(re.search(r' src="https://surat\.example/media/(?:images|stills)/', image) for image in images)
    assert ' alt="People walk through autogates in the arrivals hall"' in images[0]
    assert ' width="536"' in images[0]


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("images/2026/11/antrean é.png", "https://surat.example/media/images/2026/11/antrean%20%C3%A9.png"),
        ('a" onerror="x', "https://surat.example/media/a%22%20onerror%3D%22x"),
        ("https://evil.example/x.png", "https://surat.example/media/https%3A//evil.example/x.png"),
        ("../../secret", ""),
        ("/etc/../x", ""),
        ("..\\secret", ""),
        ("", ""),
    ],
)
def test_pictures_never_come_from_outside_the_media_folder(path, address):
    assert editions.media_url(path) == address


def test_a_picture_without_an_address_is_not_shown():
    picture = content.Picture(media=1, path="../../secret", width=10, height=10)
    block = content.Lead(picture=picture, words={"id": story_words(1)})

    assert "<img" not in editions.render(make_issue(document=one_block(block)), "id").html


def test_no_host_but_ours_and_the_publishers_is_named():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))

    html = editions.render(issue, "id", tracked=True).html

    addresses = set(re.findall(r"""(?:href|src|url)\s*[=(]\s*["']?(\w+://[^/"')]+)""", html))
    assert addresses == {"https://surat.example", "https://kabarlintas.example"}


def test_ten_stories_stay_well_below_what_gmail_cuts_off():
    rendering = editions.render(make_issue(stories=10), "id", tracked=True)

    assert len(rendering.html.encode()) <= 75_000
    assert max(len(line.encode()) for line in rendering.html.split("\n")) < 900


# --- hostile texts ---------------------------------------------------------------------------------------------------

ATTACKS = [
    '" onerror=alert(1) x="',
    "' onerror=alert(1) x='",
    '"><script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "</mj-text><mj-raw><script>alert(1)</script></mj-raw>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "{{7*7}}{% load x %}{% include '/etc/passwd' %}",
    "⟦u⟧⟦hit⟧⟦blocks⟧⟦",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "]]><![CDATA[<script>",
    "“&quot;>“<é>Ý&é;",
    "&#8220;&#0;&#60;",
    "a < b && c > d \x0b\x7f\uffff “&<>”Ý>é<p>é",
    "<p",
    "&#60;script&#62;alert(1)",
    "\u202eevil\u202c \u2028 \u2029",
]


def every_kind(words: str) -> content.Document:
    story = content.StoryWords(headline=words, summary=words, url=words, link_text=words, image_alt=words, update=words)
    linked = story.model_copy(update={"url": "https://kabarlintas.example/" + words})
    text = content.TextWords(heading=words, body=f'<a href="{words}">{words}</a>')
    picture = content.Picture(media=1, path="images/x.png", width=1072, height=536)
    return content.Document(
        envelopes={"id": content.Envelope(subject=words, preheader=words)},
        blocks=[
            content.Lead(picture=picture, words={"id": linked}),
            content.Lead(words={"id": story}),
            content.Story(picture=picture, words={"id": linked}),
            content.Story(words={"id": story}),
            content.Brief(words={"id": linked}),
            content.Text(words={"id": text}),
            content.Callout(tone="scam", words={"id": text}),
            content.Quote(words={"id": content.QuoteWords(quote=words, source=words)}),
            content.Button(words={"id": content.ButtonWords(label=words, url=words)}),
        ],
    )


def assert_harmless(rendering: editions.Rendering) -> None:
    tree = appearance.parse_html(rendering.html)
    for element in tree.iter():
        if not isinstance(element.tag, str):
            assert "alert" not in (element.text or "")
            continue
        assert element.tag not in ("script", "iframe", "object", "embed", "svg", "form", "link", "base")
        assert not any(name.startswith("on") for name in element.attrib)
        for name in ("href", "src"):
            assert element.get(name, "https://").startswith(("https://", "mailto:"))
    assert set(slots.split(rendering.html).slots) <= slots.SLOT_NAMES
    assert set(slots.split(rendering.text).slots) <= slots.SLOT_NAMES
    assert "<mj-" not in rendering.html


def unsaved(document: content.Document, newsletter) -> Issue:
    issue = make_issue(newsletter, stories=0)
    issue.content = document.model_dump()
    return issue


@pytest.mark.parametrize("attack", ATTACKS)
def test_t23_attacks_in_every_field_of_every_block_stay_words(attack):
    newsletter = make_newsletter(brand=attack[:80], from_name=attack[:80], postal_address=attack)

    rendering = editions.render(unsaved(every_kind(attack), newsletter), "id", tracked=True)

    assert_harmless(rendering)


FRAGMENTS = st.lists(
    st.one_of(
        st.text(max_size=20), st.sampled_from([*ATTACKS, "<p>", "</p>", "<em>", "<ul><li>", "&amp;", "\n", "<br>"])
    ),
    max_size=12,
).map("".join)


@hypothesis_settings(
    deadline=None, max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=FRAGMENTS)
def test_whatever_editors_paste_the_mail_is_whole_and_harmless(words):
    issue = Issue(newsletter=make_newsletter_once(), number=7, slug="x-7", content=every_kind(words).model_dump())

    rendering = editions.render(issue, "id", tracked=True)

    assert_harmless(rendering)
    assert max(len(line.encode()) for line in rendering.html.split("\n")) < 998
    assert "/u/⟦u⟧/" in rendering.html


def make_newsletter_once():
    from newsletter.models import Newsletter

    return Newsletter.objects.filter(slug="sekali").first() or make_newsletter(slug="sekali")


# --- freeze ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_compiled_apart")
def test_freezing_writes_one_edition_per_language_and_numbers_links_across_them(now):
    issue = make_issue(stories=2)

    frozen = editions.freeze(issue, now=now)

    assert [edition.language for edition in frozen] == ["id", "en"]
    assert list(issue.links.order_by("number").values_list("number", "language", "url")) == [
        (1, "id", "https://kabarlintas.example/id/autogate-1"),
        (2, "id", "https://kabarlintas.example/id/autogate-2"),
        (3, "en", "https://kabarlintas.example/en/autogate-1"),
        (4, "en", "https://kabarlintas.example/en/autogate-2"),
    ]
    assert "/l/3/⟦hit⟧" in frozen[1].html
    assert "/l/3/⟦hit⟧" in frozen[1].text
    assert frozen[0].html == editions.render(issue, "id", tracked=True).html


def test_freezing_again_changes_nothing(now):
    issue = make_issue(stories=2)
    first = editions.freeze(issue, now=now)
    issue.content = content.dump(make_document(stories=1))

    again = editions.freeze(issue, now=now)

    assert [(edition.pk, edition.html) for edition in again] == [(edition.pk, edition.html) for edition in first]
    assert (Edition.objects.count(), Link.objects.count()) == (2, 4)


def test_without_tracking_no_link_is_written(now):
    issue = make_issue(make_newsletter(tracking="off"))

    frozen = editions.freeze(issue, now=now)

    assert Link.objects.count() == 0
    assert "⟦hit⟧" not in frozen[0].html


@pytest.mark.usefixtures("_compiled_apart")
def test_t25_ten_thousand_nested_tags_stop_the_freeze_and_nothing_else(now):
    block = content.Text(id="bpoison", words={"id": content.TextWords(body="<em>" * 10_000 + "x")})
    issue = make_issue(document=one_block(block))

    with pytest.raises(editions.RenderError) as caught:
        editions.freeze(issue, now=now)

    assert caught.value.block == "bpoison"
    assert Edition.objects.count() == 0


@pytest.mark.usefixtures("_compiled_apart")
def test_t25_input_nested_two_thousand_deep_stops_the_freeze_and_nothing_else(now, monkeypatch):
    deep = "<mj-section>" * 2000 + "</mj-section>" * 2000
    monkeypatch.setattr(editions, "render_template", _with_poison(editions.render_template, deep))
    issue = make_issue(stories=2)

    with pytest.raises(editions.RenderError) as caught:
        editions.freeze(issue, now=now)

    assert caught.value.block == "b001"
    assert Edition.objects.count() == 0


@pytest.mark.usefixtures("_compiled_apart")
def test_t25_a_compiler_that_dies_stops_the_freeze_and_nothing_else(now, monkeypatch):
    monkeypatch.setattr(mjml, "MODULE", "tests.newsletter.crashing_compiler")
    issue = make_issue(stories=1)

    with pytest.raises(editions.RenderError, match="Remove the block you changed last"):
        editions.freeze(issue, now=now)


def _with_poison(render, poison):
    return lambda name, context: poison if name.endswith("lead.mjml") else render(name, context)


# --- previews --------------------------------------------------------------------------------------------------------


def test_a_preview_has_no_slots_left_and_links_that_lead_straight_there():
    html = editions.preview_html(make_issue(), "en")

    assert "⟦" not in html
    assert "You receive this mail because you signed up for Weekly summary and confirmed it." in html
    assert "https://kabarlintas.example/en/autogate-1" in html


def test_the_dark_preview_is_dark_whatever_the_browser_prefers():
    html = editions.preview_html(make_issue(), "en", dark=True)

    assert "prefers-color-scheme" not in html
    assert "@media all" in html


def test_a_preview_without_images_shows_their_descriptions():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))

    html = editions.preview_html(issue, "en", images=False)

    assert "src=" not in html
    assert 'alt="People walk through autogates in the arrivals hall"' in html


def test_the_text_preview_is_plain():
    assert "because you signed up for Weekly summary" in editions.preview_text(make_issue(), "en")


# --- spam filters and screen readers ---------------------------------------------------------------------------------


@pytest.mark.browser
@needs_chromium
def test_axe_finds_nothing_serious_in_any_block_language_or_look():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))
    looks = [(language, dark) for language in ("id", "en") for dark in (False, True)]
    mails = [(editions.preview_html(issue, language, dark=dark), dark) for language, dark in looks]

    with browser() as chromium:
        found = [_serious(chromium, html, dark=dark) for html, dark in mails]

    assert found == [[], [], [], []]


def _serious(chromium, html: str, *, dark: bool) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    page = chromium.new_page(viewport={"width": 375, "height": 800}, color_scheme="dark" if dark else "light")
    page.route("**/*", lambda route: route.abort())
    page.set_content(html)
    violations = Axe().run(page).response["violations"]
    too_wide = page.evaluate("document.documentElement.scrollWidth") > 375
    page.close()
    return [rule["id"] for rule in violations if rule["impact"] in ("serious", "critical")] + ["too wide"] * too_wide


# --- merge fields ----------------------------------------------------------------------------------------------------

GREETING = '<p>Halo <span data-merge="name">Sahabat & kawan</span>, ini kabar pekan ini.</p>'


def test_a_readers_name_has_a_place_in_mail_and_text_with_words_for_those_without():
    issue = make_issue(document=one_block(content.Text(id="bhalo", words={"id": content.TextWords(body=GREETING)})))

    assert "Halo Sahabat &amp; kawan, ini" in editions.preview_html(issue, "id")
    assert "Halo Sahabat & kawan, ini" in editions.preview_text(issue, "id")
    assert "Halo &lt;b&gt;Siti, ini" in editions.preview_html(issue, "id", name="<b>Siti")
    assert "Halo <b>Siti, ini" in editions.preview_text(issue, "id", name="<b>Siti")


@pytest.mark.parametrize("kind", ["summary", "facts", "answer"])
def test_a_merge_field_may_stand_in_every_text_with_formatting(kind):
    blocks = {
        "summary": content.Story(
            words={"id": content.StoryWords(headline="Kabar", url=gallery.SITE, summary=GREETING)}
        ),
        "facts": content.Image(
            picture=content.Picture(media=1, path="a.png", width=800, height=400),
            words={"id": content.ImageWords(image_alt="Peta", facts=GREETING)},
        ),
        "answer": content.Faq(
            words={"id": content.FaqWords(questions=[content.FaqEntry(question="Apa?", answer=GREETING)])}
        ),
    }

    rendering = editions.render(make_issue(document=one_block(blocks[kind])), "id")

    assert [key for key in slots.split(rendering.html).slots if key.startswith("name:")]
    assert [key for key in slots.split(rendering.text).slots if key.startswith("name:")]


def test_e28_many_long_names_make_no_line_too_long():
    many = '<span data-merge="name">Sahabat</span> dan ' * 40
    issue = make_issue(document=one_block(content.Text(id="bhalo", words={"id": content.TextWords(body=many)})))

    html = editions.render(issue, "id").html

    longest = slots.fill(slots.split(html), {"hit": "", "u": "", "p": "", "why": "", "name": "n" * 360})
    assert max(len(line.encode()) for line in longest.split("\n")) < 998
