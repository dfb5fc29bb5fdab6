"""The ledger: plan, claims and records; and that the counts are consistent at every moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter import issues
from newsletter.models import AuditEntry, Issue, IssueStatus
from subscribers.models import Subscription, SubscriptionStatus
from tests.factories import NOW, make_editor, make_newsletter, make_reader, make_scheduled_issue
from tests.workers.sending_helpers import equation, make_edition, make_sending_issue
from workers import ledger, spool
from workers.models import Batch, BatchStatus, Delivery, Event, Outcome
from workers.throttling import rate_limit

pytestmark = pytest.mark.django_db
ROUTES = ["mailbox-1"]
WORKER = "host:1:boot:folder"


@pytest.fixture(autouse=True)
def _route(db):
    rate_limit.register([("mailbox-1", "mailbox", 0)])


def after(**delta):
    return NOW + timedelta(**delta)


def take(issue, *, worker=WORKER, now=NOW, **fields):
    return ledger.claim(issue, worker=worker, now=now, routes=ROUTES, **fields)


def entries(claim, outcome=Outcome.ACCEPTED, *, only=None, **fields):
    return [ledger.LedgerEntry(reader, outcome, **fields) for reader in (claim.ids if only is None else only)]


# --- the plan --------------------------------------------------------------------------------------------------------


def test_the_plan_holds_each_reader_once_in_their_language():
    newsletter = make_newsletter()
    in_indonesian = [make_reader(newsletter).pk for _ in range(3)]
    in_english = [make_reader(newsletter, language="en").pk for _ in range(2)]
    in_german = make_reader(newsletter, language="de").pk
    make_reader(newsletter, status=SubscriptionStatus.PENDING)
    make_reader(make_newsletter())

    issue, own = make_sending_issue(newsletter=newsletter, readers=1)

    planned = {batch.edition.language: list(ledger.unpack(batch.reader_ids)) for batch in Batch.objects.all()}
    assert planned == {"id": [*in_indonesian, in_german, own[0].pk], "en": in_english}
    assert equation(issue) == (0, 0, 0, 0, 0, 7)
    assert issue.audience_count == 7


def test_planning_twice_changes_nothing():
    issue, _readers = make_sending_issue(readers=4)

    assert ledger.plan(issue, now=NOW) == 4
    assert Batch.objects.count() == 1


def test_batches_hold_at_most_five_hundred_and_the_first_small_one_comes_first():
    newsletter = make_newsletter(first_batch=3)
    Subscription.objects.bulk_create(_many(newsletter, 1010))

    make_sending_issue(newsletter=newsletter, readers=0)

    assert [(batch.size, batch.is_first) for batch in Batch.objects.order_by("number")] == [
        (3, True),
        (500, False),
        (500, False),
        (7, False),
    ]


def _many(newsletter, count):
    from subscribers.models import Subscriber

    people = Subscriber.objects.bulk_create(
        Subscriber(email=f"n{number}@pembaca.example", email_key=f"n{number}@pembaca.example")
        for number in range(count)
    )
    return [
        Subscription(subscriber=person, newsletter=newsletter, status="subscribed", requested_at=NOW, confirmed_at=NOW)
        for person in people
    ]


def test_ids_are_packed_little_endian():
    assert ledger.pack([1, 2**40]).hex() == "01000000000000000000000000010000"
    assert list(ledger.unpack(ledger.pack([1, 2**40]))) == [1, 2**40]


def test_t65_an_issue_that_changed_after_approval_does_not_begin():
    issue = make_scheduled_issue()
    make_edition(issue)
    issue.newsletter.from_name = "Orang lain"
    issue.newsletter.save()

    with pytest.raises(ledger.ChangedSinceApproval):
        ledger.begin(Issue.objects.get(pk=issue.pk), now=NOW)
    assert Batch.objects.count() == 0


def test_t66_an_issue_begins_only_once_and_not_before_its_time():
    issue = make_scheduled_issue()
    make_edition(issue)

    with pytest.raises(issues.WrongState):
        ledger.begin(issue, now=after(seconds=-1))
    ledger.begin(issue, now=NOW)
    with pytest.raises(issues.WrongState):
        ledger.begin(issue, now=NOW)


# --- claiming --------------------------------------------------------------------------------------------------------


def test_a_batch_belongs_to_whoever_claimed_it_first():
    issue, readers = make_sending_issue(readers=3)

    first, second = take(issue), take(issue, worker="other:1:boot:folder")

    assert first.ids == tuple(reader.pk for reader in readers)
    assert second is None


def test_a_claim_takes_what_the_pace_lets_out_and_the_rest_waits():
    issue, readers = make_sending_issue(readers=10)
    rate_limit.register([("mailbox-1", "mailbox", 1)])

    claim = take(issue)

    assert claim.ids == tuple(reader.pk for reader in readers[:4])
    assert [(batch.size, batch.status) for batch in Batch.objects.order_by("number")] == [
        (4, "claimed"),
        (6, "waiting"),
    ]
    assert take(issue, now=after(seconds=3)) is None
    assert take(issue, now=after(seconds=4)).ids == tuple(reader.pk for reader in readers[4:8])
    assert equation(issue) == (0, 0, 0, 0, 0, 10)


def test_s17_who_left_since_the_plan_is_skipped_at_the_claim_with_the_reason():
    issue, (siti, budi, ayu) = make_sending_issue(readers=3)
    Subscription.objects.filter(pk=budi.pk).update(status=SubscriptionStatus.UNSUBSCRIBED)

    claim = take(issue)

    assert claim.ids == (siti.pk, ayu.pk)
    assert Delivery.objects.get(subscription=budi.pk).code == "left"
    assert equation(issue) == (0, 0, 0, 1, 0, 2)


def test_a_batch_of_nobody_is_done_and_the_next_is_taken():
    issue, readers = make_sending_issue(readers=2)
    Subscription.objects.all().update(status=SubscriptionStatus.UNSUBSCRIBED)

    assert take(issue) is None
    assert ledger.finish(issue, now=NOW)
    assert equation(issue) == (0, 0, 0, 2, 0, 0)


def test_the_rest_waits_until_the_first_small_batch_is_done():
    issue, _readers = make_sending_issue(readers=6, first_batch=2)

    first = take(issue)
    assert len(first.ids) == 2
    assert take(issue) is None

    ledger.record(first, entries(first), now=NOW)
    assert len(take(issue).ids) == 4


def test_nothing_is_claimed_of_a_paused_issue():
    issue, _readers = make_sending_issue()
    ledger.pause(issue, reason="Berhenti", editor=None, now=NOW)

    assert take(issue) is None

    ledger.resume(issue, editor=None, now=NOW)
    assert take(issue) is not None


# --- recording -------------------------------------------------------------------------------------------------------


def test_outcomes_are_recorded_and_the_equation_adds_up():
    issue, _readers = make_sending_issue(readers=5)
    claim = take(issue)
    kinds = ["accepted", "refused", "deferred", "skipped", "uncertain"]

    ledger.record(claim, [ledger.LedgerEntry(r, kind, "x") for r, kind in zip(claim.ids, kinds, strict=True)], now=NOW)

    assert equation(issue) == (1, 1, 1, 1, 1, 0)
    assert Batch.objects.get().status == BatchStatus.DONE
    assert [row.outcome for row in Delivery.objects.order_by("subscription")] == kinds


def test_who_was_not_answered_waits_again():
    issue, readers = make_sending_issue(readers=3)
    claim = take(issue)

    ledger.record(claim, entries(claim, only=claim.ids[:1]), now=NOW)

    assert equation(issue) == (1, 0, 0, 0, 0, 2)
    again = take(issue)
    assert (again.ids, again.attempt) == (tuple(reader.pk for reader in readers[1:]), 2)


def test_t64_a_lost_lease_records_nothing():
    issue, _readers = make_sending_issue()
    claim = take(issue)
    ledger.expire_leases(now=after(seconds=61))

    with pytest.raises(ledger.LeaseLost):
        ledger.record(claim, entries(claim), now=after(seconds=62))
    with pytest.raises(ledger.LeaseLost):
        ledger.extend_lease(claim, now=after(seconds=62))
    assert Delivery.objects.count() == 0


def test_an_extended_lease_does_not_expire():
    issue, _readers = make_sending_issue()
    claim = take(issue)

    ledger.extend_lease(claim, now=after(seconds=40))

    assert ledger.expire_leases(now=after(seconds=61)) == 0


def test_recording_twice_is_not_possible():
    issue, _readers = make_sending_issue()
    claim = take(issue)
    ledger.record(claim, entries(claim), now=NOW)

    with pytest.raises(ledger.LeaseLost):
        ledger.record(claim, entries(claim), now=NOW)
    assert equation(issue) == (3, 0, 0, 0, 0, 0)


def test_an_issue_is_sent_when_nothing_is_open_and_uncertain_readers_do_not_hold_it_up():
    issue, _readers = make_sending_issue(readers=2)
    claim = take(issue)
    assert not ledger.finish(issue, now=NOW)

    ledger.record(
        claim, [ledger.LedgerEntry(claim.ids[0], "accepted"), ledger.LedgerEntry(claim.ids[1], "uncertain")], now=NOW
    )

    assert ledger.finish(issue, now=NOW)
    issue.refresh_from_db()
    assert (issue.status, issue.accepted_count, issue.sent_at) == (IssueStatus.SENT, 1, NOW)


# --- deferred --------------------------------------------------------------------------------------------------------


def test_deferred_readers_follow_when_their_time_comes_and_move_between_the_counts():
    issue, _readers = make_sending_issue(readers=3)
    claim = take(issue)
    ledger.record(
        claim, [*entries(claim, only=claim.ids[:2]), ledger.LedgerEntry(claim.ids[2], "deferred", "450")], now=NOW
    )
    assert not ledger.finish(issue, now=NOW)

    assert ledger.plan_retries(now=after(minutes=4)) == 0
    assert ledger.plan_retries(now=after(minutes=5)) == 1
    assert ledger.plan_retries(now=after(minutes=5)) == 0
    again = take(issue, now=after(minutes=5))
    assert again.ids == claim.ids[2:]
    ledger.record(again, entries(again), now=after(minutes=5))

    assert equation(issue) == (3, 0, 0, 0, 0, 0)
    assert Delivery.objects.get(subscription=claim.ids[2]).attempts == 2
    assert ledger.finish(issue, now=after(minutes=5))


def test_the_fifth_deferral_is_a_refusal():
    issue, _readers = make_sending_issue(readers=1)
    now = NOW
    for minutes in (5, 15, 45, 135):
        claim = take(issue, now=now)
        ledger.record(claim, entries(claim, "deferred", code="450"), now=now)
        now += timedelta(minutes=minutes)
        assert ledger.plan_retries(now=now - timedelta(seconds=1)) == 0
        assert ledger.plan_retries(now=now) == 1
    claim = take(issue, now=now)
    ledger.record(claim, entries(claim, "deferred", code="450"), now=now)

    assert equation(issue) == (0, 1, 0, 0, 0, 0)
    assert Delivery.objects.get().attempts == 5


def test_readers_wait_for_tomorrow_when_the_quota_of_today_is_used_up():
    issue, _readers = make_sending_issue(readers=1)
    now, used_up = NOW, {"code": "550 5.4.5", "detail": "Daily user sending limit exceeded"}

    for hours in (1, 4, 12):
        claim = take(issue, now=now)
        ledger.record(claim, entries(claim, "deferred", **used_up), now=now)
        now += timedelta(hours=hours)
        assert ledger.plan_retries(now=now - timedelta(seconds=1)) == 0
        assert ledger.plan_retries(now=now) == 1

    claim = take(issue, now=now)
    ledger.record(claim, entries(claim), now=now)
    assert equation(issue) == (1, 0, 0, 0, 0, 0)


def test_a_deferred_reader_who_leaves_meanwhile_is_skipped():
    issue, (siti,) = make_sending_issue(readers=1)
    claim = take(issue)
    ledger.record(claim, entries(claim, "deferred"), now=NOW)
    Subscription.objects.filter(pk=siti.pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
    ledger.plan_retries(now=after(minutes=5))

    assert take(issue, now=after(minutes=5)) is None
    assert equation(issue) == (0, 0, 0, 1, 0, 0)


# --- uncertain -------------------------------------------------------------------------------------------------------


def make_uncertain(readers=2):
    issue, _people = make_sending_issue(readers=readers)
    claim = take(issue)
    ledger.record(claim, entries(claim, "uncertain", message_id="<a@b.example>"), now=NOW)
    ledger.finish(issue, now=NOW)
    issue.refresh_from_db()
    return issue, claim.ids


def test_uncertain_readers_are_never_repeated_by_themselves():
    issue, _ids = make_uncertain()

    assert take(issue, now=after(days=1)) is None
    assert ledger.plan_retries(now=after(days=1)) == 0
    assert [row.outcome for row in ledger.uncertain_deliveries(issue)] == ["uncertain", "uncertain"]


def test_t64_a_click_repeats_only_the_uncertain_once_and_is_recorded():
    issue, ids = make_uncertain()
    ayu = make_editor()

    assert ledger.plan_resend(issue, [ids[0], 999], editor=ayu, now=after(hours=1)) == 1
    assert ledger.plan_resend(issue, [ids[0]], editor=ayu, now=after(hours=1)) == 0

    claim = take(issue, now=after(hours=1))
    assert claim.ids == (ids[0],)
    ledger.record(claim, entries(claim), now=after(hours=1))
    assert take(issue, now=after(hours=1)) is None
    assert equation(issue) == (1, 0, 0, 0, 1, 0)
    entry = AuditEntry.objects.get(action="issue-sent-again")
    assert (entry.actor, entry.detail["readers"]) == (ayu, [ids[0]])


def test_an_answer_of_the_provider_settles_an_uncertain_reader():
    issue, ids = make_uncertain()

    assert ledger.resolve_uncertain(issue.pk, {ids[0]: Outcome.ACCEPTED, ids[1]: Outcome.REFUSED}, now=NOW) == 2
    assert ledger.resolve_uncertain(issue.pk, {ids[0]: Outcome.REFUSED}, now=NOW) == 0
    assert equation(issue) == (1, 1, 0, 0, 0, 0)


def test_an_event_that_came_before_the_record_is_applied_with_it():
    issue, readers = make_sending_issue(readers=2)
    for kind, code in (("bounced", "5.1.1"), ("delivered", "250")):
        Event.objects.create(issue=issue.pk, subscription=readers[0].pk, kind=kind, code=code, occurred_at=NOW)
    claim = take(issue)

    ledger.record(claim, entries(claim, "uncertain"), now=NOW)

    siti, budi = Delivery.objects.order_by("subscription")
    assert (siti.outcome, siti.status, siti.code) == ("accepted", "bounced", "5.1.1")
    assert (budi.outcome, budi.status) == ("uncertain", "")
    assert equation(issue) == (1, 0, 0, 0, 1, 0)


# --- crashes ---------------------------------------------------------------------------------------------------------


def crashed(issue, tmp_path, *, answers=1, window=1, boot=None, now=NOW):
    claim = ledger.claim(issue, worker=spool.worker_name(tmp_path), now=now, routes=ROUTES)
    fields = {"boot": boot} if boot else {}
    header = spool.SpoolHeader(issue.pk, claim.batch, claim.attempt, claim.worker, window, claim.ids, **fields)
    held = spool.SendSpool(tmp_path, header)
    for place in range(answers):
        held.append(spool.SpooledResult(place, "accepted", "250"))
    held.close()
    [left] = spool.find_orphaned(tmp_path)
    return claim, left


def test_after_a_crash_one_reader_is_uncertain_and_the_rest_waits(tmp_path):
    issue, _readers = make_sending_issue(readers=4)
    claim, left = crashed(issue, tmp_path)

    assert ledger.settle_spool(left, now=NOW) == 1

    assert equation(issue) == (1, 0, 0, 0, 1, 2)
    [row] = ledger.uncertain_deliveries(issue)
    assert row.subscription == claim.ids[1]
    assert row.message_id.endswith("@kabarlintas.example>")
    assert take(issue).ids == claim.ids[2:]


def test_settling_twice_changes_nothing(tmp_path):
    issue, _readers = make_sending_issue(readers=4)
    _claim, left = crashed(issue, tmp_path)
    ledger.settle_spool(left, now=NOW)

    assert ledger.settle_spool(left, now=NOW) == 0
    assert equation(issue) == (1, 0, 0, 0, 1, 2)


def test_a_route_that_may_repeat_leaves_nobody_uncertain(tmp_path):
    issue, _readers = make_sending_issue(readers=4)
    _claim, left = crashed(issue, tmp_path, window=0)

    ledger.settle_spool(left, now=NOW)
    assert equation(issue) == (1, 0, 0, 0, 0, 3)


def test_after_a_restart_of_the_host_all_unanswered_are_uncertain(tmp_path):
    issue, _readers = make_sending_issue(readers=4)
    _claim, left = crashed(issue, tmp_path, boot="before")

    ledger.settle_spool(left, now=NOW)
    assert equation(issue) == (1, 0, 0, 0, 3, 0)


def test_an_expired_batch_is_not_claimed_until_its_spool_was_read(tmp_path):
    issue, _readers = make_sending_issue(readers=4)
    _claim, left = crashed(issue, tmp_path)

    assert ledger.expire_leases(now=after(seconds=61)) == 1
    assert take(issue, now=after(hours=5)) is None

    ledger.settle_spool(left, now=after(hours=5))
    assert take(issue, now=after(hours=5)) is not None


def test_a_crash_while_repeating_keeps_the_uncertain_one_from_another_repeat(tmp_path):
    issue, ids = make_uncertain(readers=3)
    ledger.plan_resend(issue, ids, editor=None, now=NOW)
    _claim, left = crashed(issue, tmp_path, answers=1)

    ledger.settle_spool(left, now=NOW)

    assert equation(issue) == (1, 0, 0, 0, 2, 0)
    assert take(issue).ids == ids[2:]


def test_a_claim_without_a_spool_never_began_on_the_same_boot():
    issue, _readers = make_sending_issue(readers=2)
    boot = spool.boot_id()[:8]
    take(issue, worker=f"host:1:{boot}:abcd")

    [(batch, attempt)] = ledger.claims_without_spool("abcd", now=after(seconds=61))
    assert ledger.settle_without_spool(batch, attempt, now=after(seconds=61)) == 0
    assert equation(issue) == (0, 0, 0, 0, 0, 2)
    assert take(issue) is not None


def test_a_claim_without_a_spool_from_before_a_restart_is_uncertain():
    issue, _readers = make_sending_issue(readers=2)
    take(issue, worker="host:1:earlier0:abcd")

    [(batch, attempt)] = ledger.claims_without_spool("abcd", now=after(seconds=61))
    assert ledger.settle_without_spool(batch, attempt, now=after(seconds=61)) == 2
    assert equation(issue) == (0, 0, 0, 0, 2, 0)


def test_a_live_claim_is_not_taken_for_one_without_a_spool():
    issue, _readers = make_sending_issue(readers=2)
    take(issue, worker="host:1:boot:abcd")

    assert ledger.claims_without_spool("abcd", now=after(seconds=59)) == []


def test_the_readers_of_a_lost_host_are_uncertain():
    issue, _readers = make_sending_issue(readers=2)
    take(issue, worker="surabaya:1:boot:abcd")

    assert ledger.settle_lost_host("surabaya", now=after(seconds=59)) == (0, 0)
    assert ledger.settle_lost_host("jakarta", now=after(seconds=61)) == (0, 0)
    assert ledger.settle_lost_host("surabaya", now=after(seconds=61)) == (1, 2)
    assert equation(issue) == (0, 0, 0, 0, 2, 0)


def test_a_lost_host_is_given_up_for_one_issue_and_goes_on_being_waited_for_by_another():
    first, _readers = make_sending_issue(readers=2)
    take(first, worker="surabaya:1:boot:abcd")
    other, _readers = make_sending_issue(readers=3)
    take(other, worker="surabaya:2:boot:abcd")

    assert ledger.settle_lost_host("surabaya", now=after(seconds=61), issue=first) == (1, 2)
    assert equation(first) == (0, 0, 0, 0, 2, 0)
    assert equation(other) == (0, 0, 0, 0, 0, 3)


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_too_many_refusals_in_the_first_batch_pause_the_issue_with_a_reason():
    issue, _readers = make_sending_issue(readers=60, first_batch=50)
    claim = take(issue)
    ledger.record(claim, [*entries(claim, "refused", only=claim.ids[:3]), *entries(claim, only=claim.ids[3:])], now=NOW)

    assert ledger.check_thresholds(issue, now=NOW)

    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED
    assert "3" in issue.pause_reason
    assert "50" in issue.pause_reason


def test_a_few_refusals_without_a_sample_do_not_pause():
    issue, _readers = make_sending_issue(readers=20)
    claim = take(issue)
    ledger.record(claim, [*entries(claim, "refused", only=claim.ids[:5]), *entries(claim, only=claim.ids[5:])], now=NOW)

    assert not ledger.check_thresholds(issue, now=NOW)


def test_what_an_editor_resumed_is_not_paused_again_for_the_same_refusals():
    issue, _readers = make_sending_issue(readers=60, first_batch=50)
    claim = take(issue)
    ledger.record(claim, entries(claim, "refused"), now=NOW)
    assert ledger.check_thresholds(issue, now=NOW)

    ledger.resume(issue, editor=make_editor(), now=after(minutes=1))

    assert not ledger.check_thresholds(issue, now=after(minutes=1))
    assert take(issue, now=after(minutes=1)) is not None


def test_only_addresses_that_do_not_exist_count_as_addresses_refused():
    issue, _readers = make_sending_issue(readers=60, first_batch=50)
    claim = take(issue)
    full = entries(claim, "refused", only=claim.ids[:10], code="552 5.2.2")
    ledger.record(claim, [*full, *entries(claim, only=claim.ids[10:])], now=NOW)

    assert not ledger.check_thresholds(issue, now=NOW)


@pytest.mark.parametrize(("outcome", "code"), [("refused", "550 5.7.27"), ("deferred", "421 4.7.32")])
def test_s42_mail_turned_away_because_of_the_sender_pauses_the_issue_with_that_reason(outcome, code):
    issue, _readers = make_sending_issue(readers=60, first_batch=50, languages=["en"])
    claim = take(issue)
    turned_away = entries(claim, outcome, only=claim.ids[:4], code=code)
    ledger.record(claim, [*turned_away, *entries(claim, only=claim.ids[4:])], now=NOW)

    assert ledger.check_thresholds(issue, now=NOW)

    issue.refresh_from_db()
    assert issue.pause_reason == (
        "4 of 50 mails were rejected because of the sender, not the readers: "
        "their mail service could not verify us as the sender (SPF, DKIM, DMARC or reverse DNS)."
    )


@pytest.mark.parametrize("kind", ["bounced", "held_bounced"])
def test_bounces_reported_afterwards_count_as_addresses_refused(kind):
    issue, readers = make_sending_issue(readers=60, first_batch=50)
    claim = take(issue)
    ledger.record(claim, entries(claim), now=NOW)
    for reader in readers[:3]:
        Event.objects.create(issue=issue.pk, subscription=reader.pk, kind=kind, occurred_at=NOW)

    assert ledger.check_thresholds(issue, now=NOW)


def test_complaints_pause_the_issue():
    issue, readers = make_sending_issue(readers=10)
    claim = take(issue)
    ledger.record(claim, entries(claim), now=NOW)
    for reader in readers[:3]:
        Event.objects.create(issue=issue.pk, subscription=reader.pk, kind="complained", occurred_at=NOW)

    assert ledger.check_thresholds(issue, now=NOW)


def test_an_issue_held_back_is_due_again_or_can_be_taken_back_to_edit():
    issue = make_scheduled_issue()
    ledger.hold_back(issue, reason="Tidak ada pembaca", now=NOW)

    ledger.resume(issue, editor=None, now=after(minutes=1))
    issue.refresh_from_db()
    assert (issue.status, issue.scheduled_at) == (IssueStatus.SCHEDULED, after(minutes=1))

    ledger.hold_back(issue, reason="Tidak ada pembaca", now=NOW)
    ledger.return_to_draft(issue, editor=None, now=NOW)
    issue.refresh_from_db()
    assert (issue.status, issue.approved_hash) == (IssueStatus.DRAFT, "")


def test_a_begun_issue_cannot_be_taken_back():
    issue, _readers = make_sending_issue()
    ledger.pause(issue, reason="", editor=None, now=NOW)

    with pytest.raises(issues.WrongState):
        ledger.return_to_draft(issue, editor=None, now=NOW)


def test_t67_each_arrow_is_audited():
    issue, _readers = make_sending_issue(readers=1)
    ayu = make_editor()
    ledger.pause(issue, reason="Salah tautan", editor=ayu, now=NOW)
    ledger.resume(issue, editor=ayu, now=NOW)
    ledger.pause(issue, reason="Salah tautan", editor=ayu, now=NOW)
    ledger.cancel(issue, editor=ayu, now=NOW)

    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-5:] == ["issue-begun", "issue-paused", "issue-resumed", "issue-paused", "issue-cancelled"]


def test_no_bulk_update_in_the_hot_path():
    from pathlib import Path

    hot = [
        file
        for room in ("ledger", "routes", "sending", "message", "throttling")
        for file in Path("workers", room).glob("*.py")
    ]
    assert len(hot) > 30
    assert [file.name for file in hot if "bulk_update" in file.read_text()] == []


def test_an_audience_may_be_those_who_got_an_issue_or_missed_it():
    from subscribers import audience

    issue, (siti, budi, ayu) = make_sending_issue(readers=3)
    claim = take(issue)
    ledger.record(claim, [ledger.LedgerEntry(siti.pk, "accepted"), ledger.LedgerEntry(budi.pk, "refused")], now=NOW)

    def chosen(name):
        return [reader.pk for reader in audience.recipients(issue.newsletter, {name: issue.pk})]

    assert chosen("got_issue") == [siti.pk]
    assert chosen("missed_issue") == [budi.pk, ayu.pk]
