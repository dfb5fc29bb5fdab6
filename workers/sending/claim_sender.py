"""One claim on its way out: each reader in order, at the pace granted, asking all the while who may still receive.

Routes take one letter at a time, or a few at once, or a call with many readers. Whichever it is, the answers are in the
spool before anything else leaves, and readers leave in ascending order; so after a crash the first readers without an
answer, as many as `window` says, are all who may have got it.
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


def window(route: routes.MailRoute | None) -> int:
    """How many readers may be without an answer at once."""
    if isinstance(route, MergeRoute):
        return route.most_at_once
    return route.capabilities.window if route else 0


class _InFlight(NamedTuple):
    place: int
    reader: int
    message_id: str


class ClaimSender:
    """One claim on its way out."""

    def __init__(
        self,
        issue: Issue,
        claim: ledger.Claim,
        answers: spool.SendSpool,
        until: float,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.issue, self.claim, self.answers, self.until = issue, claim, answers, until
        self.is_stopping = is_stopping
        self.entries: list[ledger.LedgerEntry] = []
        self.problem: routes.RouteUnavailable | routes.AccountRefused | None = None
        self.slowed: dict[str, domain_limits.SlowDownRequest] = {}
        self.is_broken = self.under_way = False
        self._begun = self._ended = 0
        self._is_halted = False
        self._excluded: dict[int, str] = {}
        self._account = ""
        self._started = boottime()
        self._asked_at = claim.deadline - claim.lease_s

    @property
    def sent_per_s(self) -> float:
        return len(self.entries) / max(0.05, boottime() - self._started)

    @property
    def asks_to_slow_down(self) -> bool:
        return bool(self.slowed)

    @property
    def _should_stop(self) -> bool:
        """The provider would rather not have the next."""
        return self.asks_to_slow_down or self.is_broken

    def send_all(self, route: routes.MailRoute) -> None:
        """Every claimed reader in order, until something says stop. Raises TooLate or ledger.LeaseLost."""
        try:
            route.open()
            self._account = account_of(route)
            self._readers = builder.load_recipients(self.claim.ids)
            self._own = tokens.make_for_subscribers(self.claim.issue, self.claim.ids)
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
            if not self._wait_for_turn(place) or not self._one(route, place, reader):
                break

    def _one(self, route: routes.MailRoute, place: int, reader: int) -> bool:
        """One reader; False if the provider would rather not have the next."""
        letter = self._build_or_skip(route, place, reader)
        if letter is None:
            return True
        self.under_way = True
        try:
            result = route.send(letter, deadline=self.claim.deadline)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded):
            self.under_way = False
            raise
        self._record_result(place, reader, result, letter.message_id)
        self.under_way = False
        return not self._should_stop

    def _build_or_skip(self, route: routes.MailRoute, place: int, reader: int) -> routes.OutgoingMessage | None:
        """The letter, or None for a reader who gets none; why is written down."""
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
        person = self._readers[reader]
        if route.capabilities.takes == "message":
            message = builder.build_email(self._mail, person)
            recipient = header_fields.ascii_address(person.email)
            message_id = str(message.extra_headers["Message-ID"])
            return routes.OutgoingMessage(
                builder.envelope_sender(self._mail, person), recipient, message_id, message=message
            )
        copy = builder.render(self._mail, person, now=timezone.now(), own=self._own[reader])
        return routes.OutgoingMessage(copy.sender, copy.recipient, copy.message_id, copy.data, stuffed=copy.stuffed)

    # --- a few at once ---

    def _send_in_parallel(self, route: ParallelRoute) -> None:
        """As many letters under way as the window allows. One that could not leave stops the next ones, not the others."""
        flying: dict[Future[routes.SendResult], _InFlight] = {}
        problems: list[Exception] = []
        most = route.capabilities.window
        try:
            for place, reader in enumerate(self.claim.ids):
                patient = self.claim.interval_s > RECHECK_INTERVAL_S  # no answer waits for the pace to be written down
                problems += self._collect_results(route, flying, most=0 if patient else most - 1)
                if problems or self._is_halted or self._should_stop or not self._wait_for_turn(place):
                    break
                if letter := self._build_or_skip(route, place, reader):
                    self.under_way = True
                    self._begun += 1
                    may_leave = partial(self._may_leave, reader)
                    future = route.begin(letter, deadline=self.claim.deadline, may_leave=may_leave)
                    flying[future] = _InFlight(place, reader, letter.message_id)
        finally:
            problems += self._collect_results(route, flying, most=0)
        if problems:
            raise problems[0]

    def _collect_results(
        self, route: ParallelRoute, flying: dict[Future[routes.SendResult], _InFlight], *, most: int
    ) -> list[Exception]:
        """Write down the answers that are here, and wait until at most `most` are not. Returns what went wrong.

        A letter ends with its answer in the spool. One that an error lost sight of counts as under way for good.
        """
        problems = list[Exception]()
        while flying:
            done = route.finished(flying, wait=len(flying) > most)
            for future in done:
                sent = flying.pop(future)
                try:
                    result = future.result()
                except CancelledError:
                    self._handle_cancelled(sent)
                except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded) as problem:
                    problems.append(problem)
                else:
                    self._record_result(sent.place, sent.reader, result, sent.message_id)
                self._ended += 1
            if not done:
                break
        self.under_way = self._begun != self._ended
        return problems

    def _may_leave(self, reader: int) -> bool:
        """For a letter that had to wait for a connection."""
        self._excluded |= audience.no_longer_allowed([reader])
        return reader not in self._excluded and bool(ledger.sendable_scope(self.claim.issue)) and not self.is_stopping()

    def _handle_cancelled(self, sent: _InFlight) -> None:
        """It may not leave any more: because of its reader, or none may."""
        if sent.reader in self._excluded:
            self._write(sent.place, ledger.LedgerEntry(sent.reader, Outcome.SKIPPED, self._excluded[sent.reader]))
        else:
            self._is_halted = True

    # --- many by one call ---

    def _send_by_merge(self, route: MergeRoute) -> None:
        """Calls of the size that the route wants now; whom a call left out is offered again, first."""
        mark = look_ups.make_mark(self.claim.batch, self.claim.attempt)
        plan = merge_template.compile_template(self._mail, route, mark=mark)
        most, waiting = route.most_at_once, deque(enumerate(self.claim.ids))
        while waiting and self._wait_for_turn(waiting[0][0]):
            chosen = [waiting.popleft() for _ in range(min(route.at_once, most, len(waiting)))]
            left_out = self._call(route, plan, chosen)
            if len(left_out) == len(chosen) == 1:
                raise routes.RouteUnavailable("The provider takes not even one reader a call.")
            waiting.extendleft(reversed(left_out))
            if self._should_stop:
                break

    def _call(
        self, route: MergeRoute, plan: merge_template.MergeTemplate, chosen: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """One call. Returns whom the provider left out: they have surely not got it."""
        self._excluded |= audience.no_longer_allowed(reader for _place, reader in chosen)
        parts = []
        for place, reader in chosen:
            if reader in self._excluded:
                self._write(place, ledger.LedgerEntry(reader, Outcome.SKIPPED, self._excluded[reader]))
                continue
            try:
                parts.append(
                    (place, reader, merge_template.build_recipient(plan, self._readers[reader], self._own[reader]))
                )
            except header_fields.Unsendable as error:
                self._write(place, ledger.LedgerEntry(reader, Outcome.REFUSED, "5.1.3", str(error)))
        if not parts:
            return []
        self.under_way = True
        try:
            results = route.send_many(plan.mailing, [part for *_who, part in parts], deadline=self.claim.deadline)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded):
            self.under_way = False
            raise
        left_out = []
        for (place, reader, part), result in zip(parts, results, strict=True):
            if result is None:
                left_out.append((place, reader))
            else:
                self._record_result(place, reader, result, part.message_id)
        self.under_way = False
        return left_out

    # --- what became of them ---

    def _record_result(self, place: int, reader: int, result: routes.SendResult, message_id: str) -> None:
        outcome, provider_id = self._interpret_result(reader, result), result.provider_id
        if outcome == Outcome.UNCERTAIN and not provider_id:
            provider_id = look_ups.encode(self.claim.route, self._account, self.claim.batch, self.claim.attempt)
        self._write(place, ledger.LedgerEntry(reader, outcome, result.code, result.detail, provider_id, message_id))

    def _interpret_result(self, reader: int, result: routes.SendResult) -> str:
        """The outcome to record; `slowed` (by lane) and `is_broken` tell what else the answer says."""
        self.is_broken = self.is_broken or result.is_outage
        if result.outcome not in {Outcome.DEFERRED, Outcome.REFUSED}:
            return result.outcome
        cause = failure_reasons.classify(result.code, result.detail, outcome=result.outcome)
        if "" not in self.slowed and (whom := failure_reasons.slow_down_scope(cause, result)):
            lane = mailbox_providers.provider_key(self._readers[reader].email) if whom == "lane" else ""
            self.slowed[lane] = domain_limits.SlowDownRequest(
                lane,
                self._domain_rate(lane),
                error=f"{result.code} {result.detail}",
                retry_after_s=max(result.retry_after_s, cause.hold_s),
                none_accepted=not any(entry.outcome == Outcome.ACCEPTED for entry in self.entries),
            )
        return failure_reasons.outcome_to_record(cause, result.outcome)

    def _domain_rate(self, lane: str) -> float:
        """How fast the readers of one lane got it in this claim, the last of them counted as well."""
        if not lane:
            return self.sent_per_s
        took = (entry.subscription for entry in self.entries if entry.outcome == Outcome.ACCEPTED)
        there = sum(mailbox_providers.provider_key(self._readers[reader].email) == lane for reader in took)
        return (there + 1) / max(0.05, boottime() - self._started)

    def _write(self, place: int, entry: ledger.LedgerEntry) -> None:
        self.answers.answer(
            spool.SpooledResult(place, entry.outcome, entry.code, entry.detail, entry.provider_id, entry.message_id)
        )
        self.entries.append(entry)

    def _wait_for_turn(self, place: int) -> bool:
        """Keep the pace and the lease; every 250 ms ask who is still allowed and whether the issue still goes."""
        due = self._started + place * self.claim.interval_s
        while True:
            if not self._recheck(place):
                return False
            left = due - boottime()
            if left <= 0:
                return True
            time.sleep(min(left, RECHECK_INTERVAL_S))

    def _recheck(self, place: int) -> bool:
        now = boottime()
        if now - self._asked_at < RECHECK_INTERVAL_S:
            return True
        if now > self.claim.deadline - self.claim.lease_s * 2 / 3:
            self.claim = ledger.extend_lease(self.claim, now=timezone.now())
        left = self.claim.ids[place:]
        self._excluded |= audience.no_longer_allowed(left)
        self._asked_at = now
        return bool(ledger.sendable_scope(self.claim.issue)) and now < self.until and not self.is_stopping()
