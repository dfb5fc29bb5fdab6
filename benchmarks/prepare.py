"""`prepare`: how long it takes to plan many readers, and from a due issue to the first mail at the sink.

Against writing down a row for each reader before the first mail leaves, by bulk_create.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, reference, smtp_sink
from benchmarks.figures import ROUNDS, Findings
from newsletter import editions
from newsletter.models import Issue, Newsletter
from workers import ledger
from workers.models import Batch, Delivery, Outcome
from workers.sending import lifecycle


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    count, rows = (20_000, 500) if quick else (1_000_000, 10_000)
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, count, now=now)
    planned, by_rows = [], []
    for _ in range(ROUNDS):
        issue = reference.create_due_issue(newsletter, now=now)
        editions.freeze(issue, now=now)
        planned.append(figures.rate(count, lambda issue=issue: ledger.plan(issue, now=now)))  # type: ignore[misc]
        by_rows.append(create_delivery_rows(issue, rows))
    found.tell("readers", count, "readers")
    found.tell("plan_s", count / figures.median(planned), f"s to plan {count:,} readers")
    found.tell("planned_per_s", figures.median(planned), "readers/s planned, in batches")
    found.tell("rows_per_s", figures.median(by_rows), "readers/s by a row for each, bulk_create")
    found.tell("plan_bytes_per_reader", plan_bytes(issue) / count, "bytes of plan a reader")
    measure_first_mail(found, newsletter, count)
    found.ratio("plan_vs_rows", planned, by_rows)
    return found


def create_delivery_rows(issue: Issue, count: int) -> float:
    batch = Batch.objects.filter(issue=issue).order_by("number").first()
    assert batch is not None
    speed = figures.rate(
        count,
        lambda: Delivery.objects.bulk_create(
            [
                Delivery(issue=issue, subscription=number, batch=batch, outcome=Outcome.DEFERRED)
                for number in range(1, count + 1)
            ],
            batch_size=500,
        ),
    )
    Delivery.objects.filter(issue=issue).delete()
    return speed


def plan_bytes(issue: Issue) -> int:
    return sum(len(bytes(ids)) for ids in Batch.objects.filter(issue=issue).values_list("reader_ids", flat=True))


def measure_first_mail(found: Findings, newsletter: Newsletter, count: int) -> None:
    """Freeze, check, plan, claim, and the first message taken by the sink."""
    now = timezone.now()
    issue = reference.create_due_issue(newsletter, now=now)
    with smtp_sink.start() as sink:
        settings.MAIL_ROUTES = [sink.url]
        started = time.monotonic()
        begun = lifecycle.begin_due(now=timezone.now())
        found.tell("begin_s", time.monotonic() - started, "s to freeze, check and plan it")
        found.require(issue.pk in begun, f"the issue was held back: {Issue.objects.get(pk=issue.pk).pause_reason}")
        lifecycle.send(issue.pk, seconds=0.5)
        came = sink.report()
    found.require(came.messages > 0, "no mail came to the sink")
    found.tell("first_mail_s", max(0.0, came.first_at - started), f"s from due to the first mail, {count:,} readers")
