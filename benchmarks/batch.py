"""`batch`: claim, merge, call and record by a provider that fills in many copies by one call, in Mailgun's shape.

Against Anymail used once per reader over a kept connection, which records nothing.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.conf import settings
from django.core.mail import get_connection
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, provider_api, reference, smtp
from benchmarks.figures import ROUNDS, Findings
from newsletter.models import Issue, IssueStatus, Newsletter
from workers import ledger
from workers.message import builder
from workers.models import Delivery, Outcome
from workers.sending import lifecycle


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    count, few = (2_000, 15) if quick else (20_000, 60)
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, count, now=now)
    ours, cores, theirs = [], [], []
    with provider_api.start() as provider:
        settings.MAIL_ROUTES = [f"mailgun://key@kabarlintas.example?api_url={provider.url}"]
        warm_up(newsletter, provider, now=now)
        for _ in range(ROUNDS):
            issue, cpu = smtp.begin_issue(newsletter), time.process_time()
            ours.append(figures.rate(count, lambda issue=issue: lifecycle.send(issue.pk, seconds=60)))  # type: ignore[misc]
            cores.append((time.process_time() - cpu) / count * 1e6)
            taken = provider.report()
            check_counts(found, issue, taken, count=count)
            theirs.append(send_with_anymail(newsletter, provider, few, now=now))
    found.tell("readers", count, "readers a round")
    found.tell("readers_per_s", figures.median(ours), "readers/s, one sender, recorded")
    found.tell("core_us", figures.median(cores), "us of one core a reader")
    found.tell("readers_per_call", taken.readers / max(1, taken.calls), "readers a call")
    found.tell("bytes_per_reader", taken.size / max(1, taken.readers), "bytes to the provider for each reader")
    found.tell("naive_per_s", figures.median(theirs), "readers/s by Anymail, once per reader")
    found.ratio("batch_vs_single", ours, theirs)
    return found


def warm_up(newsletter: Newsletter, provider: provider_api.ProviderApi, *, now: datetime) -> None:
    issue = smtp.begin_issue(newsletter)
    lifecycle.send(issue.pk, seconds=0.3)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.CANCELLED)
    send_with_anymail(newsletter, provider, 3, now=now)
    provider.report()


def check_counts(found: Findings, issue: Issue, taken: provider_api.CallTotals, *, count: int) -> None:
    told = ledger.count_deliveries(issue)
    rows = Delivery.objects.filter(issue=issue, outcome=Outcome.ACCEPTED).count()
    found.require(
        (told.accepted, rows, taken.readers) == (count, count, count),
        f"{told.accepted} accepted, {rows} rows and {taken.readers} at the provider, of {count}",
    )


def send_with_anymail(newsletter: Newsletter, provider: provider_api.ProviderApi, few: int, *, now: datetime) -> float:
    """By the loop that most Django projects write."""
    edition = newsletter.issues.latest("pk").editions.get(language=reference.LANGUAGE)
    mail = builder.template_for_edition(edition, newsletter)
    readers = bulk_subscribers.build_readers(few, now=now)
    connection = get_connection(
        "anymail.backends.mailgun.EmailBackend",
        api_key="key",
        api_url=provider.url,
        sender_domain="kabarlintas.example",
    )
    connection.open()
    try:
        speed = figures.rate(
            few, lambda: [connection.send_messages([builder.build_email(mail, one)]) for one in readers]
        )
    finally:
        connection.close()
    provider.report()
    return speed
