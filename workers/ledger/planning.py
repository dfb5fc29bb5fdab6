"""The plan of an issue: batches, written once at the start; batches appended later for retries and resends."""

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
"""Batches per INSERT statement. The plan of a million readers must not be in memory as a whole."""


def plan(issue: Issue, *, now: datetime) -> int:
    """Write the batches of an issue: each of one edition, ids ascending. Return the number of readers.

    One transaction. Safe to repeat: if a plan exists, nothing changes. The small first batches (one per language) have
    the lowest numbers.
    """
    with transaction.atomic():
        # The lock on the issue's row keeps a second worker from planning at the same time.
        Issue.objects.select_for_update().get(pk=issue.pk)
        planned = Batch.objects.filter(issue=issue)
        if planned.exists():
            return planned.filter(is_retry=False).aggregate(readers=Sum("size"))["readers"] or 0
        readers, batches = 0, _batches(issue)
        while chunk := list(islice(batches, BATCHES_PER_INSERT)):
            Batch.objects.bulk_create(chunk)
            readers += sum(batch.size for batch in chunk)
        Issue.objects.filter(pk=issue.pk).update(audience_count=readers)
    _analyze(Batch)
    logger.info("issue planned", extra={"issue": issue.pk, "readers": readers})
    return readers


def _batches(issue: Issue) -> Iterator[Batch]:
    editions = {edition.language: edition.pk for edition in Edition.objects.filter(issue=issue, variant="")}
    default = editions[issue.newsletter.default_language]
    first_batch_size = issue.newsletter.first_batch
    first: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    rest: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    number = 0
    for position, (reader, language) in enumerate(_stream_subscribers(audience.for_issue(issue))):
        edition = editions.get(language, default)
        if position < first_batch_size:
            first[edition].append(reader)
            continue
        waiting = rest[edition]
        waiting.append(reader)
        if len(waiting) == BATCH_SIZE:
            number += 1
            yield make_batch(issue, edition, number + first_batch_size, waiting)
            rest[edition] = array("q")
    for edition, waiting in rest.items():
        if waiting:
            number += 1
            yield make_batch(issue, edition, number + first_batch_size, waiting)
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
    """Yield (id, language) from a server-side cursor, so that a million readers are never in memory at once."""
    sql, parameters = readers.order_by("pk").values_list("pk", "language").query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(5000):
            yield from rows


def _analyze(model: type[Batch]) -> None:
    """Update PostgreSQL's statistics after a bulk load; without them claims use slow query plans until autovacuum.

    SQLite does not need it for these indexes.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{model._meta.db_table}"')


def begin(issue: Issue, *, now: datetime) -> int:
    """scheduled -> sending, and write the plan, in one transaction: an issue that is being sent always has a plan.

    Raises ChangedSinceApproval if the content differs from what was approved, issues.WrongState if it is not due.
    """
    with transaction.atomic():
        # Lock order: the issue's row, then (in `plan`) its new batches. Two workers may begin the same issue at once:
        # the second waits locked, and its UPDATE below then matches no row.
        locked = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=issue.pk)
        if locked.status == IssueStatus.SCHEDULED and not issues.matches_approval(locked):
            raise ChangedSinceApproval(f"Issue {issue.pk} is not what was approved")
        due = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SCHEDULED, scheduled_at__lte=now)
        if not due.update(status=IssueStatus.SENDING, started_at=now, pause_reason=""):
            raise issues.wrong_state_error(issue)
        readers = plan(locked, now=now)
        issues.audit("issue-begun", locked, editor=locked.scheduled_by, now=now, readers=readers)
    logger.info("issue begun", extra={"issue": issue.pk, "readers": readers})
    return readers


# --- batches that come later ------------------------------------------------------------------------------------------


def add_batch(issue_id: int, edition_id: int, ids: Sequence[int], **fields: Any) -> None:
    """Append a batch under the next number.

    Retry: two workers may choose the same number. The unique constraint lets one succeed; the other rolls back to its
    savepoint and tries the next number, up to 20 times.
    """
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
    """Put deferred readers that are due into retry batches. Return how many.

    Sent issues are included: an editor may have resent to a reader whose mailbox provider then deferred the message.
    """
    with transaction.atomic():
        # SKIP LOCKED: two workers plan different readers; a row that another transaction is writing is planned by a
        # later tick. `due_at` is cleared in the same transaction, so no reader is planned twice.
        due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            outcome=Outcome.DEFERRED, due_at__lte=now, issue__status__in=[IssueStatus.SENDING, IssueStatus.SENT]
        )
        return _plan_retry_batches(due.order_by("issue", "subscription")[:most], due_at=None, now=now)


def plan_resend(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Plan one more message for the uncertain among these readers, by an editor's decision. Return how many.

    The Message-ID stays the same. Safe to repeat: until the resend is recorded, further calls change nothing.
    """
    with transaction.atomic():
        # A delivery with a resend under way has `due_at`; the lock makes a second click wait until it is set.
        deliveries = Delivery.objects.select_for_update(of=("self",)).filter(
            issue=issue,
            subscription__in=list(subscription_ids),
            outcome=Outcome.UNCERTAIN,
            due_at__isnull=True,
            issue__status__in=[IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT],
        )
        rows = list(deliveries.order_by("subscription").values_list("subscription", flat=True))
        readers = _plan_retry_batches(deliveries.order_by("issue", "subscription"), due_at=now, now=now)
        if readers:
            issues.audit("issue-sent-again", issue, editor=editor, now=now, readers=rows)
    return readers


def _plan_retry_batches(deliveries: Iterable[Delivery], *, due_at: datetime | None, now: datetime) -> int:
    """Write retry batches, each of one edition, and set `due_at` of their deliveries. Return the number of readers."""
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    rows = list(deliveries)
    editions = dict(Batch.objects.filter(pk__in={row.batch_id for row in rows}).values_list("pk", "edition_id"))
    for row in rows:
        groups[row.issue_id, editions[row.batch_id]].append(row.subscription)
    for (issue_id, edition_id), ids in groups.items():
        for part in batched(sorted(ids)):
            add_batch(issue_id, edition_id, part, is_retry=True, sent_at=now)
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=due_at)
    return len(rows)
