"""Sending a sent issue to readers who missed it, and to no reader who received it or may have."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter import issues
from newsletter.models import AuditEntry, Issue, IssueStatus, Newsletter, Tracking
from subscribers import audience
from subscribers.models import Subscription, SubscriptionStatus
from tests.factories import NOW, make_editor, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.ledger import locks
from workers.models import Batch, Delivery, Event, Outcome
from workers.sending import lifecycle

pytestmark = [pytest.mark.django_db(transaction=True)]

LATER = NOW + timedelta(days=1)
GOT, UNSURE, SAID_NO, PUT_OFF, WAS_AWAY = range(5)


def sent_issue(**fields):
    """An issue with five readers: accepted, uncertain, refused, deferred until the last retry, and skipped."""
    issue, people = make_sending_issue(readers=5, **fields)
    batch = Batch.objects.get(issue=issue)
    for place, outcome, more in (
        (GOT, Outcome.ACCEPTED, {}),
        (UNSURE, Outcome.UNCERTAIN, {}),
        (SAID_NO, Outcome.REFUSED, {"code": "550"}),
        (PUT_OFF, Outcome.REFUSED, {"code": "451", "attempts": 5}),
        (WAS_AWAY, Outcome.SKIPPED, {"detail": "paused"}),
    ):
        Delivery.objects.create(issue=issue, subscription=people[place].pk, batch=batch, outcome=outcome, **more)
    counts = {"accepted": 1, "uncertain": 1, "refused": 2, "skipped": 1}
    Batch.objects.filter(pk=batch.pk).update(status="done", sent_at=NOW, **counts)
    assert ledger.finish(issue, now=NOW)
    return Issue.objects.select_related("newsletter").get(pk=issue.pk), people


def follow(issue, *kinds, editor=None):
    return ledger.send_to_missed(issue, kinds, editor=editor, now=LATER)


def run_out(issue):
    """Do what ticks and a worker do until nothing is left to send."""
    lifecycle.recover(now=LATER)
    lifecycle.send(issue.pk)
    lifecycle.recover(now=LATER + timedelta(seconds=1))


def outcomes(issue, people):
    rows = dict(Delivery.objects.filter(issue=issue).values_list("subscription", "outcome"))
    return [rows.get(person.pk) for person in people]


def test_everybody_who_may_get_mail_stands_in_one_place():
    issue, _people = sent_issue()
    make_reader(issue.newsletter)
    make_reader(issue.newsletter, status=SubscriptionStatus.PAUSED)

    found = ledger.count_missed(issue)

    assert (found.allowed, found.have, found.uncertain) == (6, 1, 1)
    assert (found.late, found.gave_up, found.returned, found.refused) == (1, 1, 1, 1)
    assert found.is_consistent


def test_it_reaches_those_who_missed_it_and_nobody_else(sink):
    issue, people = sent_issue()
    newcomer = make_reader(issue.newsletter, language="en")
    ayu = make_editor()

    asked = follow(issue, "late", "gave_up", "returned", editor=ayu)
    run_out(issue)

    wanted = [people[PUT_OFF], people[WAS_AWAY], newcomer]
    assert asked == 3
    assert sorted(sink.recipients) == sorted(person.subscriber.email for person in wanted)
    assert outcomes(issue, [*people, newcomer]) == [
        Outcome.ACCEPTED,
        Outcome.UNCERTAIN,
        Outcome.REFUSED,
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
    ]
    [entry] = AuditEntry.objects.filter(action="issue-sent-to-missed")
    assert (entry.actor, entry.detail["late"], entry.detail["again"]) == (ayu, 1, 2)


def test_the_equation_adds_up_and_the_issue_keeps_the_moment_it_was_sent(sink):
    issue, _people = sent_issue()
    make_reader(issue.newsletter)

    follow(issue, "late", "gave_up", "returned")
    on_the_way = ledger.count_deliveries(issue)
    run_out(issue)

    issue.refresh_from_db()
    told = ledger.count_deliveries(issue)
    assert (on_the_way.audience, on_the_way.deferred, on_the_way.waiting, on_the_way.is_consistent) == (6, 2, 1, True)
    assert (told.audience, told.accepted, told.refused, told.uncertain, told.skipped) == (6, 4, 1, 1, 0)
    assert (issue.status, issue.sent_at, issue.audience_count) == (IssueStatus.SENT, NOW, 6)


def test_a_newcomer_gets_the_edition_of_their_language(sink):
    issue, _people = sent_issue()
    make_reader(issue.newsletter, language="en")

    follow(issue, "late")

    assert Batch.objects.order_by("-number").first().edition.language == "en"


def test_those_who_were_refused_are_tried_only_where_an_editor_ticked_them(sink):
    issue, people = sent_issue()

    follow(issue, "refused")
    run_out(issue)

    assert sink.recipients == [people[SAID_NO].subscriber.email]


def test_whoever_leaves_in_between_is_left_out(sink):
    issue, people = sent_issue()
    newcomer = make_reader(issue.newsletter)
    follow(issue, "late", "gave_up")
    gone = [newcomer.pk, people[PUT_OFF].pk]
    Subscription.objects.filter(pk__in=gone).update(status=SubscriptionStatus.UNSUBSCRIBED)

    run_out(issue)

    issue.refresh_from_db()
    assert sink.recipients == []
    assert outcomes(issue, [newcomer, people[PUT_OFF]]) == [Outcome.SKIPPED, Outcome.SKIPPED]
    assert issue.status == IssueStatus.SENT


def test_asked_twice_it_goes_once(sink):
    issue, _people = sent_issue()
    make_reader(issue.newsletter)
    follow(issue, "late")

    with pytest.raises(issues.WrongState):
        follow(issue, "late")
    run_out(issue)
    with pytest.raises(ledger.NobodyMissed):
        follow(issue, "late")

    issue.refresh_from_db()
    assert len(sink.recipients) == 1
    assert issue.status == IssueStatus.SENT


def test_nobody_of_the_kind_asked_for_leaves_the_issue_sent():
    issue, _people = sent_issue()

    with pytest.raises(ledger.NobodyMissed):
        follow(issue, "late")

    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENT
    assert not AuditEntry.objects.filter(action="issue-sent-to-missed").exists()


@pytest.mark.parametrize("status", [IssueStatus.CANCELLED, IssueStatus.PAUSED, IssueStatus.SENDING])
def test_only_a_sent_issue_follows(status):
    issue, _people = sent_issue()
    Issue.objects.filter(pk=issue.pk).update(status=status)

    with pytest.raises(issues.WrongState):
        follow(issue, "late")


def test_an_issue_for_a_part_of_the_readers_follows_within_that_part_only():
    issue, _people = sent_issue()
    Issue.objects.filter(pk=issue.pk).update(audience={"language": "en"})
    issue.refresh_from_db()
    make_reader(issue.newsletter, language="id")

    assert ledger.count_missed(issue).late == 0


# --- recipients of a correction ----------------------------------------------------------------------------------------


def receivers(issue, **audience_):
    return set(audience.recipients(issue.newsletter, audience_))


def test_those_who_got_it_are_the_accepted_and_the_uncertain():
    issue, people = sent_issue()
    make_reader(issue.newsletter)

    assert receivers(issue, got_issue=issue.pk) == {people[GOT], people[UNSURE]}


def test_those_who_got_one_edition_are_found_whatever_they_read_by_now():
    issue, people = sent_issue()
    Subscription.objects.filter(pk=people[GOT].pk).update(language="en")

    assert receivers(issue, got_edition={"issue": issue.pk, "languages": ["id"]}) == {people[GOT], people[UNSURE]}
    assert receivers(issue, got_edition={"issue": issue.pk, "languages": ["en"]}) == set()


def clicked(issue, person, *, link=4, agent="human"):
    Event.objects.create(
        issue=issue.pk, subscription=person.pk, kind="clicked", link=link, occurred_at=NOW, agent_class=agent
    )


def test_those_who_clicked_are_known_only_by_agreement_and_never_by_a_scanner():
    issue, people = sent_issue(newsletter=make_newsletter(tracking=Tracking.INDIVIDUAL))
    agreed, withdrew, scanned, elsewhere = people[:4]
    Subscription.objects.filter(pk__in=[agreed.pk, scanned.pk, elsewhere.pk]).update(may_track=True)
    clicked(issue, agreed)
    clicked(issue, withdrew)
    clicked(issue, scanned, agent="scanner")
    clicked(issue, elsewhere, link=5)

    assert receivers(issue, clicked_link={"issue": issue.pk, "links": [4]}) == {agreed}


@pytest.mark.parametrize("tracking", [Tracking.AGGREGATE, Tracking.OFF])
def test_counted_together_nobody_is_found_by_a_click(tracking):
    issue, people = sent_issue(newsletter=make_newsletter(tracking=tracking))
    Subscription.objects.update(may_track=True)
    clicked(issue, people[GOT])

    assert receivers(issue, clicked_link={"issue": issue.pk, "links": [4]}) == set()


def test_readers_who_came_late_get_an_edition_that_was_sent_where_the_first_language_is_a_newer_one():
    issue, _people = sent_issue()
    Newsletter.objects.filter(pk=issue.newsletter_id).update(languages=["ms", "id", "en"])
    make_reader(issue.newsletter, language="ms")

    assert follow(issue, "late") == 1

    batch = Batch.objects.filter(issue=issue).order_by("-pk")[0]
    assert batch.edition.language == "id"


def test_only_who_is_really_sent_to_again_is_counted(monkeypatch):
    issue, people = sent_issue()

    def heard_meanwhile(keys):
        Delivery.objects.filter(subscription=people[SAID_NO].pk).update(outcome=Outcome.ACCEPTED)
        return iter([keys])

    monkeypatch.setattr(import_module("workers.ledger.follow_up"), "batched", heard_meanwhile)

    assert follow(issue, "refused", "gave_up") == 1


TURN = "SELECT 'the turn'"


@pytest.fixture
def _seen_turn(monkeypatch):
    """Make the advisory lock a visible statement on any database."""

    def take(_function, _issue):
        with connection.cursor() as cursor:
            cursor.execute(TURN)

    monkeypatch.setattr(locks, "_lock", take)


def order_of(told):
    """Return the locking statements and advisory locks in order."""
    words = [query["sql"] for query in told]
    return ["turn" if sql == TURN else "lock" for sql in words if sql == TURN or LOCKS.search(sql)]


LOCKS = re.compile(r"FOR UPDATE|^(UPDATE|INSERT)")


@pytest.mark.usefixtures("_seen_turn")
def test_the_turn_is_taken_before_any_row_is_locked():
    issue, _people = sent_issue()

    with CaptureQueriesContext(connection) as told:
        follow(issue, "refused")

    assert order_of(told)[:2] == ["turn", "lock"]


@pytest.mark.usefixtures("_seen_turn")
def test_a_claim_takes_its_turn_before_it_locks_a_batch():
    issue, _people = make_sending_issue(readers=1)
    names = ledger.register_routes()

    with CaptureQueriesContext(connection) as told:
        assert ledger.claim(issue, worker="host:1:boot:folder", now=NOW, routes=names)

    assert order_of(told)[:2] == ["turn", "lock"]
