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
from workers.routes.base import IDEMPOTENT_KINDS, LookUpRoute, boottime

logger = logging.getLogger(__name__)

LOOK_UP_AFTER_S = (10, 30, 60, 120, 240, 480, 1800, 7200, 43200)
"""Seconds after a reader became uncertain at which the provider is asked."""
REPORT_MISSING_AFTER_S = 1800
"""From then on, what a provider does not have is told to people."""
MAX_DURATION_S = 5.0
"""How long all questions of one tick may take; the last may take a little longer."""
NO_TRACE = "The provider has no trace of it."
SEARCH_MARGIN = timedelta(minutes=10)
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=20)
"""Providers keep idempotency keys for a day; from the beginning of the issue on, to be on the safe side."""
MAX_REPEATS = 16


@dataclass(frozen=True, slots=True)
class _OpenLookUp:
    """Readers of one issue who are uncertain because of the same call, or of calls that bear the same mark."""

    issue: int
    question: look_ups.LookUp
    since: datetime


def look_up_due(*, now: datetime) -> int:
    """Ask whatever is due. Returns how many readers are settled by it. Safe beside others: each look is taken once."""
    until, settled, silent = boottime() + MAX_DURATION_S, 0, set[str]()
    for one in _due(now):
        if boottime() > until:
            break
        route = _route(one.question)
        if route is None or route.account in silent or not _claim_look_up(one):
            continue
        try:
            settled += _look_up(route, one, until=until, now=now)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded) as problem:
            silent.add(route.account)
            _release_look_up(one)
            logger.warning("provider could not be asked", extra={"issue": one.issue, "reason": str(problem)})
        except DatabaseError:
            raise
        except Exception:  # an answer that nobody foresaw must not keep the other questions waiting
            logger.exception("question not settled", extra={"issue": one.issue})
    return settled


def describe_look_up(delivery: Delivery) -> str:
    """What is known of an uncertain reader; "" where the provider cannot be asked."""
    question = look_ups.parse(delivery.provider_id)
    if delivery.detail == NO_TRACE:
        return _("The mail service has no trace of it.")
    return _("The mail service is asked from time to time.") if question and _route(question) else ""


def _due(now: datetime) -> Iterator[_OpenLookUp]:
    groups = _open_deliveries().values("issue", "provider_id").annotate(since=Max("sent_at")).order_by("since")
    for issue, text, since in groups.values_list("issue", "provider_id", "since"):
        question = look_ups.parse(text)
        if question is None or since is None or question.asked >= len(LOOK_UP_AFTER_S):
            continue
        if (now - since).total_seconds() >= LOOK_UP_AFTER_S[question.asked]:
            yield _OpenLookUp(issue, question, since)


def _open_deliveries() -> QuerySet[Delivery]:
    """Uncertain readers with an open question whom nobody has decided to send to again."""
    return Delivery.objects.filter(outcome=Outcome.UNCERTAIN, due_at__isnull=True, provider_id__startswith="?")


def _deliveries_of(one: _OpenLookUp, question: look_ups.LookUp) -> QuerySet[Delivery]:
    return _open_deliveries().filter(issue=one.issue, provider_id=str(question))


def _claim_look_up(one: _OpenLookUp) -> bool:
    return bool(_deliveries_of(one, one.question).update(provider_id=str(one.question.next)))


def _release_look_up(one: _OpenLookUp) -> None:
    _deliveries_of(one, one.question.next).update(provider_id=str(one.question))


def _route(question: look_ups.LookUp) -> LookUpRoute | None:
    """The route to the account that sent it, wherever it stands by now; None if there is none any more.

    Another account of that provider would say that it has nothing; the same call made there would be a second copy.
    """
    asked = (route for route in routes.configured() if route.kind == question.kind and isinstance(route, LookUpRoute))
    return next((route for route in asked if route.account == question.account), None)


def _look_up(route: LookUpRoute, one: _OpenLookUp, *, until: float, now: datetime) -> int:
    """One look. Raises TryLater, Refused or TooLate where nobody could be asked."""
    question = one.question.next
    begun = Issue.objects.values_list("started_at", flat=True).get(pk=one.issue) or one.since
    if question.kind in IDEMPOTENT_KINDS:
        return _look_up_by_repeating(route, one, begun=begun, until=until, now=now)
    readers = list(_deliveries_of(one, question).order_by("subscription").values_list("subscription", flat=True))
    if not readers:
        return 0
    carried = {tokens.make_event_token(one.issue, reader): reader for reader in readers}
    start = len(carried) * question.asked // 3 % max(1, len(carried))
    asked = [*list(carried)[start:], *list(carried)[:start]]  # not always the same first, should time run out
    trace = route.look_up(question.mark, asked, since=min(begun, one.since) - SEARCH_MARGIN, until=until)
    outcomes = {carried[token]: outcome for token, outcome in trace.found.items()}
    settled = ledger.resolve_uncertain(one.issue, outcomes, now=now) if outcomes else 0
    if trace.is_complete and (now - one.since).total_seconds() >= REPORT_MISSING_AFTER_S:
        _deliveries_of(one, question).update(detail=NO_TRACE)
    logger.info("provider asked", extra={"issue": one.issue, "readers": len(readers), "settled": settled})
    return settled


def _look_up_by_repeating(
    route: routes.MailRoute, one: _OpenLookUp, *, begun: datetime, until: float, now: datetime
) -> int:
    """Make the same calls under the same keys, which tells what became of the first ones. Raises TryLater.

    Where the first did not arrive this one sends; so only to who may still receive, while the issue goes and well
    within the keys' lifetime.
    """
    if now - begun > IDEMPOTENCY_KEY_LIFETIME or not ledger.sendable_scope(one.issue):
        return 0
    rows = _deliveries_of(one, one.question.next).order_by("subscription").values_list("subscription", "batch__edition")
    editions = dict(rows[:MAX_REPEATS])
    barred = audience.no_longer_allowed(editions)
    outcomes = dict[int, str]()
    for reader in builder.load_recipients(reader for reader in editions if reader not in barred).values():
        result = route.send(_build_message(editions[reader.id], one.issue, reader), deadline=until)
        if result.outcome in {Outcome.ACCEPTED, Outcome.REFUSED}:
            outcomes[reader.id] = result.outcome
        if result.is_outage or boottime() > until:
            break  # the next look goes on
    return ledger.resolve_uncertain(one.issue, outcomes, now=now) if outcomes else 0


def _build_message(edition_id: int, issue_id: int, reader: builder.Recipient) -> routes.OutgoingMessage:
    issue = Issue.objects.select_related("newsletter").get(pk=issue_id)
    mail = builder.template_for_edition(Edition.objects.get(pk=edition_id), issue.newsletter, eight_bit=True)
    message = builder.build_email(mail, reader)
    message_id = str(message.extra_headers["Message-ID"])
    recipient = header_fields.ascii_address(reader.email)
    return routes.OutgoingMessage(builder.envelope_sender(mail, reader), recipient, message_id, message=message)
