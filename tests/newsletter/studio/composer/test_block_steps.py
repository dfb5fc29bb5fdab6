"""Steps on blocks, each pressed as a plain form and with script."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import content, issues
from newsletter.models import Article, Issue, MediaFile
from newsletter.studio.shared import document_form
from tests.factories import NOW, make_document, make_issue, story_words
from tests.newsletter.studio.composer.composer_client import either_way, form_of, ids, post, step, stored

pytestmark = pytest.mark.django_db


def with_blocks(issue, *blocks):
    document = make_document()
    document.blocks += blocks
    return issues.save(issue, document, version=issue.version, editor=None, now=NOW)


def kinds(issue):
    return [block.kind for block in stored(issue).blocks]


# --- adding and removing ---------------------------------------------------------------------------------------------


@either_way
def test_a_removed_block_is_offered_back(studio, issue, htmx):
    response = step(studio, issue, "remove:b002", htmx=htmx)
    page = response.text if htmx else studio.get(response.url).text

    assert ids(issue) == ["b001", "b003"]
    assert "Block removed." in page
    assert f'formaction="{reverse("issue-undo", args=[issue.pk])}"' in page


@either_way
def test_the_offer_brings_the_block_back(studio, issue, htmx):
    step(studio, issue, "remove:b002", htmx=htmx)

    post(studio, "issue-undo", issue, form_of(issue), htmx=htmx)

    assert ids(issue) == ["b001", "b002", "b003"]


def test_the_offer_goes_when_something_else_is_done(studio, issue):
    step(studio, issue, "remove:b002", htmx=True)

    response = post(studio, "issue-autosave", issue, form_of(issue, subject="Lain"), htmx=True)

    assert 'id="toast"' in response.text
    assert "Block removed." not in response.text


@pytest.mark.parametrize(
    ("do", "place", "order"),
    [
        ("add:text", "", ["b001", "b002", "b003", "new"]),
        ("add:text", "top", ["new", "b001", "b002", "b003"]),
        ("add:text", "b001", ["b001", "new", "b002", "b003"]),
        ("add:text:b002", "", ["b001", "b002", "new", "b003"]),
        ("add:text:b002", "top", ["b001", "b002", "new", "b003"]),
        ("add:text", "b999", ["b001", "b002", "b003", "new"]),
    ],
)
@either_way
def test_a_block_goes_where_it_was_asked_for(studio, issue, do, place, order, htmx):
    step(studio, issue, do, htmx=htmx, after=place)

    assert [key if key in {"b001", "b002", "b003"} else "new" for key in ids(issue)] == order


@either_way
def test_a_duplicate_stands_right_behind_and_is_its_own(studio, issue, htmx):
    step(studio, issue, "dup:b002", htmx=htmx, **{"b002.headline": "Baru diketik"})

    first, second = stored(issue).blocks[1:3]
    assert ids(issue)[0:2] + ids(issue)[3:] == ["b001", "b002", "b003"]
    assert second.id != "b002"
    assert second.words["id"].headline == first.words["id"].headline == "Baru diketik"


def test_a_duplicate_of_the_lead_is_a_story(studio, issue):
    step(studio, issue, "dup:b001")

    assert kinds(issue) == ["lead", "story", "story", "story"]


@either_way
def test_an_issue_that_is_full_says_so_and_keeps_what_was_typed(studio, newsletter, htmx):
    full = content.Document(
        blocks=[content.Text(id=f"b{n:03d}", words={"id": content.TextWords(body=f"<p>{n}</p>")}) for n in range(60)]
    )
    issue = make_issue(newsletter, document=full)

    response = step(studio, issue, "add:text", htmx=htmx, subject="Sudah diketik")
    page = response.text if htmx else studio.get(response.url).text

    assert "An issue holds 60 blocks at most. Remove one first." in page
    assert stored(issue).envelopes["id"].subject == "Sudah diketik"


# --- another kind ----------------------------------------------------------------------------------------------------


@either_way
def test_a_story_becomes_the_lead_and_the_lead_a_story(studio, issue, htmx):
    step(studio, issue, "as:lead:b003", htmx=htmx)

    assert ids(issue) == ["b003", "b001", "b002"]
    assert kinds(issue) == ["lead", "story", "story"]
    assert stored(issue).block("b003").words["en"].headline == "Autogate lane 3 opens"


@either_way
def test_a_story_becomes_a_brief_and_keeps_its_words_and_place(studio, issue, htmx):
    step(studio, issue, "as:brief:b002", htmx=htmx)

    assert ids(issue) == ["b001", "b002", "b003"]
    assert kinds(issue) == ["lead", "brief", "story"]
    assert stored(issue).block("b002").words["id"] == story_words(2)


def test_a_new_lead_gets_the_picture_of_its_article(studio, issue):
    file = MediaFile.objects.create(file="images/loket.jpg", hash="a", width=1200, height=600, size=9000)
    article = Article.objects.create(guid="a", url="https://x.example/a", title="Loket", language="id", image=file)
    issue = with_blocks(issue, content.Story(id="bnew", article=article.pk, words={"id": story_words(9)}))

    step(studio, issue, "as:lead:bnew")

    assert stored(issue).block("bnew").picture.media == file.pk


@pytest.mark.parametrize("do", ["as:text:b002", "as:lead:b999", "as:lead", "dup:b999", "twin:b002", "picture:b001"])
def test_a_step_no_page_of_ours_asks_for_is_refused(studio, issue, do):
    response = step(studio, issue, do)

    assert response.status_code in {302, 400}
    assert kinds(issue) == ["lead", "story", "story"]


@pytest.mark.parametrize(
    ("kind", "others"), [("lead", {"story", "brief"}), ("story", {"lead", "brief"}), ("text", set())]
)
def test_a_card_offers_the_kinds_it_can_become(kind, others):
    block = content.BLOCK_TYPES[kind](id="b001")

    (card,) = document_form.build_cards(content.Document(blocks=[block]), language="id", default="id")

    assert {name for name, _label in card.kinds} == others


# --- subject, article ------------------------------------------------------------------------------------------------


@either_way
def test_a_headline_becomes_the_subject_with_one_click(studio, issue, htmx):
    step(studio, issue, "subject:b002:en", htmx=htmx, language="en")

    assert stored(issue).envelopes["en"].subject == "Autogate lane 2 opens"


@either_way
def test_a_block_is_reset_to_its_article(studio, newsletter, htmx):
    article = Article.objects.create(
        guid="a", url="https://x.example/a", title="Paspor hilang", summary="Lapor ke polisi.", language="id"
    )
    issue = issues.add_article(make_issue(newsletter), article, editor=None, now=NOW)
    block = stored(issue).blocks[-1].id
    post(
        studio, "issue-autosave", issue, form_of(issue, **{f"{block}.headline": "Judul saya", f"{block}.summary": "x"})
    )

    step(studio, issue, f"reset:{block}", htmx=htmx)

    words = stored(issue).block(block).words["id"]
    assert (words.headline, words.summary) == ("Paspor hilang", "<p>Lapor ke polisi.</p>")


@either_way
def test_the_words_of_the_articles_other_language_are_taken(studio, newsletter, htmx):
    english = Article.objects.create(
        guid="e", url="https://x.example/en/a", title="Lost passport", summary="Tell the police.", language="en"
    )
    article = Article.objects.create(
        guid="a", url="https://x.example/a", title="Paspor hilang", language="id", alternates={"en": english.url}
    )
    block = content.Story(id="bnew", article=article.pk, words={"id": story_words(9)})
    issue = with_blocks(make_issue(newsletter), block)
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    step(studio, issue, "twin:bnew:en", htmx=htmx, language="en")

    told = stored(issue).block("bnew")
    assert 'value="twin:bnew:en"' in page
    assert (told.words["en"].headline, told.words["en"].url) == ("Lost passport", "https://x.example/en/a")
    assert told.seen["en"].title == "Lost passport"
    assert told.words["id"] == story_words(9)


def test_an_article_without_another_language_says_what_to_do(studio, newsletter):
    article = Article.objects.create(guid="a", url="https://x.example/a", title="Paspor", language="id")
    block = content.Story(id="bnew", article=article.pk, words={"id": story_words(9)})
    issue = with_blocks(make_issue(newsletter), block)

    response = step(studio, issue, "twin:bnew:en", language="en", htmx=True)

    assert "names no page of its own in this language. Write the words here." in response.text


# --- questions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(newsletter):
    """An issue with a block of two questions in both languages."""

    def words(*questions):
        return content.FaqWords(questions=[content.FaqEntry(question=q, answer=f"<p>{q}!</p>") for q in questions])

    block = content.Faq(id="bfaq", words={"id": words("Biaya?", "Lama?"), "en": words("Fee?", "How long?")})
    return with_blocks(make_issue(newsletter), block)


def questions(issue, language="id"):
    return [one.question for one in stored(issue).block("bfaq").words[language].questions]


def test_questions_are_fields_in_pairs(studio, asked):
    page = studio.get(reverse("issue-compose", args=[asked.pk])).text

    assert 'name="bfaq.q0.question"' in page
    assert 'name="bfaq.q1.answer"' in page
    assert 'name="bfaq.q2.question"' not in page


@either_way
def test_an_answer_is_typed_and_saved(studio, asked, htmx):
    post(studio, "issue-autosave", asked, form_of(asked, **{"bfaq.q1.answer": "Tiga hari\n\n- kerja"}), htmx=htmx)

    assert stored(asked).block("bfaq").words["id"].questions[1].answer == "<p>Tiga hari</p><ul><li>kerja</li></ul>"
    assert questions(asked, "en") == ["Fee?", "How long?"]


@either_way
def test_one_more_question_is_a_pair_of_empty_fields(studio, asked, htmx):
    response = step(studio, asked, "question:bfaq:id", htmx=htmx)
    page = response.text if htmx else studio.get(response.url).text

    assert questions(asked) == ["Biaya?", "Lama?", ""]
    assert 'name="bfaq.q2.question"' in page


@pytest.mark.parametrize(
    ("do", "indonesian", "english"),
    [
        ("question-up:bfaq:id:1", ["Lama?", "Biaya?"], ["How long?", "Fee?"]),
        ("question-down:bfaq:id:0", ["Lama?", "Biaya?"], ["How long?", "Fee?"]),
        ("question-down:bfaq:id:1", ["Biaya?", "Lama?"], ["Fee?", "How long?"]),
        ("noquestion:bfaq:id:0", ["Lama?"], ["How long?"]),
    ],
)
@either_way
def test_questions_move_and_go_with_their_translations(studio, asked, do, indonesian, english, htmx):
    step(studio, asked, do, htmx=htmx)

    assert (questions(asked), questions(asked, "en")) == (indonesian, english)


def test_translations_that_are_not_as_many_stay_where_they_are(studio, asked):
    step(studio, asked, "question:bfaq:id")
    step(studio, asked, "question-up:bfaq:id:1")

    assert questions(asked) == ["Lama?", "Biaya?", ""]
    assert questions(asked, "en") == ["Fee?", "How long?"]


def test_a_language_without_questions_has_a_field_for_each_of_the_first(studio, newsletter):
    words = content.FaqWords(questions=[content.FaqEntry(question="Biaya?"), content.FaqEntry(question="Lama?")])
    issue = with_blocks(make_issue(newsletter), content.Faq(id="bfaq", words={"id": words}))
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"bfaq.q0.question": "Fee?"}))

    assert 'name="bfaq.q1.question"' in page
    assert questions(issue, "en") == ["Fee?"]


@pytest.mark.parametrize(
    "do",
    ["question:bfaq:fr", "noquestion:bfaq:id:7", "noquestion:bfaq:id:x", "question:b001:id", "question-up:bfaq:id:-1"],
)
def test_a_question_that_is_not_there_is_refused(studio, asked, do):
    assert step(studio, asked, do).status_code == 400
    assert questions(asked) == ["Biaya?", "Lama?"]


def test_a_question_that_is_too_long_is_named_and_kept(studio, asked):
    response = post(studio, "issue-autosave", asked, form_of(asked, **{"bfaq.q0.question": "x" * 301}))

    assert response.status_code == 422
    assert 'href="#bfaq-q0-question"' in response.text
    assert "x" * 301 in response.text


# --- events and videos -----------------------------------------------------------------------------------------------


@pytest.fixture
def event(newsletter):
    return with_blocks(
        make_issue(newsletter),
        content.CalendarEvent(id="bday", words={"id": content.CalendarEventWords(headline="Paspor")}),
    )


@either_way
def test_an_event_is_typed_in_the_zone_of_the_newsletter(studio, event, htmx):
    page = studio.get(reverse("issue-compose", args=[event.pk])).text
    times = {"bday.starts_at": "2026-12-01T09:00", "bday.ends_at": "2026-12-01T12:00"}

    post(studio, "issue-autosave", event, form_of(event, **times), htmx=htmx)

    assert "Times are those of the newsletter: WIB, Asia/Jakarta." in page
    assert 'type="datetime-local" id="bday-starts_at"' in page
    block = stored(event).block("bday")
    assert (block.starts_at, block.ends_at) == ("2026-12-01T09:00", "2026-12-01T12:00")


@either_way
def test_an_end_before_the_start_is_an_error_and_stays_typed(studio, event, htmx):
    times = {"bday.starts_at": "2026-12-01T09:00", "bday.ends_at": "2026-12-01T08:00"}

    response = post(studio, "issue-autosave", event, form_of(event, **times), htmx=htmx)

    assert response.status_code == 422
    assert "This is before the start. Write a later time, or leave it empty." in response.text
    assert htmx or 'value="2026-12-01T08:00"' in response.text
    assert stored(event).block("bday").starts_at == ""


@pytest.mark.parametrize(
    ("typed", "kept"), [("2026-12-01 09:00", "2026-12-01T09:00"), ("2026-12-01T09:00:30", "2026-12-01T09:00"), ("", "")]
)
def test_a_time_is_read_as_people_and_browsers_write_it(studio, event, typed, kept):
    post(studio, "issue-autosave", event, form_of(event, **{"bday.starts_at": typed}))

    assert stored(event).block("bday").starts_at == kept


@pytest.mark.parametrize("typed", ["besok", "2026-13-01T09:00", "0026-12-01T09:00", "2026-12-01", "2026-12-01T25:00"])
def test_what_is_no_time_is_named(studio, event, typed):
    response = post(studio, "issue-autosave", event, form_of(event, **{"bday.starts_at": typed}), htmx=True)

    assert response.status_code == 422
    assert "Write a date and a time, such as 2026-12-01 09:00." in response.text


@pytest.mark.parametrize(
    ("typed", "status"), [("3:45", 200), ("1:02:03", 200), ("75:10", 200), ("", 200), ("3:75", 422), ("4 menit", 422)]
)
def test_the_length_of_a_video_is_minutes_and_seconds(studio, newsletter, typed, status):
    issue = with_blocks(make_issue(newsletter), content.Video(id="bvid"))

    response = post(studio, "issue-autosave", issue, form_of(issue, **{"bvid.duration": typed}), htmx=True)

    assert response.status_code == status


# --- what others saved meanwhile -------------------------------------------------------------------------------------


@either_way
def test_what_was_typed_into_new_kinds_survives_a_conflict(studio, asked, htmx):
    form = form_of(asked, **{"bfaq.q0.question": "Pertanyaan saya?"})
    document = stored(asked)
    document.envelopes["id"].subject = "Dari Dewi"
    current = Issue.objects.get(pk=asked.pk)
    issues.save(current, document, version=current.version, editor=None, now=NOW)

    response = post(studio, "issue-autosave", asked, form, htmx=htmx)

    assert response.status_code == 409
    assert questions(asked) == ["Biaya?", "Lama?"]
    assert htmx or 'value="Pertanyaan saya?"' in response.text
