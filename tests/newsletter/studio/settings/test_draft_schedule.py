"""Rhythm and rule in the settings: fields, the live sentence, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from newsletter.drafts import preparation, schedule
from newsletter.models import Article, AuditEntry, Role, Source
from newsletter.studio.settings import draft_schedule
from tests.factories import make_editor, make_newsletter
from tests.newsletter.studio.test_pages import settings_form

pytestmark = pytest.mark.django_db

TUESDAYS = {"days": [1], "at": "08:00", "days_before": 1, "prepared_at": "09:00"}


@pytest.fixture
def editor(newsletter):
    return make_editor(newsletter, language="en")


def fields(**changes):
    usual = {
        "days": ["1"],
        "leaves_at": "08:00",
        "days_before": "1",
        "prepared_at": "09:00",
        "prepares": "on",
        "most": "5",
        "per_section": "2",
        "fewest": "3",
        "briefs": "0",
        "without": "",
    }
    return {**usual, **changes}


def save(studio, newsletter, **changes):
    address = reverse("settings-newsletter", args=[newsletter.slug])
    return studio.post(address, settings_form(time_zone="Asia/Jakarta", **fields(**changes)))


def test_rhythm_and_rule_are_kept_and_the_change_is_logged(studio, newsletter):
    save(studio, newsletter, days=["4", "1"], without="Opini,  Foto pekan ini, Opini", briefs="2")

    newsletter.refresh_from_db()
    assert newsletter.cadence == {**TUESDAYS, "days": [1, 4]}
    assert preparation.parse_rule(newsletter.draft_rule) == preparation.DraftRule(
        briefs=2, without=("Opini", "Foto pekan ini")
    )
    page = studio.get(reverse("audit")).text
    assert "rule for prepared drafts" in page
    assert {"cadence", "draft_rule"} <= set(AuditEntry.objects.get(action="settings-changed").detail["fields"])


def test_without_days_there_is_no_rhythm_and_without_its_tick_no_rule(studio, newsletter):
    newsletter.cadence, newsletter.draft_rule = TUESDAYS, preparation.DraftRule().to_json()
    newsletter.save()

    save(studio, newsletter, days=[], prepares="")

    newsletter.refresh_from_db()
    assert (newsletter.cadence, newsletter.draft_rule) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"days_before": "0", "prepared_at": "08:00"}, "The draft must be prepared before 08:00 on the same day."),
        ({"leaves_at": ""}, "Enter the time when issues are sent, for example 08:00."),
        ({"prepared_at": ""}, "Enter the time when the draft is prepared, for example 09:00."),
        ({"days": []}, "Tick the days on which issues are sent."),
        ({"days": ["9"]}, "Select a valid choice."),
        ({"fewest": "6"}, "“At least” cannot be more than “at most”."),
        ({"briefs": "5"}, "The first article is always the lead story."),
        ({"most": "0"}, "Ensure this value is greater than or equal to 1."),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_stays_typed(studio, newsletter, changes, said):
    response = save(studio, newsletter, **changes, title="Belum tersimpan")

    newsletter.refresh_from_db()
    assert response.status_code == 422
    assert said in response.text
    assert "Belum tersimpan" in response.text
    assert newsletter.cadence == {}


def test_a_new_newsletter_is_offered_the_usual_rhythm(studio):
    page = studio.get(reverse("settings-newsletter-create")).text

    assert "Issues are sent every Tuesday at 08:00 WIB." in page
    assert "The 5 newest articles since the last issue, at most 2 per section." in page


def test_the_sentence_follows_the_fields_and_keeps_nothing(studio, newsletter, now):
    Source.objects.create(newsletter=newsletter, url="https://kabarlintas.example/feed")
    for number in range(4):
        url = f"https://kabarlintas.example/{number}"
        Article.objects.create(
            url=url, guid=url, title="Kabar", language="id", source=newsletter.sources.get(), published_at=now
        )

    query = fields(days=["1", "4"], leaves_at="17:30", days_before="0", prepared_at="06:00", most="3")
    said = studio.get(reverse("settings-rhythm"), {"of": newsletter.slug, "time_zone": "Asia/Makassar", **query}).text

    newsletter.refresh_from_db()
    assert "Issues are sent every Tuesday and Friday at 17:30 WITA." in said
    assert "The draft is prepared the same day at 06:00." in said
    assert "Today the rule would pick 3 of 4 new articles." in said
    assert newsletter.cadence == {}


def test_the_sentence_says_what_is_wrong(studio, newsletter):
    said = studio.get(reverse("settings-rhythm"), {"of": newsletter.slug, **fields(fewest="9")}).text

    assert "“At least” cannot be more than “at most”." in said


def test_only_administrators_ask_for_the_sentence_of_a_newsletter(client, newsletter):
    client.force_login(make_editor(newsletter, role=Role.WRITER))

    assert client.get(reverse("settings-rhythm"), {"of": newsletter.slug, **fields()}).status_code == 403
    client.force_login(make_editor(make_newsletter()))
    assert client.get(reverse("settings-rhythm"), {"of": newsletter.slug, **fields()}).status_code == 404


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({**TUESDAYS, "days": [0, 1, 2, 3, 4, 5, 6]}, "Issues are sent every day at 08:00 WIB."),
        ({**TUESDAYS, "days_before": 3}, "The draft is prepared 3 days before at 09:00."),
    ],
)
def test_rhythms_in_words(newsletter, now, stored, said):
    assert said in draft_schedule.describe_schedule(schedule.parse_cadence(stored), newsletter, now=now)


def test_a_thin_week_is_foreseen(newsletter, now):
    newsletter.cadence, newsletter.draft_rule = TUESDAYS, preparation.DraftRule().to_json()

    said = draft_schedule.describe_settings(newsletter, now=now - timedelta(days=1))

    assert said[-1] == "Today the rule would find 0 articles and prepare no draft, because at least 3 are required."
    assert "Next: Tuesday, 24 November 2026, 08:00 WIB." in said
