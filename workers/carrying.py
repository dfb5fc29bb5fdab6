"""One claim on its way out: each reader in order, at the pace granted, asking all the while who may still receive.

The answer to each message is in the spool before the next one leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.utils import timezone

from newsletter.models import Edition, Issue
from subscribers import audience
from workers import causes, lanes, ledger, mailboxes, rfc5322, routes, spool, wire
from workers.models import Outcome
from workers.routes.base import tick

ASK_EVERY_S = 0.25


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
        self.slowed: lanes.Slowed | None = None
        self.is_broken = self.under_way = False
        self._barred: dict[int, str] = {}
        self._started = tick()
        self._asked_at = claim.deadline - claim.lease_s

    @property
    def sent_per_s(self) -> float:
        return len(self.entries) / max(0.05, tick() - self._started)

    @property
    def wants_less(self) -> bool:
        return self.slowed is not None

    def all(self, route: routes.Route) -> None:
        """Every claimed reader in order, until something says stop. Raises TooLate or ledger.LeaseLost."""
        try:
            route.open()
            self._readers = wire.readers(self.claim.ids)
            self._barred = {reader: audience.LEFT for reader in self.claim.ids if reader not in self._readers}
            edition = Edition.objects.get(pk=self.claim.edition)
            self._mail = wire.of_edition(edition, self.issue.newsletter, eight_bit=route.eight_bit())
            for place, reader in enumerate(self.claim.ids):
                if not self._may_go_on(place) or not self._one(route, place, reader):
                    break
        except (routes.TryLater, routes.Refused) as problem:
            self.problem = problem

    def _one(self, route: routes.Route, place: int, reader: int) -> bool:
        """One reader; False if the provider would rather not have the next."""
        if route.capabilities.asks_before_each and reader not in self._barred:
            self._barred |= audience.still_allowed([reader])
        if reader in self._barred:
            self._write(place, ledger.Entry(reader, Outcome.SKIPPED, self._barred[reader]))
            return True
        try:
            letter = self._letter(route, reader)
        except rfc5322.Unsendable as error:
            self._write(place, ledger.Entry(reader, Outcome.REFUSED, "5.1.3", str(error)))
            return True
        self.under_way = True
        try:
            result = route.send(letter, deadline=self.claim.deadline)
        except (routes.TryLater, routes.Refused, routes.TooLate):
            self.under_way = False
            raise
        outcome = self._heed(reader, result)
        self._write(
            place, ledger.Entry(reader, outcome, result.code, result.detail, result.provider_id, letter.message_id)
        )
        return not (self.wants_less or self.is_broken)

    def _heed(self, reader: int, result: routes.Result) -> str:
        """The outcome to record; `slowed` and `is_broken` tell what else the answer says."""
        self.is_broken = self.is_broken or result.trouble
        if result.outcome not in {Outcome.DEFERRED, Outcome.REFUSED}:
            return result.outcome
        cause = causes.of(result.code, result.detail, outcome=result.outcome)
        if whom := causes.slows(cause, result):
            lane = mailboxes.lane_of(self._readers[reader].email) if whom == "lane" else ""
            self.slowed = lanes.Slowed(
                lane,
                self.sent_per_s,
                error=f"{result.code} {result.detail}",
                retry_after_s=max(result.retry_after_s, cause.hold_s),
                nobody_took_any=not any(entry.outcome == Outcome.ACCEPTED for entry in self.entries),
            )
        return causes.outcome_of(cause, result.outcome)

    def _letter(self, route: routes.Route, reader: int) -> routes.Letter:
        person, now = self._readers[reader], timezone.now()
        if route.capabilities.takes == "message":
            message = wire.mail(self._mail, person, now=now)
            recipient = rfc5322.ascii_address(person.email)
            message_id = str(message.extra_headers["Message-ID"])
            return routes.Letter(wire.sender(self._mail, person), recipient, message_id, message=message)
        copy = wire.fill(self._mail, person, now=now)
        return routes.Letter(copy.sender, copy.recipient, copy.message_id, copy.data)

    def _write(self, place: int, entry: ledger.Entry) -> None:
        self.answers.answer(
            spool.Answer(place, entry.outcome, entry.code, entry.detail, entry.provider_id, entry.message_id)
        )
        self.entries.append(entry)
        self.under_way = False

    def _may_go_on(self, place: int) -> bool:
        """Keep the pace and the lease; every 250 ms ask who is still allowed and whether the issue still goes."""
        due = self._started + place * self.claim.interval_s
        while True:
            if not self._ask(place):
                return False
            wait = due - tick()
            if wait <= 0:
                return True
            time.sleep(min(wait, ASK_EVERY_S))

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
