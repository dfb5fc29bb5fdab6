"""Forms that no page of ours makes, and texts that no person types: every page must still open afterwards."""

from __future__ import annotations

from html import escape

import pytest
from django.urls import reverse

from newsletter import content, issues
from newsletter.media import library
from newsletter.models import Article, Issue, Source
from tests.factories import NOW, make_document, make_issue
from tests.newsletter.studio.composer.composer_client import either_way, form_of, post, step, stored
from tests.newsletter.studio.composer.test_image_picker import photo, picture_of

pytestmark = pytest.mark.django_db
PAGES = ("issue-compose", "issue-preview", "issue-checks", "issue-history", "issue-languages", "issue-look")


@pytest.fixture
def issue(newsletter):
    document = make_document()
    document.blocks += [
        content.Text(id="btxt"),
        content.Image(id="bimg"),
        content.CalendarEvent(id="bevt", words={"id": content.CalendarEventWords(headline="Temu pembaca")}),
    ]
    return make_issue(newsletter, document=document)


def open_every_page(client, issue):
    for name in PAGES:
        assert client.get(reverse(name, args=[issue.pk])).status_code == 200
    assert client.get(reverse("studio-start")).status_code == 200
    assert client.get(reverse("article-list")).status_code == 200


# --- texts -----------------------------------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize(
    "text",
    ["a\n\n" * 1300, "a\n" * 1900, "- a\n" * 900, "<p>a" * 950, "x" * 200_000, "<" * 5000],
    ids=["paragraphs", "lines", "items", "open tags", "long", "brackets"],
)
def test_a_text_that_is_too_much_is_refused_and_stays_in_its_field(studio, issue, text, htmx):
    response = step(studio, issue, "", htmx=htmx, **{"btxt.body": text})

    assert response.status_code == 422
    assert 'href="#btxt-body"' in response.text
    assert htmx or escape(text.strip()) in response.text
    assert not stored(issue).block("btxt").words
    open_every_page(studio, issue)


# --- moments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["２０２６-12-01T09:00", "٢٠٢٦-١٢-٠١ ٠٩:٠٠"], ids=["full width", "Arabic"])
def test_digits_of_other_scripts_make_the_same_moment(studio, issue, typed):
    response = step(studio, issue, "", **{"bevt.starts_at": typed})

    assert response.status_code == 302
    assert stored(issue).block("bevt").starts_at == "2026-12-01T09:00"


def test_pages_open_with_a_stored_moment_that_cannot_be_read(studio, issue):
    document = content.parse(issue.content)
    document.block("bevt").starts_at = "２０２６-12-01T09:00"
    issues.save(issue, document, version=issue.version, editor=None, now=NOW)

    open_every_page(studio, issue)


# --- languages -------------------------------------------------------------------------------------------------------


def with_article(issue, **fields):
    article = Article.objects.create(guid="g1", url="https://kabarlintas.example/g1", created_at=NOW, **fields)
    document = content.parse(issue.content)
    document.blocks[0].article = article.pk
    return issues.save(issue, document, version=issue.version, editor=None, now=NOW)


def test_an_article_gives_no_words_in_a_language_the_newsletter_does_not_have(studio, issue):
    issue = with_article(issue, title="Judul", language="zzz")

    step(studio, issue, "twin:b001:zzz")

    assert sorted(stored(issue).block("b001").words) == ["en", "id"]


def test_pages_open_with_changed_words_in_a_language_nobody_knows(studio, issue):
    issue = with_article(issue, title="Judul baru", language="zzz")
    document = content.parse(issue.content)
    document.blocks[0].words["zzz"] = content.StoryWords(headline="Judul", url="https://kabarlintas.example/g1")
    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)

    open_every_page(studio, issue)


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_and_descriptions_are_kept_without_control_characters(studio, issue, newsletter):
    file = picture_of(newsletter)
    saved = library.save_block(newsletter, content.Text(), name="Salam", editor=None, now=NOW)
    form = form_of(issue, shelve="btxt", **{"btxt.name": "Sa\0lam\x0b pagi"})

    post(studio, "issue-block-keep", issue, form)
    studio.post(reverse("saved-block-rename", args=[saved.pk]), {"name": "Sa\0lam sore"})
    studio.post(reverse("issue-image-describe", args=[issue.pk, file.pk]), {"alt": "Lo\0ket"})
    studio.post(reverse("issue-image-add", args=[issue.pk]), {"file": photo(colour="red"), "alt": "Me\0ja"})

    assert sorted(block.name for block in library.saved_blocks(newsletter)) == ["Salam pagi", "Salam sore"]
    assert sorted(file.alt for file in library.search(newsletter)) == ["Loket", "Meja"]


@pytest.mark.parametrize("name", ["article-add", "article-paste", "article-use", "article-set-aside"])
def test_no_newsletter_has_a_nul_in_its_address(studio, newsletter, name):
    assert studio.post(reverse(name), {"newsletter": f"{newsletter.slug}\0"}).status_code == 404


def test_no_reading_of_a_site_has_a_nul_in_its_address(studio):
    assert studio.get("/studio/site/reading/%00/").status_code == 404


# --- size ------------------------------------------------------------------------------------------------------------


def test_an_issue_full_of_questions_can_be_saved(studio, newsletter):
    questions = [content.FaqEntry(question="Berapa lama?", answer="<p>Tiga hari.</p>")] * 20
    issue = make_issue(newsletter, document=content.Document())
    document = content.parse(issue.content)
    for number in range(60):
        words = {"id": content.FaqWords(heading="Tanya jawab", questions=questions)}
        document.blocks.append(content.Faq(id=f"bfaq{number}", words=words))
    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)

    response = step(studio, issue, "", subject="Enam puluh kali tanya")

    assert response.status_code == 302
    assert stored(issue).envelopes["id"].subject == "Enam puluh kali tanya"


def test_choosing_more_articles_than_an_issue_holds_begins_no_issue(studio, newsletter):
    source = Source.objects.create(newsletter=newsletter, url="https://kabarlintas.example/umpan.xml")
    chosen = [
        Article.objects.create(
            guid=f"g{number}",
            url=f"https://kabarlintas.example/{number}",
            title=f"Kabar {number}",
            language="id",
            source=source,
            created_at=NOW,
        ).pk
        for number in range(61)
    ]

    page = studio.post(reverse("article-use"), {"many": "yes", "article": chosen}, follow=True)

    assert "An issue can have at most 60 blocks." in page.text
    assert not Issue.objects.exists()
