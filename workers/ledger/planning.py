"""Who is to get an issue: batches, written once at the start and appended for those who follow later."""

from __future__ import annotations

import logging
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet, Sum

from newsletter import issues
from newsletter.models import Edition, Editor, Issue, IssueStatus
from subscribers import audience
from subscribers.models import Subscription
from workers.ledger.entries import ChangedSinceApproval
from workers.ledger.ids import BATCH_SIZE, batched, pack
from workers.models import Batch, Delivery, Outcome

logger = logging.getLogger(__name__)

BATCHES_PER_INSERT = 50
"""Batches written by one statement: the plan of a million readers must not stand in memory as a whole."""


def plan(issue: Issue, *, now: datetime) -> int:
    """Write down who is to get the issue: batches of one edition each, ids ascending. Returns how many readers.

    One transaction; planned before, it changes nothing. The first small batch (per language) comes first.
    """
    with transaction.atomic():
        Issue.objects.select_for_update().get(pk=issue.pk)
        planned = Batch.objects.filter(issue=issue)
        if planned.exists():
            return planned.filter(is_retry=False).aggregate(readers=Sum("size"))["readers"] or 0
        readers, batches = 0, _batches(issue)
        while few := list(islice(batches, BATCHES_PER_INSERT)):
            Batch.objects.bulk_create(few)
            readers += sum(batch.size for batch in few)
        Issue.objects.filter(pk=issue.pk).update(audience_count=readers)
    _analyze(Batch)
    logger.info("issue planned", extra={"issue": issue.pk, "readers": readers})
    return readers


def _batches(issue: Issue) -> Iterator[Batch]:
    editions = {edition.language: edition.pk for edition in Edition.objects.filter(issue=issue, variant="")}
    default = editions[issue.newsletter.default_language]
    alone = issue.newsletter.first_batch
    first: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    rest: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    number = 0
    for place, (reader, language) in enumerate(_stream_subscribers(audience.for_issue(issue))):
        edition = editions.get(language, default)
        if place < alone:
            first[edition].append(reader)
            continue
        waiting = rest[edition]
        waiting.append(reader)
        if len(waiting) == BATCH_SIZE:
            number += 1
            yield make_batch(issue, edition, number + alone, waiting)
            rest[edition] = array("q")
    for edition, waiting in rest.items():
        if waiting:
            number += 1
            yield make_batch(issue, edition, number + alone, waiting)
    number = 0
    for edition, waiting in first.items():
        for part in batched(waiting):
            number += 1
            yield make_batch(issue, edition, number, part, is_first=True)


def make_batch(issue: Issue, edition: int, number: int, ids: Sequence[int], **fields: Any) -> Batch:
    return Batch(
        issue=issue,
        edition_id=edition,
        number=number,
        size=len(ids),
        reader_ids=pack(ids),
        first_id=ids[0],
        last_id=ids[-1],
        **fields,
    )


def _stream_subscribers(readers: QuerySet[Subscription]) -> Iterator[tuple[int, str]]:
    """(id, language) by a server-side cursor: one million readers without one object each."""
    sql, parameters = readers.order_by("pk").values_list("pk", "language").query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(5000):
            yield from rows


def _analyze(model: type[Batch]) -> None:
    """After a bulk load PostgreSQL plans by old figures until told (SQLite needs no telling for these indexes)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{model._meta.db_table}"')


def begin(issue: Issue, *, now: datetime) -> int:
    """scheduled -> sending, with its plan, in one transaction: an issue that is sending is always planned.

    Raises Changed if something that was approved is different now, issues.WrongState if it is not due.
    """
    with transaction.atomic():
        here = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=issue.pk)
        if here.status == IssueStatus.SCHEDULED and here.approved_hash != issues.approval_digest(here):
            raise ChangedSinceApproval(f"Issue {issue.pk} is not what was approved")
        due = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SCHEDULED, scheduled_at__lte=now)
        if not due.update(status=IssueStatus.SENDING, started_at=now, pause_reason=""):
            raise issues.wrong_state_error(issue)
        readers = plan(here, now=now)
        issues.audit("issue-begun", here, editor=here.scheduled_by, now=now, readers=readers)
    logger.info("issue begun", extra={"issue": issue.pk, "readers": readers})
    return readers


# --- batches that come later ------------------------------------------------------------------------------------------


def add_batch(issue_id: int, edition_id: int, ids: Sequence[int], **fields: Any) -> None:
    """Append a batch under the next number; two workers that want the same number try again."""
    for attempt in range(20):
        last = Batch.objects.filter(issue=issue_id).order_by("-number").values_list("number", flat=True).first() or 0
        batch = make_batch(Issue(pk=issue_id), edition_id, last + 1, ids, **fields)
        try:
            with transaction.atomic():
                batch.save(force_insert=True)
        except IntegrityError:
            if attempt == 19:
                raise
        else:
            return


def plan_retries(*, now: datetime, most: int = 5000) -> int:
    """Put deferred readers whose time has come into batches of their own. Returns how many.

    Of a sent issue too: an editor may have sent again to somebody whose mail service then put it off.
    """
    with transaction.atomic():
        due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            outcome=Outcome.DEFERRED, due_at__lte=now, issue__status__in=[IssueStatus.SENDING, IssueStatus.SENT]
        )
        return _plan_retry_batches(due.order_by("issue", "subscription")[:most], due_at=None, now=now)


def plan_resend(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Let the uncertain among these readers be sent to once more, by an editor's decision. Returns how many.

    Their Message-ID stays the same. Asked again before the first repeat is recorded, it changes nothing.
    """
    with transaction.atomic():
        asked = Delivery.objects.select_for_update(of=("self",)).filter(
            issue=issue,
            subscription__in=list(subscription_ids),
            outcome=Outcome.UNCERTAIN,
            due_at__isnull=True,
            issue__status__in=[IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT],
        )
        rows = list(asked.order_by("subscription").values_list("subscription", flat=True))
        readers = _plan_retry_batches(asked.order_by("issue", "subscription"), due_at=now, now=now)
        if readers:
            issues.audit("issue-sent-again", issue, editor=editor, now=now, readers=rows)
    return readers


def _plan_retry_batches(deliveries: Iterable[Delivery], *, due_at: datetime | None, now: datetime) -> int:
    """Batches that repeat, one edition each. `due_at` marks deliveries that are in one."""
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    chosen = list(deliveries)
    editions = dict(Batch.objects.filter(pk__in={row.batch_id for row in chosen}).values_list("pk", "edition_id"))
    for row in chosen:
        groups[row.issue_id, editions[row.batch_id]].append(row.subscription)
    for (issue_id, edition_id), ids in groups.items():
        for part in batched(sorted(ids)):
            add_batch(issue_id, edition_id, part, is_retry=True, sent_at=now)
    Delivery.objects.filter(pk__in=[row.pk for row in chosen]).update(due_at=due_at)
    return len(chosen)
