"""Send an approved issue now, and optionally do the sending in this process and see it through."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from newsletter import issues
from newsletter.models import Issue, IssueStatus
from workers.sending import lifecycle, slow_checks
from workers.studio.progress.delays import Delay
from workers.studio.progress.sending_status import SendingStatus

BAR_WIDTH = 30
PERCENT_PER_LINE = 10
"""Per cent between two lines where nobody watches a terminal."""
STOPPED_STATUSES = (IssueStatus.SENT, IssueStatus.PAUSED, IssueStatus.CANCELLED)
TERMS = ("accepted", "deferred", "refused", "skipped", "uncertain", "waiting")


class Command(BaseCommand):
    help = (
        "Lets an approved or scheduled issue go out now. The workers send it; with --wait this process sends too, "
        "beside them, and ends when the issue is sent. It shows how far it is and what is slow; Ctrl-C ends the "
        "showing and this process's part, not the sending. Exit code 0 when done, 1 if it was held back, paused, "
        "cancelled or not seen to its end, 2 if it cannot be sent."
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
        slow_checks.check(issue, now=timezone.now())
        lifecycle.begin_due(now=timezone.now())
        with translation.override("en"), catch_interrupt() as is_interrupted:
            self._see_through(issue, is_interrupted)

    def _issue(self, pk: int) -> Issue:
        found = Issue.objects.select_related("newsletter", "scheduled_by").filter(pk=pk).first()
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

    def _see_through(self, pk: int, is_interrupted: threading.Event) -> None:
        """Send, settle and recover like a worker, until the issue is sent or stopped, or somebody has seen enough."""
        show = ProgressDisplay(self)
        while (issue := self._issue(pk)).status not in STOPPED_STATUSES:
            lifecycle.settle_orphaned(now=timezone.now())
            lifecycle.recover(now=timezone.now())
            if not lifecycle.send(pk, seconds=1.0, is_stopping=is_interrupted.is_set):
                is_interrupted.wait(0.5)
            show.now(self._issue(pk))
            if is_interrupted.is_set():
                show.end()
                raise CommandError(_describe_rest(self._issue(pk)), returncode=1)
        show.now(issue, last=True)
        show.end()
        if issue.status != IssueStatus.SENT:
            reason = issue.pause_reason or "it was cancelled."
            raise CommandError(f"Issue {pk} was not sent: {reason}", returncode=1)


def _describe_rest(issue: Issue) -> str:
    if issue.status in STOPPED_STATUSES:
        return f"Not watched to its end: issue {issue.pk} is “{issue.get_status_display()}”."
    return (
        f"Issue {issue.pk} keeps going out: the workers send the rest, and nobody gets it twice. "
        f"Look again with “send_issue {issue.pk} --wait”; to stop it, press Pause on its page in the studio."
    )


@contextmanager
def catch_interrupt() -> Iterator[threading.Event]:
    """Set by Ctrl-C, so that the message in hand gets its answer; a second Ctrl-C ends the process at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def press(*_: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


class ProgressDisplay:
    """On a terminal a bar and a few lines that move; elsewhere a plain line whenever something worth it happened."""

    def __init__(self, command: BaseCommand) -> None:
        self._out, self._is_rich = command.stdout, command.stdout.isatty()
        self._drawn = 0
        self._said: tuple[object, ...] = ()
        self._told: set[str] = set()

    def now(self, issue: Issue, *, last: bool = False) -> None:
        flight = SendingStatus(issue, timezone.now())
        delays = [_describe_delay(delay) for delay in flight.slow]
        if self._is_rich:
            self._draw([self._bar(flight), _describe_equation(flight), *(f"· {words}" for words in delays)])
            return
        says = (issue.status, flight.percent // PERCENT_PER_LINE)
        if last or says != self._said:
            self._out.write(_describe_progress(flight))
            self._said = says
        for words in delays:
            if (kind := words.translate(_WITHOUT_DIGITS)) not in self._told:
                self._told.add(kind)
                self._out.write(f"  {words}")
        self._out.flush()

    def end(self) -> None:
        if self._is_rich and self._drawn:
            self._out.write("")

    def _bar(self, flight: SendingStatus) -> str:
        filled = BAR_WIDTH * flight.handled // flight.total if flight.total else BAR_WIDTH
        bar = f"\033[32m{'━' * filled}\033[0m\033[2m{'━' * (BAR_WIDTH - filled)}\033[0m"
        return f"\033[1m{flight.percent:3d} %\033[0m {bar} {_describe_handled(flight)}"

    def _draw(self, lines: list[str]) -> None:
        """Over what was drawn before, without a flicker."""
        up = f"\033[{self._drawn - 1}A\r" if self._drawn > 1 else "\r"
        body = "\n".join(f"{line}\033[K" for line in lines)
        self._out.write(f"{up}{body}\033[J", ending="")
        self._out.flush()
        self._drawn = len(lines)


_WITHOUT_DIGITS = str.maketrans("", "", "0123456789,.:")


def _describe_handled(flight: SendingStatus) -> str:
    return " · ".join(filter(None, [f"{flight.handled} of {flight.total}", flight.pace]))


def _describe_equation(flight: SendingStatus) -> str:
    """The audience equation, all six terms."""
    told = flight.equation
    return f"{' + '.join(f'{getattr(told, name)} {name}' for name in TERMS)} = {told.audience}"


def _describe_delay(delay: Delay) -> str:
    remedy = f" If that machine is gone for good: manage.py settle --lost {delay.lost_host}" if delay.lost_host else ""
    return f"{delay.words}{remedy}"


def _describe_progress(flight: SendingStatus) -> str:
    return f"{flight.percent} %: {_describe_handled(flight)}: {_describe_equation(flight)}"
