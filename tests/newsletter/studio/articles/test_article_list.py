"""The article list: states in words, several into the draft at once, pasted addresses, setting aside, changed articles."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from django.urls import reverse
from django.utils import timezone

from newsletter import articles, content, issues
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, ArticleState, Candidate, CandidateState, Issue, MediaFile, Role, Source
from tests.factories import NOW, make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db
LIST = "/studio/articles/"
_numbers = count(1)


@pytest.fixture
def editor(newsletter):
    return make_editor(newsletter, role=Role.WRITER, name="Dewi Anggraini")


def make_article(title: str = "Kuota paspor naik", **fields) -> Article:
    data = {"title": title, "summary": "Loket buka Sabtu.", "language": "id", "published_at": NOW, **fields}
    url = data.pop("url", f"https://kabar.example/{next(_numbers)}")
    return articles.upsert(ArticleData(url, **data), source=None, now=NOW)[0]


def make_used(newsletter, *told: Article) -> Issue:
    issue = make_issue(newsletter, stories=0)
    for article in told:
        issue = issues.add_article(issue, article, editor=None, now=NOW)
    Issue.objects.filter(pk=issue.pk).update(status="sent", sent_at=NOW - timedelta(days=7))
    return issue


def titles_of(issue) -> list[str]:
    return [block.words["id"].headline for block in content.parse(Issue.objects.get(pk=issue.pk).content).blocks]


def listed(studio, **query) -> str:
    return studio.get(LIST, query).text


# --- several at once -------------------------------------------------------------------------------------------------


def test_five_chosen_articles_are_in_the_draft_with_one_request_and_the_composer_opens(studio, newsletter):
    draft = make_issue(newsletter, stories=0)
    chosen = [make_article(f"Kabar {number}") for number in range(5)]

    answer = studio.post(reverse("article-use"), {"many": "yes", "article": [one.pk for one in chosen]})

    assert answer["Location"] == reverse("issue-compose", args=[draft.pk])
    assert titles_of(draft) == ["Kabar 0", "Kabar 1", "Kabar 2", "Kabar 3", "Kabar 4"]


def test_they_come_with_one_undo(studio, newsletter):
    draft = make_issue(newsletter, stories=0)
    studio.post(reverse("article-use"), {"many": "yes", "article": [make_article().pk, make_article().pk]})
    draft.refresh_from_db()

    issues.undo(draft, version=draft.version, editor=None, now=NOW)

    assert titles_of(draft) == []


def test_without_a_draft_the_chosen_start_one(studio, newsletter):
    studio.post(reverse("article-use"), {"many": "yes", "article": [make_article("A").pk, make_article("B").pk]})

    assert titles_of(newsletter.issues.get()) == ["A", "B"]


def test_an_article_chosen_twice_or_in_the_draft_already_is_told_once(studio, newsletter):
    draft, article = make_issue(newsletter, stories=0), make_article("A")
    for _ in range(2):
        studio.post(reverse("article-use"), {"many": "yes", "article": [article.pk, article.pk]})

    assert titles_of(draft) == ["A"]


def test_those_used_before_are_asked_about_before_anything_is_put_in(studio, newsletter):
    old, new = make_article("Lama"), make_article("Baru")
    used_in = make_used(newsletter, old)
    draft = make_issue(newsletter, stories=0)
    form = {"many": "yes", "article": [old.pk, new.pk]}

    page = studio.post(reverse("article-use"), form).text
    before = titles_of(draft)
    studio.post(reverse("article-use"), {**form, "again": "yes"})

    assert "1 of these articles has been used before" in page
    assert f">#{used_in.number}</a>" in page
    assert "Add only the new one" in page
    assert (before, titles_of(draft)) == ([], ["Lama", "Baru"])


def test_nothing_chosen_is_answered_with_a_sentence(studio):
    page = studio.post(reverse("article-use"), {"many": "yes", "back": "state=new"}, follow=True)

    assert "Select the articles first" in page.text
    assert "state=new" in page.redirect_chain[0][0]


def test_more_than_an_issue_holds_is_refused_with_a_sentence(studio, newsletter):
    draft = make_issue(newsletter, stories=0)
    chosen = [make_article(f"Kabar {number}") for number in range(61)]

    page = studio.post(reverse("article-use"), {"many": "yes", "article": [one.pk for one in chosen]}, follow=True)

    assert "An issue can have at most 60 blocks" in page.text
    assert titles_of(draft) == []


def test_an_article_that_another_newsletter_told_is_new_here(studio, newsletter, client):
    article = make_article("Baru di sini")
    make_used(make_newsletter(), article)

    page = listed(studio, state="new")

    assert "Baru di sini" in page
    studio.post(reverse("article-use"), {"article": article.pk})
    assert titles_of(newsletter.issues.get()) == ["Baru di sini"]


def test_articles_that_are_gone_cannot_be_chosen(studio, newsletter):
    article = make_article()
    Article.objects.filter(pk=article.pk).update(state=ArticleState.GONE)

    assert studio.post(reverse("article-use"), {"article": article.pk}).status_code == 404


# --- setting aside ---------------------------------------------------------------------------------------------------


def test_an_article_is_set_aside_and_undo_brings_it_back(studio, newsletter):
    article = make_article("Galeri upacara")

    page = studio.post(reverse("article-set-aside"), {"article": article.pk}, follow=True).text
    skipped = listed(studio, state="skipped")

    assert "“Galeri upacara” is set aside." in page
    assert "Set aside by Dewi Anggraini" in skipped
    assert "Galeri upacara" not in listed(studio, state="new")
    page = studio.post(reverse("article-bring-back"), {"article": article.pk}, follow=True).text
    assert "is in the list again" in page
    assert "Galeri upacara" in listed(studio, state="new")


def test_an_article_set_aside_that_is_put_in_all_the_same_is_no_longer_aside(studio, newsletter, editor):
    article = make_article()
    articles.set_aside(article, newsletter=newsletter, editor=editor, now=NOW)

    studio.post(reverse("article-use"), {"article": article.pk})

    assert not Candidate.objects.filter(state=CandidateState.SKIPPED).exists()


def test_what_one_newsletter_sets_aside_stays_with_the_others(studio, newsletter, editor):
    article = make_article("Untuk dua buletin")
    other = make_newsletter()
    Source.objects.create(newsletter=other, url="https://kabar.example/feed")
    articles.set_aside(article, newsletter=other, editor=None, now=NOW)
    articles.set_aside(article, newsletter=newsletter, editor=None, now=NOW)
    articles.bring_back(article, newsletter=newsletter)

    assert "Untuk dua buletin" in listed(studio, state="new")


# --- addresses -------------------------------------------------------------------------------------------------------


def test_many_addresses_wait_for_a_worker_and_wrong_lines_stay_typed(studio, newsletter):
    lines = "https://kabar.example/a\n\nbukan alamat\nkabar.example/b\nhttps://kabar.example/a"

    page = studio.post(reverse("article-paste"), {"urls": lines})

    assert page.status_code == 422
    assert "2 URLs will be read now." in page.text
    assert ">bukan alamat</textarea>" in page.text.replace("\n", "")
    assert sorted(newsletter.candidates.values_list("url", "state")) == [
        ("https://kabar.example/a", "waiting"),
        ("https://kabar.example/b", "waiting"),
    ]


def test_the_list_says_how_many_wait_and_asks_again(studio, newsletter):
    studio.post(reverse("article-paste"), {"urls": "https://kabar.example/a"})

    page = listed(studio)
    assert "1 URL is waiting to be read." in page
    assert f'hx-get="{reverse("article-waiting")}?newsletter={newsletter.slug}"' in page
    newsletter.candidates.update(state=CandidateState.SKIPPED, reason="This page is empty.")
    assert "All URLs have been read." in studio.get(reverse("article-waiting")).text


def test_an_address_that_gave_no_article_says_why_in_the_readers_language_and_can_be_tried_again(
    studio, newsletter, editor
):
    left_out = Candidate.objects.create(
        newsletter=newsletter,
        url="https://kabar.example/galeri",
        title="Galeri",
        state=CandidateState.SKIPPED,
        reason="This page has too little text for an article: 38 words.",
        asked_by=editor,
        created_at=timezone.now(),
    )

    assert "This page has too little text for an article: 38 words." in listed(studio)
    assert "Add anyway" in listed(studio, state="skipped")
    studio.post(reverse("article-try-again"), {"candidate": left_out.pk})
    left_out.refresh_from_db()
    assert (left_out.state, left_out.reason) == ("waiting", "")


def test_all_pasted_addresses_that_failed_are_tried_again_at_once(studio, newsletter, editor):
    for number, by in enumerate((editor, editor, None)):
        Candidate.objects.create(
            newsletter=newsletter, url=f"https://kabar.example/{number}", state=CandidateState.SKIPPED, asked_by=by
        )

    assert "Try all 2 pasted URLs again" in listed(studio, state="skipped")
    studio.post(reverse("article-try-again"), {"all": "yes"})

    assert newsletter.candidates.filter(state=CandidateState.WAITING).count() == 2


def test_a_page_that_looks_like_no_article_can_be_taken_all_the_same(studio, newsletter, monkeypatch):
    left_out = Candidate.objects.create(
        newsletter=newsletter, url="https://kabar.example/galeri", state=CandidateState.SKIPPED, reason="Too little."
    )
    asked = []

    def add_by_url(url, *, anyway, **_):
        asked.append((url, anyway))
        return make_article("Galeri")

    monkeypatch.setattr(articles, "add_by_url", add_by_url)

    studio.post(reverse("article-try-again"), {"candidate": left_out.pk, "anyway": "yes"})

    left_out.refresh_from_db()
    assert asked == [("https://kabar.example/galeri", True)]
    assert (left_out.state, left_out.article.title) == ("taken", "Galeri")


def test_what_others_pasted_is_not_there_for_strangers(studio):
    theirs = Candidate.objects.create(
        newsletter=make_newsletter(), url="https://kabar.example/x", state=CandidateState.SKIPPED
    )

    assert studio.post(reverse("article-try-again"), {"candidate": theirs.pk}).status_code == 404
    assert "kabar.example/x" not in listed(studio)


# --- changed ---------------------------------------------------------------------------------------------------------


def test_a_changed_article_shows_the_difference_and_both_answers(studio, newsletter):
    draft, article = make_issue(newsletter, stories=0), make_article("Kuota naik jadi 240")
    issues.add_article(draft, article, editor=None, now=NOW)
    Article.objects.filter(pk=article.pk).update(title="Kuota naik jadi 220")
    block = content.parse(Issue.objects.get(pk=draft.pk).content).blocks[0].id

    page = listed(studio, state="changed")

    assert "Changed since used" in page
    assert "<del>240</del> <ins>220</ins>" in page
    studio.post(reverse("article-answer"), {"do": f"take:{block}:id"})
    assert titles_of(draft) == ["Kuota naik jadi 220"]
    assert "Changed since used" not in listed(studio, state="changed")


def test_keeping_ours_is_an_answer_too(studio, newsletter):
    draft, article = make_issue(newsletter, stories=0), make_article("Kuota lama")
    issues.add_article(draft, article, editor=None, now=NOW)
    Article.objects.filter(pk=article.pk).update(title="Kuota baru")
    block = content.parse(Issue.objects.get(pk=draft.pk).content).blocks[0].id

    page = studio.post(reverse("article-answer"), {"do": f"keep:{block}:id"}, follow=True).text

    assert "The draft was not changed." in page
    assert titles_of(draft) == ["Kuota lama"]
    assert "Changed since used" not in page


@pytest.mark.parametrize("do", ["", "take", "hapus:b1", "take:b1"])
def test_an_answer_that_no_button_gives_changes_nothing(studio, newsletter, do):
    draft = make_issue(newsletter)
    version = draft.version

    assert studio.post(reverse("article-answer"), {"do": do}).status_code in {302, 400}
    draft.refresh_from_db()
    assert draft.version == version


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((400, 300), "Its picture is small: 400 × 300 pixels."),
        ((1200, 300), "Its picture is a strip: 1200 × 300 pixels."),
        ((600, 1200), "Its picture is tall: 600 × 1200 pixels."),
        ((1200, 675), ""),
        (None, "Its picture could not be used."),
    ],
)
def test_a_picture_that_will_look_bad_is_named_in_words(studio, size, words):
    article = make_article(image_url="https://kabar.example/g.jpg")
    if size:
        picture = MediaFile.objects.create(file="images/g.jpg", hash="g", width=size[0], height=size[1], size=1)
        Article.objects.filter(pk=article.pk).update(image=picture)

    page = listed(studio)

    assert words in page
    assert ("Its picture" in page) is bool(words)


def test_a_row_says_author_reading_time_and_languages(studio):
    make_article(author="Dewi", reading_minutes=4, section="Layanan", alternates={"en": "https://kabar.example/en/1"})

    page = listed(studio)

    assert "Layanan · Dewi ·" in page
    assert "4 min read" in page
    assert "id en" in page


def test_filters_stay_after_a_button(studio):
    article = make_article()

    answer = studio.post(
        reverse("article-set-aside"), {"article": article.pk, "back": "state=new&q=kuota&page=2&next=//evil.example"}
    )

    assert "state=new" in answer["Location"]
    assert "q=kuota" in answer["Location"]
    assert "evil" not in answer["Location"]


def test_the_number_of_queries_does_not_grow_with_the_articles(studio, newsletter, django_assert_max_num_queries):
    make_issue(newsletter)
    for number in range(30):
        make_article(f"Kabar {number}")

    with django_assert_max_num_queries(40):
        listed(studio)


# --- feeds -----------------------------------------------------------------------------------------------------------


def test_a_feed_in_trouble_says_since_when_why_and_what_to_do(studio, newsletter):
    Source.objects.create(
        newsletter=newsletter,
        url="https://kabar.example/feed",
        error="The site is overloaded or broken just now. Try again later.",
        failures=3,
        fetched_at=NOW,
        next_at=NOW + timedelta(hours=2),
    )

    page = studio.get(reverse("source-list")).text

    assert "The site is overloaded or broken just now. Try again later." in page
    assert "It failed 3 times in a row and is now tried less often." in page
    assert "Last read Tuesday, 24 November 2026, 07:00 WIB, next at 09:00 WIB" in page
    assert "connect the new URL and stop reading this one" in page
    assert "A feed cannot be read: https://kabar.example/feed." in listed(studio)


def test_a_feed_started_again_forgets_its_failures(studio, newsletter):
    source = Source.objects.create(
        newsletter=newsletter, url="https://kabar.example/feed", is_active=False, failures=9, error="x", next_at=NOW
    )

    studio.post(reverse("source-stop", args=[source.pk]))

    source.refresh_from_db()
    assert (source.is_active, source.failures, source.error, source.next_at) == (True, 0, "", None)
