"""Candidates: pasted addresses, addresses left out with a reason, translations, skipped articles."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import translation

from newsletter import articles
from newsletter.articles import candidates
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, Candidate, CandidateState, Source
from tests.factories import NOW, make_editor, make_newsletter
from tests.newsletter.articles.test_storing import feed_of, item, page, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def dewi(newsletter):
    return make_editor(newsletter, name="Dewi")


def states(newsletter) -> dict[str, str]:
    return {one.url.rpartition("/")[2]: one.state for one in newsletter.candidates.all()}


# --- pasted ----------------------------------------------------------------------------------------------------------


def test_pasted_addresses_are_read_oldest_first_by_the_next_worker(web, newsletter, dewi):
    for number in (1, 2):
        web.put(f"/demo/{number}", page(f"Kabar {number}"))
    text = f"{web.origin}/demo/1?utm_source=x\n{web.origin}/demo/2\n{web.origin}/demo/tidak-ada"

    pasted = articles.enqueue_pasted(text, newsletter=newsletter, editor=dewi, now=NOW)
    read = articles.read_due_candidates(now=NOW)

    assert (len(pasted.waiting), pasted.wrong, read) == (3, [], 2)
    assert [path for path, _ in web.asked] == ["/demo/1", "/demo/2", "/demo/tidak-ada"]
    assert states(newsletter) == {"1": "taken", "2": "taken", "tidak-ada": "skipped"}
    assert set(articles.search(newsletter=newsletter).values_list("title", flat=True)) == {"Kabar 1", "Kabar 2"}


def test_why_an_address_was_left_out_is_kept_and_told_in_the_readers_language(web, newsletter, dewi):
    url = web.put("/demo/galeri", "<title>Galeri</title><h1>Galeri upacara</h1><p>Tiga kata saja.</p>")
    articles.enqueue_pasted(url, newsletter=newsletter, editor=dewi, now=NOW)
    with translation.override("id"):
        articles.read_due_candidates(now=NOW)

    left_out = newsletter.candidates.get()

    assert left_out.reason.startswith("This page has too little text for an article: 3 words.")
    assert left_out.title == "Galeri upacara"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("This is larger than 5 MB, so it is not read.", "lebih besar dari 5 MB"),
        ("This is a PDF file, written by hand.", "This is a PDF file, written by hand."),
        ("The site took too long to answer. Try again later.", "terlalu lama"),
        ("A reason 7 of an older release.", "A reason 7 of an older release."),
        ("", ""),
    ],
)
def test_a_stored_reason_is_told_in_the_language_of_whoever_reads_it(reason, told):
    with translation.override("id"):
        assert told in articles.translate_reason(reason)
    assert articles.translate_reason(reason) == reason


def test_an_address_left_out_can_be_tried_again(web, newsletter, dewi):
    articles.enqueue_pasted(web.origin + "/demo/1", newsletter=newsletter, editor=dewi, now=NOW)
    articles.read_due_candidates(now=NOW)
    web.put("/demo/1", page("Kabar 1"))

    assert articles.read_due_candidates(now=NOW + timedelta(hours=1)) == 0
    assert articles.retry(newsletter.candidates.all(), now=NOW) == 1
    assert articles.read_due_candidates(now=NOW) == 1
    assert states(newsletter) == {"1": "taken"}


def test_pasting_it_once_more_tries_again_too(web, newsletter, dewi):
    for _ in range(2):
        articles.enqueue_pasted(web.origin + "/demo/1", newsletter=newsletter, editor=dewi, now=NOW)
        articles.read_due_candidates(now=NOW)
        web.put("/demo/1", page("Kabar 1"))

    assert states(newsletter) == {"1": "taken"}


def test_a_page_with_too_few_words_is_taken_where_an_editor_insists(web, newsletter):
    url = web.put("/demo/galeri", "<h1>Galeri upacara</h1><p>Tiga kata saja.</p>")

    with pytest.raises(articles.NotAnArticle):
        articles.add_by_url(url, newsletter=newsletter, now=NOW)
    article = articles.add_by_url(url, newsletter=newsletter, now=NOW, anyway=True)

    assert article.title == "Galeri upacara"


def test_an_address_that_a_worker_died_on_is_read_by_another_five_minutes_later(web, newsletter, dewi):
    articles.enqueue_pasted(web.put("/demo/1", page("Kabar")), newsletter=newsletter, editor=dewi, now=NOW)
    newsletter.candidates.update(done_at=NOW)

    assert articles.read_due_candidates(now=NOW + timedelta(minutes=4)) == 0
    assert articles.read_due_candidates(now=NOW + timedelta(minutes=5)) == 1


def test_no_more_than_a_hundred_are_taken_at_once_and_the_rest_is_said(newsletter, dewi):
    lines = "\n".join(f"https://kabar.example/{number}" for number in range(120))

    pasted = articles.enqueue_pasted(lines, newsletter=newsletter, editor=dewi, now=NOW)

    assert (len(pasted.waiting), len(pasted.wrong)) == (100, 20)


@pytest.mark.parametrize(
    "line", ["bukan alamat", "javascript:alert(1)", "ftp://kabar.example/a", "https://", "x" * 5000]
)
def test_a_line_that_is_no_address_is_given_back(newsletter, dewi, line):
    assert articles.enqueue_pasted(line, newsletter=newsletter, editor=dewi, now=NOW).wrong == [line]
    assert not Candidate.objects.exists()


def test_an_article_that_is_here_is_taken_at_once(newsletter, dewi):
    article, _ = articles.upsert(ArticleData("https://kabar.example/a", title="A"), source=None, now=NOW)

    pasted = articles.enqueue_pasted("https://kabar.example/a", newsletter=newsletter, editor=dewi, now=NOW)

    assert (pasted.known, pasted.waiting) == ([article], [])


def test_one_address_keeps_its_time_also_with_a_slow_picture(web, newsletter, monkeypatch):
    monkeypatch.setattr(candidates, "ADD_TIMEOUT_S", 0.5)
    url = web.put("/demo/1", page("Kabar", head='<meta property="og:image" content="/demo/g.png">'))
    web.answers["/demo/g.png"] = lambda handler: time.sleep(3)
    began = time.monotonic()

    article = articles.add_by_url(url, newsletter=newsletter, now=NOW)

    assert time.monotonic() - began < 1.5
    assert (article.title, article.image) == ("Kabar", None)
    web.put("/demo/g.png", picture(), kind="image/png")
    assert articles.refresh(article, now=NOW).image is not None


# --- newsletter of an article ----------------------------------------------------------------------------------------


def test_an_article_added_by_address_belongs_to_the_newsletter_it_was_added_to(web, newsletter):
    other = make_newsletter()
    articles.add_by_url(web.put("/demo/1", page("Kabar")), newsletter=newsletter, now=NOW)

    assert articles.search(newsletter=newsletter).count() == 1
    assert articles.search(newsletter=other).count() == 0
    articles.add_by_url(web.origin + "/demo/1", newsletter=other, now=NOW)
    assert articles.search(newsletter=other).count() == 1


def test_an_article_in_the_feeds_of_two_newsletters_is_in_both_lists(web, newsletter):
    web.put("/demo/umpan.xml", feed_of(item(1)))
    web.put("/demo/lain.xml", feed_of(item(1)))
    other = make_newsletter()
    for owner, name in ((newsletter, "umpan"), (other, "lain")):
        articles.collect(Source.objects.create(newsletter=owner, url=f"{web.origin}/demo/{name}.xml"), now=NOW)

    assert [articles.search(newsletter=owner).count() for owner in (newsletter, other)] == [1, 1]
    assert Article.objects.count() == 1


# --- translations ----------------------------------------------------------------------------------------------------


def twin_page(title: str, language: str, twins: dict[str, str]) -> str:
    head = "".join(f'<link rel="alternate" hreflang="{code}" href="{path}">' for code, path in twins.items())
    return page(title, head=head).replace('lang="id"', f'lang="{language}"')


def test_the_versions_in_the_newsletters_languages_come_along(web, newsletter):
    twins = {"id": "/demo/1", "en": "/demo/en/1", "zh": "/demo/zh/1"}
    url = web.put("/demo/1", twin_page("Kuota", "id", twins))
    web.put("/demo/en/1", twin_page("Quota", "en", twins))

    articles.add_by_url(url, newsletter=newsletter, now=NOW)
    articles.read_due_candidates(now=NOW)

    assert sorted(Article.objects.values_list("language", "title")) == [("en", "Quota"), ("id", "Kuota")]


def test_the_twin_of_a_feeds_article_belongs_to_the_feed(web, newsletter):
    source = Source.objects.create(newsletter=newsletter, url=web.origin + "/demo/umpan.xml")
    twins = {"id": "/demo/1", "en": "/demo/en/1"}
    web.put("/demo/umpan.xml", feed_of(item(1)))
    web.put("/demo/1", twin_page("Kabar 1", "id", twins))
    web.put("/demo/en/1", twin_page("News 1", "en", twins))

    articles.collect(source, now=NOW)
    articles.read_due_candidates(now=NOW)

    assert Article.objects.get(language="en").source == source


def test_a_twin_that_cannot_be_read_bothers_nobody(web, newsletter):
    url = web.put("/demo/1", twin_page("Kuota", "id", {"en": "/demo/en/1"}))
    web.answers["/demo/en/1"] = (503, {}, b"")
    articles.add_by_url(url, newsletter=newsletter, now=NOW)

    articles.read_due_candidates(now=NOW)
    assert newsletter.candidates.get(url__endswith="/en/1").state == "waiting"  # the site is down: it is tried again
    web.answers["/demo/en/1"] = (404, {}, b"")
    articles.read_due_candidates(now=NOW + timedelta(minutes=5))

    assert list(newsletter.candidates.values_list("state", flat=True)) == ["taken"]


# --- addresses in feeds that are not articles ------------------------------------------------------------------------


def test_what_a_sitemap_names_and_is_no_article_is_kept_with_the_reason_and_not_asked_for_again(web, newsletter):
    source = Source.objects.create(newsletter=newsletter, url=web.origin + "/demo/peta.xml")
    urls = "".join(f"<url><loc>{web.origin}/demo/{name}</loc></url>" for name in ("a", "galeri"))
    web.put("/demo/peta.xml", f"<urlset>{urls}</urlset>", kind="application/xml")
    web.put("/demo/a", page("Kabar"))
    web.put("/demo/galeri", "<h1>Galeri upacara</h1><p>Tiga kata saja.</p>")

    first = articles.collect(source, now=NOW)
    web.asked.clear()
    articles.collect(source, now=NOW + timedelta(minutes=15))
    second = [path for path, _ in web.asked]
    articles.collect(source, now=NOW + timedelta(days=1, minutes=1))
    articles.collect(source, now=NOW + timedelta(days=8))

    assert (first.new, len(first.left_out)) == (1, 1)
    left_out = newsletter.candidates.get(state=CandidateState.SKIPPED)
    assert (left_out.title, left_out.source) == ("Galeri upacara", source)
    assert left_out.reason.startswith("This page has too little text for an article: 3 words.")
    assert second == ["/demo/peta.xml"]
    assert [path for path, _ in web.asked].count("/demo/galeri") == 1


def test_a_page_of_a_sitemap_that_cannot_be_read_just_now_is_tried_the_next_time(web, newsletter):
    source = Source.objects.create(newsletter=newsletter, url=web.origin + "/demo/peta.xml")
    web.put("/demo/peta.xml", f"<urlset><url><loc>{web.origin}/demo/a</loc></url></urlset>", ETag='"satu"')
    web.answers["/demo/a"] = (503, {}, b"")

    articles.collect(source, now=NOW)
    assert source.etag == ""
    web.put("/demo/a", page("Kabar"))

    assert articles.collect(source, now=NOW).new == 1
    assert not newsletter.candidates.filter(state=CandidateState.SKIPPED).exists()
