"""Changes of articles after an issue used them, and how editors update or dismiss them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import articles, content, issues
from newsletter.articles import article_changes
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, ArticleState
from tests.factories import NOW, make_newsletter

TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"


def page(title: str, *, summary: str = "Loket buka hari Sabtu.", head: str = "", text: str = TEXT) -> str:
    head += f'<meta name="description" content="{summary}">'
    return f'<html lang="id"><head>{head}</head><body><article><h1>{title}</h1>{text}</article></body></html>'


def make_article(number: int = 1, *, url: str = "", **fields: Any) -> Article:
    data = {"title": f"Kuota paspor {number}", "summary": "Loket buka hari Sabtu.", "language": "id", **fields}
    article, _ = articles.upsert(ArticleData(url or f"https://kabar.example/{number}", **data), source=None, now=NOW)
    return article


def make_issue_of(*told: Article):
    issue = issues.create(make_newsletter(), editor=None, now=NOW)
    for article in told:
        issue = issues.add_article(issue, article, editor=None, now=NOW)
    return issue


def say(article: Article, **fields: Any) -> None:
    Article.objects.filter(pk=article.pk).update(**fields)


def kinds(issue) -> list[tuple[str, str]]:
    return [(change.language, change.kind) for change in article_changes.find_changes(issue)]


def document_of(issue) -> content.Document:
    return content.parse(issue.content)


# --- what is a change ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_issue_whose_articles_say_what_they_said_has_no_changes():
    assert article_changes.find_changes(make_issue_of(make_article(1), make_article(2))) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"title": "Kuota paspor naik lagi"}, "retitled"),
        ({"summary": "Loket tutup hari Sabtu."}, "reworded"),
        ({"url": "https://kabar.example/pindah"}, "moved"),
        ({"look_error": "The site cannot be reached just now. Try again later."}, "unreachable"),
        ({"state": ArticleState.GONE}, "gone"),
        ({"state": ArticleState.GONE, "title": "Halaman tidak ditemukan"}, "gone"),
    ],
)
def test_each_kind_of_change_is_told_with_what_was_and_what_is(fields, kind):
    article = make_article()
    issue = make_issue_of(article)
    say(article, **fields)

    (change,) = article_changes.find_changes(issue)

    assert (change.kind, change.language, change.article) == (kind, "id", article.pk)
    assert change.block == document_of(issue).blocks[0].id
    assert change.then == content.ArticleSnapshot(
        title="Kuota paspor 1", summary="Loket buka hari Sabtu.", url="https://kabar.example/1"
    )
    assert change.now.title == fields.get("title", "Kuota paspor 1")
    assert change.reason == fields.get("look_error", "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"title": "Kuota  paspor\u00a01 "},
        {"summary": "Loket buka\u00ad hari Sabtu."},
        {"url": "http://www.kabar.example/1/?utm_source=umpan"},
    ],
)
def test_white_space_and_other_spellings_of_the_same_are_no_change(fields):
    article = make_article()
    issue = make_issue_of(article)
    say(article, **fields)

    assert article_changes.find_changes(issue) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("“Golden visa” dibuka", '"Golden visa" dibuka', True),
        ("Visa 2026–2027", "Visa 2026-2027", True),
        ("Jum’at", "Jum'at", True),
        ("Tarif &amp; syarat", "Tarif & syarat", True),
        ("Kuota 240", "Kuota 220", False),
        ("Tarif naik", "Tarif Naik", False),
    ],
)
def test_quotes_and_dashes_of_another_shape_are_no_change_and_figures_are(one, other, same):
    assert article_changes.is_same_text(one, other) is same


@given(st.text(), st.text())
def test_sameness_does_not_depend_on_which_text_comes_first(one, other):
    assert article_changes.is_same_text(one, one)
    assert article_changes.is_same_text(one, other) == article_changes.is_same_text(other, one)


@pytest.mark.django_db
def test_a_change_that_the_editor_wrote_already_is_none():
    article = make_article()
    issue = make_issue_of(article)
    document = document_of(issue)
    document.blocks[0].words["id"].headline = "Kuota paspor naik"
    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)
    assert article_changes.find_changes(issue) == []  # an editor's own texts are not a change either

    say(article, title="Kuota paspor naik")

    assert article_changes.find_changes(issue) == []


@pytest.mark.django_db
def test_a_page_that_is_gone_does_not_matter_to_a_block_that_leads_elsewhere():
    article = make_article()
    issue = make_issue_of(article)
    document = document_of(issue)
    document.blocks[0].words["id"].url = "https://arsip.example/kuota"
    say(article, state=ArticleState.GONE)

    assert article_changes.find_document_changes(document) == []


@pytest.mark.django_db
def test_the_twin_in_another_language_is_watched_too():
    twin = make_article(2, url="https://kabar.example/en/1", title="Passport quota", language="en")
    article = make_article(1, alternates={"en": twin.url})
    issue = make_issue_of(article)
    say(twin, title="Passport quota rises")

    (change,) = article_changes.find_changes(issue)

    assert (change.language, change.kind, change.article) == ("en", "retitled", twin.pk)
    assert (change.then.title, change.now.title) == ("Passport quota", "Passport quota rises")


@pytest.mark.django_db
def test_a_draft_from_before_is_compared_by_its_words():
    article = make_article()
    issue = make_issue_of(article)
    document = document_of(issue)
    document.blocks[0].seen = {}
    assert article_changes.find_document_changes(document) == []
    say(article, title="Kuota paspor naik")

    (change,) = article_changes.find_document_changes(document)

    assert (change.kind, change.then.title) == ("retitled", "Kuota paspor 1")


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_blocks(django_assert_num_queries):
    few, many = make_issue_of(make_article(1)), make_issue_of(*[make_article(number) for number in range(2, 22)])
    twin = make_article(99, url="https://kabar.example/en/1", language="en")
    two = make_issue_of(make_article(98, alternates={"en": twin.url}))

    for issue, queries in ((few, 1), (many, 1), (two, 2)):
        with django_assert_num_queries(queries):
            article_changes.find_changes(issue)


# --- update and dismiss ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_taking_the_new_words_puts_them_in_and_settles_the_change():
    article = make_article()
    document = document_of(make_issue_of(article))
    say(article, title="Kuota & tarif", summary="Mulai <Senin>.", url="https://kabar.example/pindah")

    article_changes.update_block(document, document.blocks[0].id)

    words = document.blocks[0].words["id"]
    assert (words.headline, words.summary) == ("Kuota & tarif", "<p>Mulai &lt;Senin&gt;.</p>")
    assert words.url == "https://kabar.example/pindah"
    assert article_changes.find_document_changes(document) == []


@pytest.mark.django_db
def test_taking_the_new_words_of_one_language_leaves_the_others():
    twin = make_article(2, url="https://kabar.example/en/1", title="Passport quota", language="en")
    article = make_article(1, alternates={"en": twin.url})
    document = document_of(make_issue_of(article))
    say(article, title="Kuota naik")
    say(twin, title="Quota rises")

    article_changes.update_block(document, document.blocks[0].id, language="en")

    assert document.blocks[0].words["en"].headline == "Quota rises"
    assert document.blocks[0].words["id"].headline == "Kuota paspor 1"
    assert [change.language for change in article_changes.find_document_changes(document)] == ["id"]


@pytest.mark.django_db
def test_a_link_that_an_editor_changed_stays_where_the_words_are_taken():
    article = make_article()
    document = document_of(make_issue_of(article))
    document.blocks[0].words["id"].url = "https://kabar.example/topik/paspor"
    say(article, title="Kuota naik")

    article_changes.update_block(document, document.blocks[0].id)

    assert document.blocks[0].words["id"].url == "https://kabar.example/topik/paspor"


@pytest.mark.django_db
def test_keeping_ones_own_words_settles_the_change_until_the_next():
    article = make_article()
    document = document_of(make_issue_of(article))
    say(article, title="Kuota naik")

    article_changes.dismiss_change(document, document.blocks[0].id)

    assert document.blocks[0].words["id"].headline == "Kuota paspor 1"
    assert article_changes.find_document_changes(document) == []
    say(article, title="Kuota turun")
    assert [change.then.title for change in article_changes.find_document_changes(document)] == ["Kuota naik"]


@pytest.mark.django_db
def test_an_article_that_is_gone_can_be_told_anyway():
    article = make_article()
    document = document_of(make_issue_of(article))
    say(article, state=ArticleState.GONE)

    article_changes.dismiss_change(document, document.blocks[0].id)

    assert document.blocks[0].keeps_gone
    assert article_changes.find_document_changes(document) == []


@pytest.mark.django_db
def test_a_block_that_tells_no_article_cannot_be_answered():
    document = content.Document(blocks=[content.Text(id="teks"), content.Story(id="lepas")])

    for block in ("teks", "lepas", "tidak-ada"):
        with pytest.raises(article_changes.BlockNotFound):
            article_changes.update_block(document, block)


# --- read again ------------------------------------------------------------------------------------------------------


def read_again(issue, *, later: timedelta = timedelta(), max_age: timedelta = timedelta(minutes=10)) -> int:
    return article_changes.refresh_articles(issue, now=NOW + later, max_age=max_age)


@pytest.mark.django_db
def test_pages_are_read_again_in_all_languages_and_not_more_often_than_asked(web):
    url, twin_url = web.put("/demo/1", page("Kuota paspor 1")), web.put("/demo/en/1", page("Passport quota"))
    make_article(2, url=twin_url, title="Passport quota", language="en")
    issue = make_issue_of(make_article(1, url=url, alternates={"en": twin_url}))

    assert read_again(issue) == 2
    assert read_again(issue, later=timedelta(minutes=9)) == 0
    assert read_again(issue, later=timedelta(minutes=10)) == 2
    assert article_changes.find_changes(issue) == []


@pytest.mark.django_db
def test_new_words_of_a_page_are_found(web):
    url = web.put("/demo/1", page("Kuota paspor 1"))
    issue = make_issue_of(make_article(1, url=url))
    web.put("/demo/1", page("Kuota paspor naik"))

    read_again(issue)

    assert kinds(issue) == [("id", "retitled")]


@pytest.mark.django_db
@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_not_there_is_gone_and_can_come_back(web, status):
    url = web.put("/demo/1", page("Kuota paspor 1"))
    issue = make_issue_of(make_article(1, url=url))
    kept, web.answers["/demo/1"] = web.answers["/demo/1"], (status, {}, b"")

    read_again(issue)

    assert kinds(issue) == [("id", "gone")]
    web.answers["/demo/1"] = kept
    read_again(issue, later=timedelta(hours=1))
    assert article_changes.find_changes(issue) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, {}, b""), "overloaded or broken"),
        ((503, {}, b""), "overloaded or broken"),
        ((403, {}, b""), "does not let us read"),
        ((200, {}, b""), ""),
        ((200, {"Content-Type": "text/html"}, b"<title>Just a moment</title><script src=/c.js></script>"), ""),
        ((302, {"Location": "http://127.0.0.1/"}, b""), "private network"),
    ],
)
def test_a_site_that_is_down_or_shut_makes_nothing_gone(web, answer, words):
    url = web.put("/demo/1", page("Kuota paspor 1"))
    issue = make_issue_of(make_article(1, url=url, reading_minutes=2))
    web.answers["/demo/1"] = answer

    read_again(issue)

    (change,) = article_changes.find_changes(issue)
    assert change.kind == "unreachable"
    assert words in change.reason
    assert change.looked_at == NOW


@pytest.mark.django_db
@pytest.mark.parametrize(
    "unpublish",
    [
        lambda web: web.answers.update({"/demo/1": (302, {"Location": "/demo/"}, b"")}),
        lambda web: web.put("/demo/1", "<title>Halaman tidak ditemukan</title><h1>Halaman tidak ditemukan</h1>"),
        lambda web: web.put("/demo/1", "<title>Page not found</title><script src=/a.js></script>"),
    ],
    ids=["led to a list", "says so", "says so by script"],
)
def test_a_page_that_was_unpublished_is_gone_though_the_site_answers(web, unpublish):
    url = web.put("/demo/1", page("Kuota paspor 1"))
    links = "".join(f"<h2><a href=/demo/{n}>Kabar {n}</a></h2>" for n in range(9))
    web.put("/demo/", f"<title>Kabar</title><main>{links}</main>")
    issue = make_issue_of(make_article(1, url=url, reading_minutes=2))
    unpublish(web)

    read_again(issue)

    assert kinds(issue) == [("id", "gone")]


@pytest.mark.django_db
def test_an_article_that_moved_is_followed_and_found_by_its_new_address(web):
    url = web.put("/demo/1", page("Kuota paspor 1"))
    issue = make_issue_of(make_article(1, url=url))
    new = web.put("/demo/kuota", page("Kuota paspor 1"))
    web.answers["/demo/1"] = (301, {"Location": "/demo/kuota"}, b"")
    arrived = make_article(5, url=new, title="Kuota paspor 1")

    read_again(issue)

    (change,) = article_changes.find_changes(issue)
    assert (change.kind, change.url) == ("moved", new)
    assert not Article.objects.filter(pk=arrived.pk).exists()
    assert Article.objects.get().guid == new


@pytest.mark.django_db
def test_pages_are_read_a_few_at_a_time_and_each_result_stays_with_its_article(web):
    told = [make_article(n, url=web.put(f"/demo/{n}", page(f"Judul {n}")), title=f"Judul {n}") for n in range(12)]
    issue = make_issue_of(*told)
    web.put("/demo/7", page("Judul tujuh"))

    assert read_again(issue) == 12

    assert [(change.article, change.now.title) for change in article_changes.find_changes(issue)] == [
        (told[7].pk, "Judul tujuh")
    ]
