"""Send an approved issue now, and optionally do the sending in this process and see it through."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter import issues
from newsletter.models import Issue, IssueStatus
from workers import checking, ledger, sending
from workers.models import Outcome

BAR = 30
OVER = (IssueStatus.SENT, IssueStatus.PAUSED, IssueStatus.CANCELLED)


class Command(BaseCommand):
    help = (
        "Lets an approved or scheduled issue go out now. The workers send it; with --wait this process sends too, "
        "beside them, and ends when the issue is sent. Exit code 0 when done, 1 if it was held back, paused or "
        "cancelled, 2 if it cannot be sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("issue", type=int, metavar="ID", help="the issue's id, as in its address in the studio")
        parser.add_argument("--wait", action="store_true", help="send in this process too, until the issue is sent")

    def handle(self, *args: object, issue: int, wait: bool, **options: Any) -> None:
        found = self._issue(issue)
        self._schedule(found)
        if not wait:
            self.stdout.write(f"Issue {issue} goes out now; the workers send it.")
            return
        checking.check(issue, now=timezone.now())
        sending.begin_due(now=timezone.now())
        self._see_through(issue)

    def _issue(self, pk: int) -> Issue:
        found = Issue.objects.select_related("newsletter").filter(pk=pk).first()
        if found is None:
            raise CommandError(f"There is no issue {pk}. Its id is in its address in the studio.", returncode=2)
        return found

    def _schedule(self, issue: Issue) -> None:
        now = timezone.now()
        try:
            if issue.status == IssueStatus.APPROVED:
                issues.schedule(issue, at=now, editor=None, now=now)
            elif issue.status == IssueStatus.SCHEDULED and issue.scheduled_at and issue.scheduled_at > now:
                again = issues.unschedule(issue, editor=None, now=now)
                issues.schedule(again, at=now, editor=None, now=now)
        except issues.WrongState as error:
            raise CommandError(str(error), returncode=2) from None
        if issue.status not in {IssueStatus.APPROVED, IssueStatus.SCHEDULED, IssueStatus.SENDING}:
            raise CommandError(
                f"Issue {issue.pk} is “{issue.get_status_display()}”; only an approved issue can be sent. "
                "Review and approve it in the studio.",
                returncode=2,
            )

    def _see_through(self, pk: int) -> None:
        """Send, settle and recover like a worker, until the issue is sent or stopped."""
        while (issue := self._issue(pk)).status not in OVER:
            sending.settle_host(now=timezone.now())
            sending.recover(now=timezone.now())
            if not sending.send(pk, seconds=1.0):
                time.sleep(0.5)
            self._show(issue)
        self._show(issue, last=True)
        if issue.status != IssueStatus.SENT:
            reason = issue.pause_reason or "it was cancelled."
            raise CommandError(f"Issue {pk} was not sent: {reason}", returncode=1)

    def _show(self, issue: Issue, *, last: bool = False) -> None:
        told = ledger.equation(issue)
        done = told.audience - told.waiting
        share = done / told.audience if told.audience else 1.0
        bar = "#" * round(BAR * share)
        words = ", ".join(f"{getattr(told, name)} {name}" for name in Outcome.values if getattr(told, name))
        line = f"[{bar:<{BAR}}] {done} of {told.audience}: {words or 'nothing yet'}"
        if self.stdout.isatty():
            self.stdout.write(f"\r{line}\033[K", ending="\n" if last else "")
            self.stdout.flush()
        elif last:
            self.stdout.write(line)
