"""Settling uncertain readers without a person: the provider is asked whether it has their copy.

What it has is accepted. What it does not have stays uncertain, with a word that says so after a safe time: a provider's
lists run late, and nobody is ever sent to again because of what is missing in them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from newsletter.models import Edition, Issue
from subscribers import audience, tokens
from workers import ledger, routes
from workers.ledger import look_ups
from workers.message import builder, header_fields
from workers.models import Delivery, Outcome
from workers.routes.base import REPEATED_KINDS, TracedRoute, tick

logger = logging.getLogger(__name__)

LOOK_AFTER_S = (10, 30, 60, 120, 240, 480, 1800, 7200, 43200)
"""Seconds after a reader became uncertain at which the provider is asked."""
SAFE_S = 1800
"""From then on, what a provider does not have is told to people."""
MOST_S = 5.0
"""How long all questions of one tick may take; the last may take a little longer."""
NO_TRACE = "The provider has no trace of it."
EARLIER = timedelta(minutes=10)
KEYS_LAST = timedelta(hours=20)
"""Providers keep idempotency keys for a day; from the beginning of the issue on, to be on the safe side."""
MOST_REPEATS = 16


@dataclass(frozen=True, slots=True)
class _Open:
    """Readers of one issue who are uncertain because of the same call, or of calls that bear the same mark."""

    issue: int
    question: look_ups.Question
    since: datetime


def settle(*, now: datetime) -> int:
    """Ask whatever is due. Returns how many readers are settled by it. Safe beside others: each look is taken once."""
    until, settled, silent = tick() + MOST_S, 0, set[str]()
    for one in _due(now):
        if tick() > until:
            break
        route = _route(one.question)
        if route is None or route.account in silent or not _take(one):
            continue
        try:
            settled += _ask(route, one, until=until, now=now)
        except (routes.TryLater, routes.Refused, routes.TooLate) as problem:
            silent.add(route.account)
            _give_back(one)
            logger.warning("provider could not be asked", extra={"issue": one.issue, "reason": str(problem)})
        except DatabaseError:
            raise
        except Exception:  # an answer that nobody foresaw must not keep the other questions waiting
            logger.exception("question not settled", extra={"issue": one.issue})
    return settled


def in_words(delivery: Delivery) -> str:
    """What is known of an uncertain reader; "" where the provider cannot be asked."""
    question = look_ups.read(delivery.provider_id)
    if delivery.detail == NO_TRACE:
        return _("The mail service has no trace of it.")
    return _("The mail service is asked from time to time.") if question and _route(question) else ""


def _due(now: datetime) -> Iterator[_Open]:
    groups = _rows().values("issue", "provider_id").annotate(since=Max("sent_at")).order_by("since")
    for issue, text, since in groups.values_list("issue", "provider_id", "since"):
        question = look_ups.read(text)
        if question is None or since is None or question.asked >= len(LOOK_AFTER_S):
            continue
        if (now - since).total_seconds() >= LOOK_AFTER_S[question.asked]:
            yield _Open(issue, question, since)


def _rows() -> QuerySet[Delivery]:
    """Uncertain readers with an open question whom nobody has decided to send to again."""
    return Delivery.objects.filter(outcome=Outcome.UNCERTAIN, due_at__isnull=True, provider_id__startswith="?")


def _of(one: _Open, question: look_ups.Question) -> QuerySet[Delivery]:
    return _rows().filter(issue=one.issue, provider_id=str(question))


def _take(one: _Open) -> bool:
    return bool(_of(one, one.question).update(provider_id=str(one.question.next)))


def _give_back(one: _Open) -> None:
    _of(one, one.question.next).update(provider_id=str(one.question))


def _route(question: look_ups.Question) -> TracedRoute | None:
    """The route to the account that sent it, wherever it stands by now; None if there is none any more.

    Another account of that provider would say that it has nothing; the same call made there would be a second copy.
    """
    asked = (route for route in routes.all() if route.kind == question.kind and isinstance(route, TracedRoute))
    return next((route for route in asked if route.account == question.account), None)


def _ask(route: TracedRoute, one: _Open, *, until: float, now: datetime) -> int:
    """One look. Raises TryLater, Refused or TooLate where nobody could be asked."""
    question = one.question.next
    begun = Issue.objects.values_list("started_at", flat=True).get(pk=one.issue) or one.since
    if question.kind in REPEATED_KINDS:
        return _ask_by_repeating(route, one, begun=begun, until=until, now=now)
    readers = list(_of(one, question).order_by("subscription").values_list("subscription", flat=True))
    if not readers:
        return 0
    carried = {tokens.event_mac(one.issue, reader): reader for reader in readers}
    start = len(carried) * question.asked // 3 % max(1, len(carried))
    asked = [*list(carried)[start:], *list(carried)[:start]]  # not always the same first, should time run out
    trace = route.look_up(question.mark, asked, since=min(begun, one.since) - EARLIER, until=until)
    outcomes = {carried[token]: outcome for token, outcome in trace.found.items()}
    settled = ledger.answer(one.issue, outcomes, now=now) if outcomes else 0
    if trace.is_complete and (now - one.since).total_seconds() >= SAFE_S:
        _of(one, question).update(detail=NO_TRACE)
    logger.info("provider asked", extra={"issue": one.issue, "readers": len(readers), "settled": settled})
    return settled


def _ask_by_repeating(route: routes.Route, one: _Open, *, begun: datetime, until: float, now: datetime) -> int:
    """Make the same calls under the same keys, which tells what became of the first ones. Raises TryLater.

    Where the first did not arrive this one sends; so only to who may still receive, while the issue goes and well
    within the keys' lifetime.
    """
    if now - begun > KEYS_LAST or not ledger.goes(one.issue):
        return 0
    rows = _of(one, one.question.next).order_by("subscription").values_list("subscription", "batch__edition")
    editions = dict(rows[:MOST_REPEATS])
    barred = audience.still_allowed(editions)
    outcomes = dict[int, str]()
    for reader in builder.readers(reader for reader in editions if reader not in barred).values():
        result = route.send(_letter(editions[reader.id], one.issue, reader), deadline=until)
        if result.outcome in {Outcome.ACCEPTED, Outcome.REFUSED}:
            outcomes[reader.id] = result.outcome
        if result.trouble or tick() > until:
            break  # the next look goes on
    return ledger.answer(one.issue, outcomes, now=now) if outcomes else 0


def _letter(edition_id: int, issue_id: int, reader: builder.Reader) -> routes.Letter:
    issue = Issue.objects.select_related("newsletter").get(pk=issue_id)
    mail = builder.of_edition(Edition.objects.get(pk=edition_id), issue.newsletter, eight_bit=True)
    message = builder.mail(mail, reader)
    message_id = str(message.extra_headers["Message-ID"])
    recipient = header_fields.ascii_address(reader.email)
    return routes.Letter(builder.sender(mail, reader), recipient, message_id, message=message)
