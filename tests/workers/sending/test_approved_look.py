"""A scheduled issue leaves on time and in the look that was approved, also if the template version rises before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache

from newsletter import content, editions, issues
from newsletter.checks import link_checker
from newsletter.models import Edition, Issue, IssueStatus
from tests.factories import NOW, make_issue, make_newsletter, make_reader
from workers.sending import lifecycle

pytestmark = pytest.mark.django_db

AT = NOW + timedelta(hours=3)


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


def schedule_issue(at=AT):
    newsletter = make_newsletter()
    make_reader(newsletter, email="siti@p.example")
    issue = issues.approve(make_issue(newsletter), editor=None, now=NOW)
    issue = issues.schedule(issue, at=at, editor=None, now=NOW)
    link_checker.store_results(issue, {}, now=at)
    return issue


def raise_template_version(monkeypatch):
    monkeypatch.setattr(issues, "TEMPLATE_VERSION", "2")
    monkeypatch.setattr(editions, "TEMPLATE_VERSION", "2")
    monkeypatch.setattr(editions, "SANS_FONTS", "Comic Sans MS")


def test_a_rise_of_the_template_version_changes_neither_the_time_nor_the_look(monkeypatch):
    issue = schedule_issue()
    assert lifecycle.freeze_scheduled(now=NOW + timedelta(seconds=1)) == 1

    raise_template_version(monkeypatch)
    begun = lifecycle.begin_due(now=AT)

    edition = Edition.objects.get(issue=issue, language="id")
    issue.refresh_from_db()
    assert (begun, issue.status) == ([issue.pk], IssueStatus.SENDING)
    assert edition.template_version == "1"
    assert "Comic Sans MS" not in edition.html


def test_an_issue_that_no_worker_froze_before_the_rise_still_leaves_on_time(monkeypatch):
    issue = schedule_issue()

    raise_template_version(monkeypatch)

    assert lifecycle.begin_due(now=AT) == [issue.pk]
    assert Edition.objects.get(issue=issue, language="id").template_version == "2"


def test_an_approval_is_checked_by_the_version_of_the_digest_it_was_given_with(monkeypatch):
    issue = schedule_issue()
    digest = issues.approval_digest
    monkeypatch.setattr(issues, "DIGEST_VERSION", 2)
    monkeypatch.setattr(
        issues, "approval_digest", lambda issue, *, version=2: digest(issue) if version == 1 else "another digest"
    )

    assert lifecycle.begin_due(now=AT) == [issue.pk]


def test_an_approval_of_an_unknown_digest_version_is_not_valid():
    issue = schedule_issue()
    Issue.objects.filter(pk=issue.pk).update(approved_digest_version=99)

    assert lifecycle.begin_due(now=AT) == []

    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED


def test_an_approval_stores_the_version_of_its_digest():
    assert schedule_issue().approved_digest_version == issues.DIGEST_VERSION


def test_freezing_ahead_happens_once_for_an_approval_and_a_date():
    issue = schedule_issue()

    assert lifecycle.freeze_scheduled(now=NOW) == 1
    assert lifecycle.freeze_scheduled(now=NOW) == 0
    assert lifecycle.begin_due(now=AT) == [issue.pk]

    assert set(Edition.objects.filter(issue=issue).values_list("frozen_at", flat=True)) == {NOW}


def test_an_issue_scheduled_for_another_day_shows_that_day():
    issue = schedule_issue()
    lifecycle.freeze_scheduled(now=NOW)
    issue = issues.unschedule(issue, editor=None, now=NOW)
    issue = issues.schedule(issue, at=AT + timedelta(days=1), editor=None, now=NOW)

    assert lifecycle.freeze_scheduled(now=NOW) == 1

    edition = Edition.objects.get(issue=issue, language="en")
    with_date = editions.issue_date(issue)
    assert f"{with_date.day} November" in edition.text


def test_an_issue_that_is_edited_and_approved_anew_is_frozen_anew():
    issue = schedule_issue()
    lifecycle.freeze_scheduled(now=NOW)
    issue = issues.unschedule(issue, editor=None, now=NOW, to_edit=True)
    document = content.parse(issue.content)
    document.envelopes["id"].subject = "Judul yang sudah dibetulkan"
    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)
    issue = issues.approve(issue, editor=None, now=NOW)
    issue = issues.schedule(issue, at=AT, editor=None, now=NOW)

    assert lifecycle.freeze_scheduled(now=NOW) == 1

    assert Edition.objects.get(issue=issue, language="id").subject == "Judul yang sudah dibetulkan"


def test_an_issue_that_cannot_be_rendered_is_tried_once_in_ten_minutes(monkeypatch):
    schedule_issue()
    tries = []

    def fail(issue, *, now):
        tries.append(now)
        raise editions.RenderError("The compiler crashed.")

    monkeypatch.setattr(editions, "freeze", fail)

    assert [lifecycle.freeze_scheduled(now=NOW) for _ in range(3)] == [0, 0, 0]
    assert len(tries) == 1


def test_an_issue_whose_approval_lapsed_is_not_frozen():
    issue = schedule_issue()
    issue.newsletter.postal_address = "Lain"
    issue.newsletter.save()

    assert lifecycle.freeze_scheduled(now=NOW) == 0
    assert not Edition.objects.exists()
