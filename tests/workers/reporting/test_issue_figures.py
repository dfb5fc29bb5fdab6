"""The figures of an issue: machines separate from people, clicks instead of readers, and recounted counters."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache

from newsletter.models import Issue, IssueStatus, Link, Tracking
from subscribers import consent
from subscribers.models import Subscription
from tests.factories import NOW
from tests.workers.sending_helpers import make_sending_issue
from workers.models import Batch, Delivery, Tally
from workers.reporting import issue_figures

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


@pytest.fixture
def issue():
    issue, _readers = make_sending_issue(readers=3)
    Batch.objects.filter(issue=issue).update(status="done", accepted=2, refused=1)
    for number, language in ((1, "id"), (2, "id"), (3, "en")):
        url = f"https://kabarlintas.example/{number}"
        Link.objects.get_or_create(
            issue_key=issue.pk, number=number, defaults={"issue": issue, "language": language, "url": url}
        )
    return issue


def count(issue, link, number, *, agent="human", kind="clicked", hour=0, language="id"):
    at = NOW + timedelta(hours=hour)
    Tally.objects.create(issue=issue, hour=at, link=link, language=language, kind=kind, agent_class=agent, count=number)


def deliver(issue, subscription, **fields):
    batch = Batch.objects.filter(issue=issue).first()
    return Delivery.objects.create(issue=issue, subscription=subscription, batch=batch, outcome="accepted", **fields)


def test_s61_people_machines_and_unknown_are_three_figures(issue):
    count(issue, 1, 10)
    count(issue, 1, 4, agent="scanner")
    count(issue, 2, 3, agent="proxy")
    count(issue, 2, 2, agent="unknown")

    report = issue_figures.build_report(issue)

    assert (report.clicks_people, report.clicks_scanners, report.clicks_unknown) == (10, 7, 2)


def test_opens_are_a_lower_bound_without_proxies(issue):
    count(issue, 0, 5, kind="opened", language="")
    count(issue, 0, 50, kind="opened", agent="proxy", language="")

    assert issue_figures.build_report(issue).opens_at_least == 5


def test_links_are_listed_the_most_clicked_first_those_without_clicks_too(issue):
    count(issue, 2, 6)
    count(issue, 2, 1, hour=1)
    count(issue, 2, 9, agent="scanner")
    count(issue, 1, 3)

    rows = [
        (row.number, row.clicks, row.scanners) for row in issue_figures.build_report(issue).links if row.number <= 3
    ]

    assert rows == [(2, 7, 9), (1, 3, 0), (3, 0, 0)]


def test_an_amended_link_is_shown_with_where_it_leads_now(issue):
    Link.objects.filter(issue_key=issue.pk, number=1).update(amended_url="https://kabarlintas.example/betul")

    (row,) = [row for row in issue_figures.count_link_clicks(issue) if row.number == 1]

    assert row.url == "https://kabarlintas.example/betul"


def test_hours_come_in_order_and_hold_people_only(issue):
    count(issue, 1, 2, hour=3)
    count(issue, 1, 8)
    count(issue, 0, 4, kind="opened", language="")
    count(issue, 1, 99, hour=1, agent="scanner")

    hours = issue_figures.build_report(issue).hours

    assert hours == [
        issue_figures.HourPoint(NOW, 8, 4),
        issue_figures.HourPoint(NOW + timedelta(hours=3), 2, 0),
    ]


def test_outcomes_come_from_the_ledger_and_statuses_from_events(issue):
    deliver(issue, 901, status="delivered")
    deliver(issue, 902, status="bounced")
    deliver(issue, 903)

    report = issue_figures.build_report(issue)

    assert (report.accepted, report.refused) == (2, 1)
    assert (report.delivered, report.bounced, report.complained) == (1, 1, 0)


def test_who_left_by_a_link_in_this_issue_counts_once(issue):
    siti, budi, _charlie = Subscription.objects.order_by("pk")
    consent.withdraw(siti, now=NOW, issue_id=issue.pk)
    consent.record_reason(siti, reason="too_often", now=NOW)
    consent.withdraw(budi, now=NOW)

    assert issue_figures.count_unsubscribed(issue) == 1


def test_each_language_has_its_own_line(issue):
    count(issue, 1, 3)
    count(issue, 3, 2, language="en")

    assert issue_figures.count_by_language(issue) == [
        issue_figures.LanguageRow("id", 2, 3),
        issue_figures.LanguageRow("en", 0, 2),
    ]


def test_readers_are_counted_only_where_single_readers_are_measured(issue):
    siti, budi, _charlie = Subscription.objects.order_by("pk")
    Subscription.objects.filter(pk__in=[siti.pk, budi.pk]).update(may_track=True)
    deliver(issue, siti.pk, first_clicked_at=NOW)
    deliver(issue, budi.pk)
    together = issue_figures.build_report(issue)

    issue.newsletter.tracking = Tracking.INDIVIDUAL
    single = issue_figures.build_report(issue)

    assert (together.readers_clicked, together.readers_measured) == (None, None)
    assert (single.readers_clicked, single.readers_measured) == (1, 2)


def test_recount_brings_the_counters_of_lists_in_step(issue):
    count(issue, 1, 7)
    count(issue, 1, 70, agent="scanner")

    issue_figures.recount(now=NOW)
    issue_figures.recount(now=NOW)

    issue.refresh_from_db()
    assert (issue.audience_count, issue.accepted_count, issue.refused_count, issue.click_count) == (3, 2, 1, 7)


def test_an_issue_of_the_week_is_recounted_once_an_hour_an_older_one_never(issue):
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=NOW)

    def recounted(**later):
        return issue_figures.recount(now=NOW + timedelta(**later))

    assert [recounted(minutes=30), recounted(minutes=31)] == [1, 1]
    assert [recounted(hours=5), recounted(hours=5, minutes=1), recounted(hours=6)] == [1, 0, 1]
    assert recounted(days=8) == 0
