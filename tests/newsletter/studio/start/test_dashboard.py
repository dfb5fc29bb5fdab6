"""The start page on the day before the slot: the prepared draft first, or why there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from newsletter import content, issues
from newsletter.drafts import preparation
from newsletter.models import Article, Issue, Role, Source
from tests.factories import make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db

RULE = {"most": 5, "per_section": 2, "fewest": 3, "briefs": 0, "without": []}


@pytest.fixture
def monday(now, monkeypatch):
    """Monday 30 November 2026, 09:00 in Jakarta; clocks stand there."""
    moment = now.replace(day=30, hour=2)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def newsletter(monday):
    made = make_newsletter(
        cadence={"days": [1], "at": "08:00", "days_before": 1, "prepared_at": "09:00"}, draft_rule=RULE
    )
    Source.objects.create(newsletter=made, url="https://kabarlintas.example/feed")
    return made


@pytest.fixture
def editor(newsletter):
    return make_editor(newsletter, role=Role.WRITER, language="en")


def add_articles(newsletter, numbers, *, monday):
    for number in numbers:
        url = f"https://kabarlintas.example/{number}"
        Article.objects.create(
            url=url,
            guid=url,
            title=f"Imigrasi buka jalur ke-{number}",
            language="id",
            source=newsletter.sources.get(),
            published_at=monday - timedelta(hours=number),
        )


def start_page(studio):
    return " ".join(studio.get(reverse("studio-start")).text.split())


def test_the_prepared_draft_comes_first_with_the_rule_that_picked_it(studio, newsletter, monday):
    add_articles(newsletter, range(1, 10), monday=monday)
    issue = preparation.prepare(newsletter, now=monday).issue
    make_issue(newsletter, now=monday + timedelta(hours=1))

    page = start_page(studio)

    assert "Draft ready" in page
    assert "5 of 9 new articles, picked by your rule. The 5 newest articles since the last issue" in page
    assert "The planned time is Tuesday, 1 December 2026, 08:00 WIB, in 23 hours. Nothing is sent until" in page
    assert page.index(f'href="/studio/issues/{issue.pk}/compose/"') < page.index("Other issues in progress")


def test_one_click_opens_the_draft(studio, newsletter, monday):
    add_articles(newsletter, range(1, 6), monday=monday)
    issue = preparation.prepare(newsletter, now=monday).issue

    page = start_page(studio)

    assert f'<a class="btn primary" href="/studio/issues/{issue.pk}/compose/">Open the draft</a>' in page


def test_a_draft_that_somebody_changed_is_no_longer_called_the_rules(studio, editor, newsletter, monday):
    add_articles(newsletter, range(1, 6), monday=monday)
    issue = preparation.prepare(newsletter, now=monday).issue
    document = content.parse(issue.content)
    document.blocks.pop()
    issues.save(issue, document, version=issue.version, editor=editor, now=monday)

    page = start_page(studio)

    assert "4 of 5 new articles." in page
    assert "picked by your rule" not in page
    assert "Pick articles again" not in page


def test_what_came_since_can_be_picked_and_undone(studio, newsletter, monday):
    add_articles(newsletter, range(2, 7), monday=monday)
    issue = preparation.prepare(newsletter, now=monday).issue
    assert "Pick articles again" not in start_page(studio)
    add_articles(newsletter, [1], monday=monday)
    assert "Pick articles again" in start_page(studio)

    studio.post(reverse("issue-pick-again", args=[issue.pk]))

    issue = Issue.objects.get(pk=issue.pk)
    assert content.parse(issue.content).blocks[0].words["id"].headline == "Imigrasi buka jalur ke-1"
    issue = issues.undo(issue, version=issue.version, editor=None, now=monday)
    assert content.parse(issue.content).blocks[0].words["id"].headline == "Imigrasi buka jalur ke-2"


def test_a_thin_week_is_said_in_words(studio, newsletter, monday):
    add_articles(newsletter, [1, 2], monday=monday)
    preparation.prepare(newsletter, now=monday)

    page = start_page(studio)

    said = "For Tuesday, 1 December 2026, 08:00 WIB your rule finds 2 articles, but at least 3 are required."
    assert page.count(said) == 2  # where the draft would be, and among what needs somebody
    assert "No draft for Ringkasan mingguan: too few new articles" in page


def test_before_its_time_the_page_says_when_the_draft_comes(studio, newsletter, monday, monkeypatch):
    add_articles(newsletter, [50, 51, 52, 53], monday=monday)
    monkeypatch.setattr(timezone, "now", lambda: monday - timedelta(days=1))

    page = start_page(studio)

    assert (
        "The next draft of Ringkasan mingguan will be prepared on Monday, 30 November 2026, 09:00 WIB "
        "for the issue of Tuesday, 1 December 2026, 08:00 WIB." in page
    )
    assert "So far your rule would pick 4 of 4 new articles." in page


def test_without_a_rhythm_the_page_is_as_before(client):
    client.force_login(make_editor(make_newsletter(), language="en"))

    assert "Start with an article" in client.get(reverse("studio-start")).text


def test_the_set_up_is_that_of_ones_own_newsletter_rather_than_of_the_demo(client):
    editor = make_editor(
        make_newsletter(is_demo=True, postal_address="Jl. Contoh No. 10, Jakarta 12345"), language="en"
    )
    make_newsletter(postal_address="", slug="sendiri").memberships.create(editor=editor, role=Role.ADMINISTRATOR)
    client.force_login(editor)

    assert 'href="/studio/settings/newsletters/sendiri/#postal">Postal address</a>' in start_page(client)
