"""Send the readers of one claim, in order, at the granted rate, with a recheck of who may still receive.

A route takes one message at a time, several in parallel, or one call for many readers. In each case an answer is in the
spool before the next message is sent, and readers are sent to in ascending order. So after a crash only the first
readers without an answer can have received a message; `window` says how many.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import NamedTuple

from django.utils import timezone

from newsletter.models import Edition, Issue
from subscribers import audience, tokens
from workers import ledger, routes, spool
from workers.ledger import look_ups
from workers.message import builder, header_fields, merge_template
from workers.models import Outcome
from workers.routes.base import MergeRoute, ParallelRoute, account_of, boottime
from workers.throttling import domain_limits, failure_reasons, mailbox_providers

RECHECK_INTERVAL_S = 0.25
"""Nothing may be sent later than one second after an unsubscription; the recheck takes at most a quarter of that."""


def window(route: routes.MailRoute | None) -> int:
    """Return how many readers may be without an answer at the same time."""
    if isinstance(route, MergeRoute):
        return route.most_at_once
    return route.capabilities.window if route else 0


class _InFlight(NamedTuple):
    place: int
    reader: int
    message_id: str


class ClaimSender:
    """Sends one claim. After `send_all`, `entries` holds the outcomes and the other attributes what the route reported."""

    def __init__(
        self,
        issue: Issue,
        claim: ledger.Claim,
        send_spool: spool.SendSpool,
        stop_at: float,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.issue, self.claim, self.send_spool, self.stop_at = issue, claim, send_spool, stop_at
        self.is_stopping = is_stopping
        self.entries: list[ledger.LedgerEntry] = []
        self.problem: routes.RouteUnavailable | routes.AccountRefused | None = None
        self.slow_downs: dict[str, domain_limits.SlowDownRequest] = {}
        self.is_broken = self.has_in_flight = False
        self._begun = self._ended = 0
        self._is_halted = False
        self._excluded: dict[int, str] = {}
        self._account = ""
        self._started = boottime()
        self._rechecked_at = claim.deadline - claim.lease_s

    @property
    def sent_per_s(self) -> float:
        return len(self.entries) / max(0.05, boottime() - self._started)

    @property
    def asks_to_slow_down(self) -> bool:
        return bool(self.slow_downs)

    @property
    def _should_stop(self) -> bool:
        """True if the provider asked to slow down or failed to answer."""
        return self.asks_to_slow_down or self.is_broken

    def send_all(self, route: routes.MailRoute) -> None:
        """Send to every claimed reader in order, until a stop. Raises routes.DeadlineExceeded or ledger.LeaseLost.

        `routes.RouteUnavailable` and `routes.AccountRefused` are kept in `problem`; unsent readers wait again.
        """
        try:
            route.open()
            self._account = account_of(route)
            self._readers = builder.load_recipients(self.claim.ids)
            self._tokens = tokens.make_for_subscribers(self.claim.issue, self.claim.ids)
            self._excluded = {
                reader: audience.NOT_SUBSCRIBED for reader in self.claim.ids if reader not in self._readers
            }
            edition = Edition.objects.get(pk=self.claim.edition)
            self._mail = builder.template_for_edition(
                edition, self.issue.newsletter, eight_bit=route.eight_bit(), stuffed=route.capabilities.stuffed
            )
            if isinstance(route, MergeRoute):
                self._send_by_merge(route)
            elif isinstance(route, ParallelRoute) and route.capabilities.window > 1:
                self._send_in_parallel(route)
            else:
                self._send_one_by_one(route)
        except (routes.RouteUnavailable, routes.AccountRefused) as problem:
            self.problem = problem

    # --- one by one ---

    def _send_one_by_one(self, route: routes.MailRoute) -> None:
        for place, reader in enumerate(self.claim.ids):
            if not self._wait_for_turn(place) or not self._send_one(route, place, reader):
                break

    def _send_one(self, route: routes.MailRoute, place: int, reader: int) -> bool:
        """Send to one reader. Return False if nothing more should be sent."""
        outgoing = self._build_or_skip(route, place, reader)
        if outgoing is None:
            return True
        # From here to the record the message may have left: an exception in between makes its reader uncertain. The
        # three errors below are raised only if nothing was sent.
        self.has_in_flight = True
        try:
            result = route.send(outgoing, deadline=self.claim.deadline)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded):
            self.has_in_flight = False
            raise
        self._record_result(place, reader, result, outgoing.message_id)
        self.has_in_flight = False
        return not self._should_stop

    def _build_or_skip(self, route: routes.MailRoute, place: int, reader: int) -> routes.OutgoingMessage | None:
        """Return the message, or None for a reader who is skipped or refused; the reason is recorded."""
        if route.capabilities.asks_before_each and reader not in self._excluded:
            self._excluded |= audience.no_longer_allowed([reader])
        if reader in self._excluded:
            self._write(place, ledger.LedgerEntry(reader, Outcome.SKIPPED, self._excluded[reader]))
            return None
        try:
            return self._build_message(route, reader)
        except header_fields.Unsendable as error:
            self._write(place, ledger.LedgerEntry(reader, Outcome.REFUSED, "5.1.3", str(error)))
            return None

    def _build_message(self, route: routes.MailRoute, reader: int) -> routes.OutgoingMessage:
        recipient_row = self._readers[reader]
        if route.capabilities.takes == "message":
            message = builder.build_email(self._mail, recipient_row)
            recipient = header_fields.ascii_address(recipient_row.email)
            message_id = str(message.extra_headers["Message-ID"])
            return routes.OutgoingMessage(
                builder.envelope_sender(self._mail, recipient_row), recipient, message_id, message=message
            )
        rendered = builder.render(self._mail, recipient_row, now=timezone.now(), reader_tokens=self._tokens[reader])
        return routes.OutgoingMessage(
            rendered.sender, rendered.recipient, rendered.message_id, rendered.data, stuffed=rendered.stuffed
        )

    # --- several in parallel ---

    def _send_in_parallel(self, route: ParallelRoute) -> None:
        """Keep as many messages in flight as the window allows.

        If one cannot be sent, no further message is started; those in flight are completed.
        """
        flying: dict[Future[routes.SendResult], _InFlight] = {}
        problems: list[Exception] = []
        most = route.capabilities.window
        try:
            for place, reader in enumerate(self.claim.ids):
                # At a slow rate wait for every answer, so that it is in the spool before the pause begins.
                is_slow = self.claim.interval_s > RECHECK_INTERVAL_S
                problems += self._collect_results(route, flying, most=0 if is_slow else most - 1)
                if problems or self._is_halted or self._should_stop or not self._wait_for_turn(place):
                    break
                if outgoing := self._build_or_skip(route, place, reader):
                    self.has_in_flight = True
                    self._begun += 1
                    may_leave = partial(self._may_leave, reader)
                    future = route.begin(outgoing, deadline=self.claim.deadline, may_leave=may_leave)
                    flying[future] = _InFlight(place, reader, outgoing.message_id)
        finally:
            problems += self._collect_results(route, flying, most=0)
        if problems:
            raise problems[0]

    def _collect_results(
        self, route: ParallelRoute, flying: dict[Future[routes.SendResult], _InFlight], *, most: int
    ) -> list[Exception]:
        """Record the answers that have arrived, and wait until at most `most` are missing. Return the errors.

        A message has ended when its answer is in the spool. `_ended` is not raised if recording fails, so that a message
        without a recorded answer counts as in flight when the spool is closed.
        """
        problems = list[Exception]()
        while flying:
            done = route.finished(flying, wait=len(flying) > most)
            for future in done:
                flight = flying.pop(future)
                try:
                    result = future.result()
                except CancelledError:
                    self._handle_cancelled(flight)
                except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded) as problem:
                    problems.append(problem)
                else:
                    self._record_result(flight.place, flight.reader, result, flight.message_id)
                self._ended += 1
            if not done:
                break
        self.has_in_flight = self._begun != self._ended
        return problems

    def _may_leave(self, reader: int) -> bool:
        """Recheck just before a message is sent that had to wait for a connection. Called in a thread of the route."""
        self._excluded |= audience.no_longer_allowed([reader])
        return reader not in self._excluded and bool(ledger.sendable_scope(self.claim.issue)) and not self.is_stopping()

    def _handle_cancelled(self, flight: _InFlight) -> None:
        """Record a message that `_may_leave` stopped: skipped because of its reader, else the whole claim halts."""
        if flight.reader in self._excluded:
            self._write(flight.place, ledger.LedgerEntry(flight.reader, Outcome.SKIPPED, self._excluded[flight.reader]))
        else:
            self._is_halted = True

    # --- many readers in one call ---

    def _send_by_merge(self, route: MergeRoute) -> None:
        """Make calls of the size that the route wants now. Readers that a call left out come first in the next call."""
        mark = look_ups.make_mark(self.claim.batch, self.claim.attempt)
        template = merge_template.compile_template(self._mail, route, mark=mark)
        most, waiting = route.most_at_once, deque(enumerate(self.claim.ids))
        while waiting and self._wait_for_turn(waiting[0][0]):
            next_readers = [waiting.popleft() for _ in range(min(route.at_once, most, len(waiting)))]
            left_out = self._call(route, template, next_readers)
            if len(left_out) == len(next_readers) == 1:
                raise routes.RouteUnavailable("The provider takes not even one reader a call.")
            waiting.extendleft(reversed(left_out))
            if self._should_stop:
                break

    def _call(
        self, route: MergeRoute, template: merge_template.MergeTemplate, next_readers: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Make one call. Return the readers that the provider left out; they certainly received nothing."""
        self._excluded |= audience.no_longer_allowed(reader for _place, reader in next_readers)
        parts = []
        for place, reader in next_readers:
            if reader in self._excluded:
                self._write(place, ledger.LedgerEntry(reader, Outcome.SKIPPED, self._excluded[reader]))
                continue
            try:
                parts.append(
                    (
                        place,
                        reader,
                        merge_template.build_recipient(template, self._readers[reader], self._tokens[reader]),
                    )
                )
            except header_fields.Unsendable as error:
                self._write(place, ledger.LedgerEntry(reader, Outcome.REFUSED, "5.1.3", str(error)))
        if not parts:
            return []
        # An exception other than these three, such as a timeout, leaves all readers of the call uncertain.
        self.has_in_flight = True
        try:
            results = route.send_many(template.mailing, [part for *_who, part in parts], deadline=self.claim.deadline)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded):
            self.has_in_flight = False
            raise
        left_out = []
        for (place, reader, part), result in zip(parts, results, strict=True):
            if result is None:
                left_out.append((place, reader))
            else:
                self._record_result(place, reader, result, part.message_id)
        self.has_in_flight = False
        return left_out

    # --- outcomes ---

    def _record_result(self, place: int, reader: int, result: routes.SendResult, message_id: str) -> None:
        outcome, provider_id = self._interpret_result(reader, result), result.provider_id
        if outcome == Outcome.UNCERTAIN and not provider_id:
            provider_id = look_ups.encode(self.claim.route, self._account, self.claim.batch, self.claim.attempt)
        self._write(place, ledger.LedgerEntry(reader, outcome, result.code, result.detail, provider_id, message_id))

    def _interpret_result(self, reader: int, result: routes.SendResult) -> str:
        """Return the outcome to record. Updates `slow_downs` (by domain limit; "" is the route) and `is_broken`."""
        self.is_broken = self.is_broken or result.is_outage
        if result.outcome not in {Outcome.DEFERRED, Outcome.REFUSED}:
            return result.outcome
        cause = failure_reasons.classify(result.code, result.detail, outcome=result.outcome)
        if "" not in self.slow_downs and (scope := failure_reasons.slow_down_scope(cause, result)):
            limit = mailbox_providers.provider_key(self._readers[reader].email) if scope == "domain" else ""
            self.slow_downs[limit] = domain_limits.SlowDownRequest(
                limit,
                self._domain_rate(limit),
                error=f"{result.code} {result.detail}",
                retry_after_s=max(result.retry_after_s, cause.hold_s),
                none_accepted=not any(entry.outcome == Outcome.ACCEPTED for entry in self.entries),
            )
        return failure_reasons.outcome_to_record(cause, result.outcome)

    def _domain_rate(self, limit: str) -> float:
        """Return messages per second to the readers of one domain limit in this claim; the deferred one counts as well."""
        if not limit:
            return self.sent_per_s
        accepted = (entry.subscription for entry in self.entries if entry.outcome == Outcome.ACCEPTED)
        count = sum(mailbox_providers.provider_key(self._readers[reader].email) == limit for reader in accepted)
        return (count + 1) / max(0.05, boottime() - self._started)

    def _write(self, place: int, entry: ledger.LedgerEntry) -> None:
        # The order matters: a crash after this line leaves the answer on disk.
        self.send_spool.append(
            spool.SpooledResult(place, entry.outcome, entry.code, entry.detail, entry.provider_id, entry.message_id)
        )
        self.entries.append(entry)

    def _wait_for_turn(self, place: int) -> bool:
        """Wait until the next message is due by the rate. Return False if nothing more may be sent.

        Every 250 ms it rechecks who may still receive and whether the issue is still being sent, and renews the lease.
        """
        due = self._started + place * self.claim.interval_s
        while True:
            if not self._recheck(place):
                return False
            left = due - boottime()
            if left <= 0:
                return True
            time.sleep(min(left, RECHECK_INTERVAL_S))

    def _recheck(self, place: int) -> bool:
        # boottime continues while the host is suspended. A worker that was stopped past its lease therefore notices it
        # here, and `extend_lease` raises LeaseLost before the next message.
        now = boottime()
        if now - self._rechecked_at < RECHECK_INTERVAL_S:
            return True
        if now > self.claim.deadline - self.claim.lease_s * 2 / 3:
            self.claim = ledger.extend_lease(self.claim, now=timezone.now())
        left = self.claim.ids[place:]
        self._excluded |= audience.no_longer_allowed(left)
        self._rechecked_at = now
        return bool(ledger.sendable_scope(self.claim.issue)) and now < self.stop_at and not self.is_stopping()
