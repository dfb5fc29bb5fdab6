"""Changed articles in the composer: the note on the card, and the two buttons that answer it, without script too."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import articles, content, issues
from newsletter.articles import article_changes
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, ArticleState, Issue
from newsletter.studio.shared import change_notes
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def article():
    data = ArticleData(
        "https://kabar.example/1", title="Kuota naik jadi 240", summary="Loket buka Sabtu.", language="id"
    )
    return articles.upsert(data, source=None, now=NOW)[0]


@pytest.fixture
def issue(newsletter, article):
    issue = issues.create(newsletter, editor=None, now=NOW)
    return issues.add_article(issue, article, editor=None, now=NOW)


def block_of(issue) -> content.Story:
    return content.parse(Issue.objects.get(pk=issue.pk).content).blocks[0]


def page_of(studio, issue, **query) -> str:
    return studio.get(reverse("issue-compose", args=[issue.pk]), query).text


def do(studio, issue, step: str, **fields):
    issue = Issue.objects.get(pk=issue.pk)
    blocks = [block["id"] for block in issue.content["blocks"]]
    form = {"version": issue.version, "language": "id", "block": blocks, "do": step, **fields}
    return studio.post(reverse("issue-autosave", args=[issue.pk]), form)


def test_a_card_without_changes_has_no_note(studio, issue):
    page = page_of(studio, issue)

    assert "Use the new text" not in page
    assert "page is gone" not in page


def test_a_new_headline_is_shown_beside_the_old_one(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(title="Kuota naik jadi 220")

    page = page_of(studio, issue)

    assert "The article has a new headline" in page
    assert "<del>240</del> <ins>220</ins>" in page
    assert "Before: Kuota naik jadi 240 Now: Kuota naik jadi 220" in page


def test_taking_the_new_words_is_one_button_and_undo_brings_the_old_back(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(title="Kuota naik jadi 220")
    block = block_of(issue).id

    answer = do(studio, issue, f"take:{block}:id")

    assert answer.status_code == 302
    assert answer["Location"].endswith(f"#{block}")
    assert block_of(issue).words["id"].headline == "Kuota naik jadi 220"
    issue.refresh_from_db()
    studio.post(reverse("issue-undo", args=[issue.pk]), {"version": issue.version, "language": "id", "block": [block]})
    assert block_of(issue).words["id"].headline == "Kuota naik jadi 240"


def test_keeping_ones_own_words_takes_the_note_away(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(summary="Loket tutup Sabtu.")
    assert "The article has a new summary" in page_of(studio, issue)

    do(studio, issue, f"keep:{block_of(issue).id}:id")

    assert "The article has a new summary" not in page_of(studio, issue)
    assert block_of(issue).words["id"].summary == "<p>Loket buka Sabtu.</p>"


def test_what_was_typed_meanwhile_is_saved_with_the_answer(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(summary="Loket tutup Sabtu.")
    block = block_of(issue).id

    do(studio, issue, f"keep:{block}:id", **{f"{block}.headline": "Judul redaksi"})

    assert block_of(issue).words["id"].headline == "Judul redaksi"


def test_a_page_that_is_gone_offers_to_remove_or_to_tell_anyway(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(state=ArticleState.GONE)
    block = block_of(issue).id
    page = page_of(studio, issue)
    assert "The page no longer exists" in page
    assert f'value="remove:{block}"' in page

    do(studio, issue, f"keep:{block}:id")

    assert block_of(issue).keeps_gone
    assert "The page no longer exists" not in page_of(studio, issue)


def test_a_change_in_another_language_names_it(studio, newsletter):
    twin, _ = articles.upsert(
        ArticleData("https://kabar.example/en/2", title="Quota", language="en"), source=None, now=NOW
    )
    told, _ = articles.upsert(
        ArticleData("https://kabar.example/2", title="Kuota", language="id", alternates={"en": twin.url}),
        source=None,
        now=NOW,
    )
    issue = issues.add_article(issues.create(newsletter, editor=None, now=NOW), told, editor=None, now=NOW)
    Article.objects.filter(pk=twin.pk).update(title="Quota rises")

    page = page_of(studio, issue)

    assert "English" in page.partition("The article has a new headline")[2][:60]
    do(studio, issue, f"take:{block_of(issue).id}:en")
    assert block_of(issue).words["en"].headline == "Quota rises"
    assert block_of(issue).words["id"].headline == "Kuota"


@pytest.mark.parametrize("step", ["take:tidak-ada", "keep:", "take:b9:en"])
def test_an_answer_for_a_block_that_is_not_there_is_refused(studio, issue, step):
    assert do(studio, issue, step).status_code == 400


@pytest.mark.parametrize(
    ("then", "now", "pieces"),
    [
        ("Kuota 240 orang", "Kuota 220 orang", ["Kuota", "-240", "+220", "orang"]),
        ("Kuota orang", "Kuota 220 orang", ["Kuota", "+220", "orang"]),
        ("Sama sekali lain", "Paspor anak", ["-Sama sekali lain", "+Paspor anak"]),
        ("", "Paspor", ["+Paspor"]),
    ],
)
def test_two_texts_are_laid_over_each_other_word_by_word(then, now, pieces):
    marks = [
        ("-" if one.is_old else "+" if one.is_new else "") + one.text
        for one in change_notes.diff_texts(then, now).pieces
    ]

    assert marks == pieces


def test_a_page_that_could_not_be_read_is_mentioned_without_a_question(studio, issue, article):
    Article.objects.filter(pk=article.pk).update(look_error="The site cannot be reached just now. Try again later.")

    page = page_of(studio, issue)

    assert "The page could not be checked again" in page
    assert "Take the new" not in page
    assert article_changes.find_changes(issue)[0].kind == "unreachable"
