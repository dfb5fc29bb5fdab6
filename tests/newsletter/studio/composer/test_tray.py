"""What the composer offers: articles in bands with their reasons, a search, pasted addresses, saved blocks."""

from __future__ import annotations

import datetime

import pytest
from django.urls import reverse

from newsletter import articles, issues
from newsletter.media import library
from newsletter.models import Article, Candidate, CandidateState, Issue
from newsletter.studio.composer import tray
from tests.factories import NOW, make_editor, make_issue, make_newsletter
from tests.newsletter.studio.composer.composer_client import HTMX, either_way, ids, step, stored

pytestmark = pytest.mark.django_db
WEEK = datetime.timedelta(days=7)


def make_article(title, *, age=datetime.timedelta(hours=2), **fields):
    name = title.lower().replace(" ", "-")
    defaults = {"guid": name, "url": f"https://kabarlintas.example/{name}", "language": "id", "published_at": NOW - age}
    return Article.objects.create(title=title, **{**defaults, **fields})


def sent(newsletter, at=NOW - WEEK):
    other = make_issue(newsletter)
    Issue.objects.filter(pk=other.pk).update(status="sent", sent_at=at)
    return other


def bands(issue, words=""):
    return {band.key: [offer.article.title for offer in band.offers] for band in tray.build(issue, words).groups}


# --- bands -----------------------------------------------------------------------------------------------------------


def test_articles_stand_in_bands_by_the_last_issue_and_their_use(newsletter, issue):
    last = sent(newsletter)
    make_article("Paspor hilang")
    make_article("Visa pelajar", age=2 * WEEK)
    used = make_article("Kuota antrean")
    issues.add_article(Issue.objects.get(pk=make_issue(newsletter).pk), used, editor=None, now=NOW)
    aside = make_article("Libur kantor")
    Candidate.objects.create(newsletter=newsletter, url=aside.url, article=aside, state=CandidateState.SKIPPED)

    found = tray.build(issue)

    assert bands(issue) == {
        "new": ["Paspor hilang"],
        "older": ["Visa pelajar"],
        "used": ["Kuota antrean"],
        "aside": ["Libur kantor"],
    }
    assert found.groups[0].title == f"New since #{last.number}"
    assert found.groups[2].offers[0].used_in.number > last.number


def test_without_a_sent_issue_all_that_is_unused_is_new(issue):
    make_article("Paspor hilang", age=9 * WEEK)

    assert bands(issue) == {"new": ["Paspor hilang"]}
    assert tray.build(issue).groups[0].title == ""


def test_an_article_in_the_issue_is_not_offered_again(issue):
    article = make_article("Paspor hilang")
    issue = issues.add_article(issue, article, editor=None, now=NOW)

    assert bands(issue) == {}


def test_who_set_an_article_aside_is_named(studio, newsletter, issue):
    aside = make_article("Libur kantor")
    dewi = make_editor(newsletter, name="Dewi Anggraini")
    Candidate.objects.create(
        newsletter=newsletter, url=aside.url, article=aside, state=CandidateState.SKIPPED, asked_by=dewi
    )

    assert "Set aside by Dewi Anggraini" in studio.get(reverse("issue-compose", args=[issue.pk])).text


def test_an_address_that_gave_no_article_is_there_with_its_reason(studio, newsletter, issue):
    Candidate.objects.create(
        newsletter=newsletter,
        url="https://kabarlintas.example/tag/paspor",
        state=CandidateState.SKIPPED,
        reason="This page is a list of articles.",
    )

    page = studio.get(reverse("issue-compose", args=[issue.pk])).text

    assert "1 address skipped" in page
    assert "This page is a list of articles." in page


def test_the_tray_asks_as_often_for_many_articles_as_for_few(newsletter, issue, django_assert_num_queries):
    sent(newsletter)
    make_article("Kabar 1")

    with django_assert_num_queries(6):
        tray.build(issue)
    for number in range(2, 40):
        make_article(f"Kabar {number}")
    with django_assert_num_queries(6):
        tray.build(issue)


# --- search ----------------------------------------------------------------------------------------------------------


@either_way
def test_the_tray_is_searched(studio, issue, htmx):
    make_article("Paspor hilang")
    make_article("Visa pelajar")

    response = studio.get(
        reverse("issue-tray", args=[issue.pk]), {"q": "visa"}, headers=HTMX if htmx else {}, follow=True
    )

    assert "Visa pelajar" in response.text
    assert "Paspor hilang" not in response.text


def test_a_search_by_button_saves_and_keeps_the_words(studio, issue):
    make_article("Paspor hilang")

    response = step(studio, issue, "find", q="paspor", subject="Baru diketik")
    page = studio.get(response.url).text

    assert stored(issue).envelopes["id"].subject == "Baru diketik"
    assert 'name="q" type="search"' in page
    assert 'value="paspor"' in page


def test_a_search_that_finds_nothing_says_so(studio, issue):
    response = studio.get(reverse("issue-tray", args=[issue.pk]), {"q": "kapal"}, headers=HTMX)

    assert "No article with “kapal”." in response.text


# --- pasted addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://kabarlintas.example/paspor", "https://kabarlintas.example/paspor"),
        ("kabarlintas.example/paspor", "kabarlintas.example/paspor"),
        ("paspor hilang", ""),
        ("paspor", ""),
        ("kabarlintas.example", ""),
        ("", ""),
    ],
)
def test_an_address_is_told_from_words(typed, address):
    assert tray.parse_url(typed) == address


def test_a_pasted_address_is_offered_to_be_read(studio, issue):
    address = "https://kabarlintas.example/paspor"

    response = studio.get(reverse("issue-tray", args=[issue.pk]), {"q": address}, headers=HTMX)

    assert f'value="paste:{address}"' in response.text


@pytest.fixture
def web(monkeypatch):
    """The pages that can be read: by address, what they give or why not."""
    pages = {}

    def add_by_url(url, *, newsletter, now):
        if url not in pages:
            raise articles.NotAnArticle("This page was not found.")
        return pages[url]

    monkeypatch.setattr(articles, "add_by_url", add_by_url)
    return pages


@either_way
@pytest.mark.parametrize("press", ["paste:https://x.example/a", "save"], ids=["button", "enter"])
def test_a_pasted_address_becomes_a_block_at_its_place(studio, issue, web, press, htmx):
    web["https://x.example/a"] = make_article("Paspor hilang")

    response = step(studio, issue, press, htmx=htmx, q="https://x.example/a", tray_after="b001")
    page = response.text if htmx else studio.get(response.url).text

    assert stored(issue).blocks[1].words["id"].headline == "Paspor hilang"
    assert "https://x.example/a" not in page


@either_way
def test_a_page_that_is_no_article_says_why_and_keeps_what_was_typed(studio, issue, web, htmx):
    response = step(studio, issue, "paste:https://x.example/b", htmx=htmx, subject="Baru diketik")
    page = response.text if htmx else studio.get(response.url).text

    assert "This page was not found." in page
    assert stored(issue).envelopes["id"].subject == "Baru diketik"
    assert len(ids(issue)) == 3


def test_an_article_that_is_in_the_issue_is_not_told_twice(studio, issue, web):
    article = web["https://x.example/a"] = make_article("Paspor hilang")
    issue = issues.add_article(issue, article, editor=None, now=NOW)

    response = step(studio, issue, "paste:https://x.example/a", htmx=True)

    assert "“Paspor hilang” is already in this issue." in response.text
    assert len(ids(issue)) == 4


def test_an_address_waiting_in_the_search_is_not_read_by_a_save_nobody_pressed(studio, issue, web):
    web["https://x.example/a"] = make_article("Paspor hilang")

    step(studio, issue, "", htmx=True, q="https://x.example/a", subject="Baru diketik")

    assert len(ids(issue)) == 3


# --- adding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "place", "index"),
    [("article:{}", "", 3), ("article:{}", "b001", 1), ("article:{}:b002", "", 2), ("article:{}", "top", 0)],
)
@either_way
def test_an_article_goes_where_it_was_asked_for(studio, issue, do, place, index, htmx):
    article = make_article("Paspor hilang")

    step(studio, issue, do.format(article.pk), htmx=htmx, tray_after=place)

    assert stored(issue).blocks[index].article == article.pk


@either_way
def test_a_saved_block_is_put_into_the_issue(studio, newsletter, issue, htmx):
    saved = library.save_block(newsletter, stored(issue).block("b001"), name="Pembuka", editor=None, now=NOW)

    response = step(studio, issue, f"saved:{saved.pk}", htmx=htmx, tray_after="b002")
    page = response.text if htmx else studio.get(response.url).text

    assert [block.kind for block in stored(issue).blocks] == ["lead", "story", "story", "story"]
    assert ids(issue)[2] not in {"b001", "b002", "b003"}
    assert "Pembuka" in page


def test_a_saved_block_of_another_newsletter_is_not_there(studio, issue):
    other = make_newsletter()
    saved = library.save_block(other, stored(issue).block("b001"), name="Rahasia", editor=None, now=NOW)

    step(studio, issue, f"saved:{saved.pk}")

    assert len(ids(issue)) == 3
