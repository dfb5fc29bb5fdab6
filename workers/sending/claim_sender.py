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
from workers.routes.base import MergeRoute, ParallelRoute, account_of, tick
from workers.throttling import domains, failure_reasons, mailbox_providers

ASK_EVERY_S = 0.25


def window(route: routes.Route | None) -> int:
    """How many readers may be without an answer at once."""
    if isinstance(route, MergeRoute):
        return route.most_at_once
    return route.capabilities.window if route else 0


class _Sent(NamedTuple):
    place: int
    reader: int
    message_id: str


class Run:
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
        self.entries: list[ledger.Entry] = []
        self.problem: routes.TryLater | routes.Refused | None = None
        self.slowed: dict[str, domains.Slowed] = {}
        self.is_broken = self.under_way = False
        self._begun = self._ended = 0
        self._is_halted = False
        self._barred: dict[int, str] = {}
        self._account = ""
        self._started = tick()
        self._asked_at = claim.deadline - claim.lease_s

    @property
    def sent_per_s(self) -> float:
        return len(self.entries) / max(0.05, tick() - self._started)

    @property
    def wants_less(self) -> bool:
        return bool(self.slowed)

    @property
    def _has_had_enough(self) -> bool:
        """The provider would rather not have the next."""
        return self.wants_less or self.is_broken

    def all(self, route: routes.Route) -> None:
        """Every claimed reader in order, until something says stop. Raises TooLate or ledger.LeaseLost."""
        try:
            route.open()
            self._account = account_of(route)
            self._readers = builder.readers(self.claim.ids)
            self._own = tokens.of_readers(self.claim.issue, self.claim.ids)
            self._barred = {reader: audience.LEFT for reader in self.claim.ids if reader not in self._readers}
            edition = Edition.objects.get(pk=self.claim.edition)
            self._mail = builder.of_edition(
                edition, self.issue.newsletter, eight_bit=route.eight_bit(), stuffed=route.capabilities.stuffed
            )
            if isinstance(route, MergeRoute):
                self._by_the_call(route)
            elif isinstance(route, ParallelRoute) and route.capabilities.window > 1:
                self._a_few_at_once(route)
            else:
                self._one_by_one(route)
        except (routes.TryLater, routes.Refused) as problem:
            self.problem = problem

    # --- one by one ---

    def _one_by_one(self, route: routes.Route) -> None:
        for place, reader in enumerate(self.claim.ids):
            if not self._may_go_on(place) or not self._one(route, place, reader):
                break

    def _one(self, route: routes.Route, place: int, reader: int) -> bool:
        """One reader; False if the provider would rather not have the next."""
        letter = self._ready(route, place, reader)
        if letter is None:
            return True
        self.under_way = True
        try:
            result = route.send(letter, deadline=self.claim.deadline)
        except (routes.TryLater, routes.Refused, routes.TooLate):
            self.under_way = False
            raise
        self._answered(place, reader, result, letter.message_id)
        self.under_way = False
        return not self._has_had_enough

    def _ready(self, route: routes.Route, place: int, reader: int) -> routes.Letter | None:
        """The letter, or None for a reader who gets none; why is written down."""
        if route.capabilities.asks_before_each and reader not in self._barred:
            self._barred |= audience.still_allowed([reader])
        if reader in self._barred:
            self._write(place, ledger.Entry(reader, Outcome.SKIPPED, self._barred[reader]))
            return None
        try:
            return self._letter(route, reader)
        except header_fields.Unsendable as error:
            self._write(place, ledger.Entry(reader, Outcome.REFUSED, "5.1.3", str(error)))
            return None

    def _letter(self, route: routes.Route, reader: int) -> routes.Letter:
        person = self._readers[reader]
        if route.capabilities.takes == "message":
            message = builder.mail(self._mail, person)
            recipient = header_fields.ascii_address(person.email)
            message_id = str(message.extra_headers["Message-ID"])
            return routes.Letter(builder.sender(self._mail, person), recipient, message_id, message=message)
        copy = builder.fill(self._mail, person, now=timezone.now(), own=self._own[reader])
        return routes.Letter(copy.sender, copy.recipient, copy.message_id, copy.data, stuffed=copy.stuffed)

    # --- a few at once ---

    def _a_few_at_once(self, route: ParallelRoute) -> None:
        """As many letters under way as the window allows. One that could not leave stops the next ones, not the others."""
        flying: dict[Future[routes.Result], _Sent] = {}
        problems: list[Exception] = []
        most = route.capabilities.window
        try:
            for place, reader in enumerate(self.claim.ids):
                patient = self.claim.interval_s > ASK_EVERY_S  # no answer waits for the pace to be written down
                problems += self._land(route, flying, most=0 if patient else most - 1)
                if problems or self._is_halted or self._has_had_enough or not self._may_go_on(place):
                    break
                if letter := self._ready(route, place, reader):
                    self.under_way = True
                    self._begun += 1
                    may_leave = partial(self._may_leave, reader)
                    future = route.begin(letter, deadline=self.claim.deadline, may_leave=may_leave)
                    flying[future] = _Sent(place, reader, letter.message_id)
        finally:
            problems += self._land(route, flying, most=0)
        if problems:
            raise problems[0]

    def _land(self, route: ParallelRoute, flying: dict[Future[routes.Result], _Sent], *, most: int) -> list[Exception]:
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
                    self._stayed(sent)
                except (routes.TryLater, routes.Refused, routes.TooLate) as problem:
                    problems.append(problem)
                else:
                    self._answered(sent.place, sent.reader, result, sent.message_id)
                self._ended += 1
            if not done:
                break
        self.under_way = self._begun != self._ended
        return problems

    def _may_leave(self, reader: int) -> bool:
        """For a letter that had to wait for a connection."""
        self._barred |= audience.still_allowed([reader])
        return reader not in self._barred and bool(ledger.goes(self.claim.issue)) and not self.is_stopping()

    def _stayed(self, sent: _Sent) -> None:
        """It may not leave any more: because of its reader, or none may."""
        if sent.reader in self._barred:
            self._write(sent.place, ledger.Entry(sent.reader, Outcome.SKIPPED, self._barred[sent.reader]))
        else:
            self._is_halted = True

    # --- many by one call ---

    def _by_the_call(self, route: MergeRoute) -> None:
        """Calls of the size that the route wants now; whom a call left out is offered again, first."""
        mark = look_ups.mark(self.claim.batch, self.claim.attempt)
        plan = merge_template.plan(self._mail, route, mark=mark)
        most, waiting = route.most_at_once, deque(enumerate(self.claim.ids))
        while waiting and self._may_go_on(waiting[0][0]):
            chosen = [waiting.popleft() for _ in range(min(route.at_once, most, len(waiting)))]
            left_out = self._call(route, plan, chosen)
            if len(left_out) == len(chosen) == 1:
                raise routes.TryLater("The provider takes not even one reader a call.")
            waiting.extendleft(reversed(left_out))
            if self._has_had_enough:
                break

    def _call(
        self, route: MergeRoute, plan: merge_template.Plan, chosen: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """One call. Returns whom the provider left out: they have surely not got it."""
        self._barred |= audience.still_allowed(reader for _place, reader in chosen)
        parts = []
        for place, reader in chosen:
            if reader in self._barred:
                self._write(place, ledger.Entry(reader, Outcome.SKIPPED, self._barred[reader]))
                continue
            try:
                parts.append((place, reader, merge_template.part(plan, self._readers[reader], self._own[reader])))
            except header_fields.Unsendable as error:
                self._write(place, ledger.Entry(reader, Outcome.REFUSED, "5.1.3", str(error)))
        if not parts:
            return []
        self.under_way = True
        try:
            results = route.send_many(plan.mailing, [part for *_who, part in parts], deadline=self.claim.deadline)
        except (routes.TryLater, routes.Refused, routes.TooLate):
            self.under_way = False
            raise
        left_out = []
        for (place, reader, part), result in zip(parts, results, strict=True):
            if result is None:
                left_out.append((place, reader))
            else:
                self._answered(place, reader, result, part.message_id)
        self.under_way = False
        return left_out

    # --- what became of them ---

    def _answered(self, place: int, reader: int, result: routes.Result, message_id: str) -> None:
        outcome, provider_id = self._heed(reader, result), result.provider_id
        if outcome == Outcome.UNCERTAIN and not provider_id:
            provider_id = look_ups.of(self.claim.route, self._account, self.claim.batch, self.claim.attempt)
        self._write(place, ledger.Entry(reader, outcome, result.code, result.detail, provider_id, message_id))

    def _heed(self, reader: int, result: routes.Result) -> str:
        """The outcome to record; `slowed` (by lane) and `is_broken` tell what else the answer says."""
        self.is_broken = self.is_broken or result.trouble
        if result.outcome not in {Outcome.DEFERRED, Outcome.REFUSED}:
            return result.outcome
        cause = failure_reasons.of(result.code, result.detail, outcome=result.outcome)
        if "" not in self.slowed and (whom := failure_reasons.slows(cause, result)):
            lane = mailbox_providers.lane_of(self._readers[reader].email) if whom == "lane" else ""
            self.slowed[lane] = domains.Slowed(
                lane,
                self._sent_per_s_in(lane),
                error=f"{result.code} {result.detail}",
                retry_after_s=max(result.retry_after_s, cause.hold_s),
                nobody_took_any=not any(entry.outcome == Outcome.ACCEPTED for entry in self.entries),
            )
        return failure_reasons.outcome_of(cause, result.outcome)

    def _sent_per_s_in(self, lane: str) -> float:
        """How fast the readers of one lane got it in this claim, the last of them counted as well."""
        if not lane:
            return self.sent_per_s
        took = (entry.subscription for entry in self.entries if entry.outcome == Outcome.ACCEPTED)
        there = sum(mailbox_providers.lane_of(self._readers[reader].email) == lane for reader in took)
        return (there + 1) / max(0.05, tick() - self._started)

    def _write(self, place: int, entry: ledger.Entry) -> None:
        self.answers.answer(
            spool.Answer(place, entry.outcome, entry.code, entry.detail, entry.provider_id, entry.message_id)
        )
        self.entries.append(entry)

    def _may_go_on(self, place: int) -> bool:
        """Keep the pace and the lease; every 250 ms ask who is still allowed and whether the issue still goes."""
        due = self._started + place * self.claim.interval_s
        while True:
            if not self._ask(place):
                return False
            left = due - tick()
            if left <= 0:
                return True
            time.sleep(min(left, ASK_EVERY_S))

    def _ask(self, place: int) -> bool:
        now = tick()
        if now - self._asked_at < ASK_EVERY_S:
            return True
        if now > self.claim.deadline - self.claim.lease_s * 2 / 3:
            self.claim = ledger.extend(self.claim, now=timezone.now())
        left = self.claim.ids[place:]
        self._barred |= audience.still_allowed(left)
        self._asked_at = now
        return bool(ledger.goes(self.claim.issue)) and now < self.until and not self.is_stopping()
