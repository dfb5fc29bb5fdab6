"""`smtp`: claim, build, send and record, from the plan to the last answer, against a loop of EmailMultiAlternatives.

Both talk to the same sink, over one connection; ours also over a few side by side. The plain loop keeps its connection, like ours, gets its words ready, and records nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.core.mail import get_connection
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, reference, smtp_sink
from benchmarks.figures import ROUNDS, Findings
from newsletter import editions
from newsletter.models import Issue, IssueStatus, Newsletter
from workers import ledger
from workers.message import builder
from workers.models import Delivery, Outcome
from workers.sending import lifecycle

SENDERS = 2
CONNECTIONS = 4


class RoundCost(NamedTuple):
    """How fast a round was, and what a message cost each side."""

    per_s: float
    core_us: float
    sink_us: float


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    count, few = (600, 15) if quick else (3_000, 60)
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, count, now=now)
    ours, pooled, theirs, several = [], [], [], []
    with smtp_sink.start() as sink:
        settings.MAIL_ROUTES = [sink.url]
        warm_up(newsletter, sink, few)
        for _ in range(ROUNDS):
            ours.append(send(found, begin_issue(newsletter), sink, count=count))
            theirs.append(send_with_django(newsletter, sink, few, now=now))
            settings.MAIL_ROUTES = [f"{sink.url}&connections={CONNECTIONS}"]
            pooled.append(send(found, begin_issue(newsletter), sink, count=count))
            settings.MAIL_ROUTES = [sink.url]
            if not quick:
                several.append(send_by_several(found, begin_issue(newsletter), sink, count=count))
    found.tell("readers", count, "readers a round")
    found.tell("messages_per_s", figures.median(one.per_s for one in ours), "messages/s, one sender, recorded")
    found.tell(
        "messages_per_s_pool", figures.median(one.per_s for one in pooled), f"messages/s, {CONNECTIONS} connections"
    )
    if several:
        found.tell("messages_per_s_two_senders", figures.median(several), f"messages/s, {SENDERS} senders, recorded")
    found.tell("naive_messages_per_s", figures.median(one.per_s for one in theirs), "messages/s by the plain loop")
    found.tell("core_us", figures.median(one.core_us for one in ours), "us of one core a message, one sender")
    found.tell("naive_core_us", figures.median(one.core_us for one in theirs), "us of one core a message, plain loop")
    found.tell(
        "sink_us", figures.median(one.sink_us for one in ours), "us of one core a message in the sink, beside ours"
    )
    found.tell("recorded_exactly", not found.faults, "every reader once at the sink and once in the ledger")
    found.ratio("smtp_vs_naive", [one.per_s for one in ours], [one.per_s for one in theirs])
    found.ratio("smtp_pool_vs_naive", [one.per_s for one in pooled], [one.per_s for one in theirs])
    found.ratio("smtp_core_vs_naive", [one.core_us for one in theirs], [one.core_us for one in ours])
    return found


def begin_issue(newsletter: Newsletter) -> Issue:
    """An issue that is sending: frozen and planned, nothing claimed yet."""
    now = timezone.now()
    issue = reference.create_due_issue(newsletter, now=now)
    editions.freeze(issue, now=now)
    ledger.begin(issue, now=now)
    return issue


def warm_up(newsletter: Newsletter, sink: smtp_sink.Sink, few: int) -> None:
    issue = begin_issue(newsletter)
    lifecycle.send(issue.pk, seconds=0.3)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.CANCELLED)
    send_with_django(newsletter, sink, few // 4, now=timezone.now())
    sink.report()


def send(found: Findings, issue: Issue, sink: smtp_sink.Sink, *, count: int) -> RoundCost:
    """By the sender of the product, in this process."""
    pace, came = measure(sink, count, lambda: lifecycle.send(issue.pk, seconds=60))
    check_counts(found, issue, came, count=count)
    return pace


def measure(sink: smtp_sink.Sink, count: int, run: Callable[[], object]) -> tuple[RoundCost, smtp_sink.Report]:
    idle, cpu = sink.report().cpu_s, time.process_time()
    per_s = figures.rate(count, run)
    cpu, came = time.process_time() - cpu, sink.report()
    return RoundCost(per_s, cpu / count * 1e6, (came.cpu_s - idle) / count * 1e6), came


def check_counts(found: Findings, issue: Issue, came: smtp_sink.Report, *, count: int) -> None:
    told = ledger.count_deliveries(issue)
    rows = Delivery.objects.filter(issue=issue, outcome=Outcome.ACCEPTED).count()
    found.require(
        (told.audience, told.accepted, rows) == (count, count, count) and told.is_consistent,
        f"the ledger of issue {issue.pk} has {told.accepted} and {rows} accepted of {count}",
    )
    found.require(
        (came.messages, came.ids) == (count, count),
        f"the sink has {came.messages} messages with {came.ids} ids of {count}",
    )


def send_with_django(newsletter: Newsletter, sink: smtp_sink.Sink, few: int, *, now: datetime) -> RoundCost:
    """By the loop that most Django projects write."""
    edition = newsletter.issues.latest("pk").editions.get(language=reference.LANGUAGE)
    mail = builder.template_for_edition(edition, newsletter)
    readers = bulk_subscribers.build_readers(few, now=now)
    connection = get_connection(
        "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=sink.port, use_tls=False
    )
    connection.open()
    try:
        pace, _came = measure(
            sink, few, lambda: [connection.send_messages([builder.build_email(mail, one)]) for one in readers]
        )
    finally:
        connection.close()
    return pace


# --- several senders -------------------------------------------------------------------------------------------------


def send_by_several(found: Findings, issue: Issue, sink: smtp_sink.Sink, *, count: int) -> float:
    """Messages a second by several processes at once; they start together when all are ready."""
    command = [sys.executable, "-m", "benchmarks.sender_process", str(issue.pk), sink.url]
    senders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(SENDERS)
    ]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    speed = figures.rate(count, lambda: _start_and_wait(senders))
    check_counts(found, issue, sink.report(), count=count)
    return speed


def _start_and_wait(senders: list[subprocess.Popen[str]]) -> None:
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    for sender in senders:
        sender.communicate()
