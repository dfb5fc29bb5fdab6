"""One to four languages: the table of what is written, what happens where it is not, and the first language beside."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import content, issues
from newsletter.models import Issue
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, story_words
from tests.newsletter.studio.composer.composer_client import HTMX, either_way, form_of, post, step, stored

pytestmark = pytest.mark.django_db
FOUR = ["id", "en", "ar", "zh-hans"]


@pytest.fixture
def newsletter():
    return make_newsletter(languages=FOUR)


@pytest.fixture
def issue(newsletter):
    document = make_document()
    del document.block("b002").words["en"]
    document.block("b003").words["en"] = content.StoryWords(headline="Begun")
    document.block("b003").policy["ar"] = "required"
    document.block("b002").policy["ar"] = "optional"
    document.blocks.append(content.Divider(id="bdiv"))
    return make_issue(newsletter, document=document)


@pytest.fixture
def editor(newsletter):
    return make_editor(newsletter)


def table(studio, issue):
    return studio.get(reverse("issue-languages", args=[issue.pk])).text


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "Written<",
        "Missing: the first language is shown",
        "Unfinished: the first language is shown",
        "Missing: must be added before sending",
        "Missing: left out",
    ],
)
def test_every_state_is_said_in_words(studio, issue, said):
    assert said in table(studio, issue)


def test_each_cell_leads_to_its_field(studio, issue):
    page = table(studio, issue)
    compose = reverse("issue-compose", args=[issue.pk])

    assert f'href="{compose}#b001"' in page
    assert f'href="{compose}?language=en#b002"' in page
    assert f'href="{compose}?language=zh-hans#b003"' in page
    assert f'href="{compose}?language=ar#subject"' in page


def test_a_divider_has_nothing_to_translate(studio, issue):
    assert "bdiv" not in table(studio, issue)


@either_way
def test_what_to_do_where_a_text_is_missing_is_decided_in_the_table(studio, issue, htmx):
    form = {"b001.en": "required", "b002.en": "optional", "b002.ar": "fallback", "b003.fr": "optional", "b001.id": "x"}

    studio.post(reverse("issue-languages", args=[issue.pk]), form, headers=HTMX if htmx else {})

    assert stored(issue).block("b001").policy == {"en": "required"}
    assert stored(issue).block("b002").policy == {"en": "optional", "ar": "fallback"}


def test_deciding_nothing_makes_no_version(studio, issue):
    studio.post(reverse("issue-languages", args=[issue.pk]), {"b001.en": "fallback"})

    assert Issue.objects.get(pk=issue.pk).version == issue.version


def test_a_scheduled_issue_decides_nothing_more(studio, issue):
    Issue.objects.filter(pk=issue.pk).update(status="scheduled", scheduled_at=NOW)

    response = studio.post(reverse("issue-languages", args=[issue.pk]), {"b001.en": "required"}, follow=True)

    assert "can no longer be edited" in response.text
    assert stored(issue).block("b001").policy == {}


def test_another_newsletters_table_is_not_there(client, issue):
    client.force_login(make_editor(make_newsletter()))

    assert client.get(reverse("issue-languages", args=[issue.pk])).status_code == 404


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_one_to_four_languages_have_a_column_each(client, count):
    newsletter = make_newsletter(languages=FOUR[:count])
    client.force_login(make_editor(newsletter))
    issue = make_issue(newsletter)

    page = table(client, issue)
    compose = client.get(reverse("issue-compose", args=[issue.pk])).text

    assert page.count('<th scope="col">') == 1 + count
    assert (reverse("issue-languages", args=[issue.pk]) in compose) == (count > 1)


def test_the_table_asks_as_often_for_many_blocks_as_for_few(studio, newsletter, django_assert_max_num_queries):
    def queries(issue):
        with django_assert_max_num_queries(50) as counted:
            table(studio, issue)
        return len(counted)

    assert queries(make_issue(newsletter, stories=2)) == queries(make_issue(newsletter, stories=40))


# --- in the composer -------------------------------------------------------------------------------------------------


def test_the_first_language_stands_beside_what_is_being_written(studio, issue):
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    assert 'lang="id">Imigrasi buka jalur autogate ke-2<' in page
    assert 'id="beside" name="beside" value="yes" checked' in page
    assert "Show Indonesian alongside" in page


def test_the_first_language_has_nothing_beside_it(studio, issue):
    assert 'id="beside"' not in studio.get(reverse("issue-compose", args=[issue.pk])).text


@pytest.mark.parametrize(("ticked", "is_shown"), [({"beside": "yes"}, True), ({}, False)])
def test_the_choice_to_see_it_survives_a_step(studio, issue, ticked, is_shown):
    response = step(studio, issue, "up:b002", language="en", htmx=True, **ticked)

    assert ('name="beside" value="yes" checked' in response.text) == is_shown


@either_way
def test_the_policy_of_a_written_block_can_be_set_too(studio, issue, htmx):
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"b001.policy": "required"}), htmx=htmx)

    assert 'name="b001.policy"' in page
    assert stored(issue).block("b001").policy == {"en": "required"}


def test_a_policy_left_as_it_is_makes_no_version(studio, issue):
    form = form_of(issue, "en", **{"b001.policy": "fallback", "b002.policy": "fallback"})

    post(studio, "issue-autosave", issue, form, htmx=True)

    assert Issue.objects.get(pk=issue.pk).version == issue.version


def test_each_language_is_saved_beside_the_others(studio, issue):
    for language in ("ar", "zh-hans"):
        post(studio, "issue-autosave", issue, form_of(issue, language, **{"b001.headline": f"H {language}"}))

    words = stored(issue).block("b001").words
    assert [words[code].headline for code in FOUR] == [
        "Imigrasi buka jalur autogate ke-1",
        "Autogate lane 1 opens",
        "H ar",
        "H zh-hans",
    ]


def test_the_first_languages_markup_is_shown_as_words(studio, newsletter):
    document = make_document(stories=1)
    document.blocks[0].words["id"] = story_words(1).model_copy(
        update={"summary": "<p>A &lt;b&gt; &amp; <em>c</em></p>"}
    )
    issue = issues.save(make_issue(newsletter), document, version=2, editor=None, now=NOW)

    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    assert "A &lt;b&gt; &amp; c" in page
