"""Look up uncertain messages at the provider that was to send them.

A message that the provider has is accepted. A message that it does not have stays uncertain; after a safe time its
detail says that the provider has no record. Providers' lists are delayed, so a missing message is never resent
automatically.
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
from workers import ledger, providers, routes
from workers.ledger import look_ups
from workers.message import builder, header_fields
from workers.models import Delivery, Outcome
from workers.routes.base import LookUpRoute, boottime

logger = logging.getLogger(__name__)

LOOK_UP_AFTER_S = (10, 30, 60, 120, 240, 480, 1800, 7200, 43200)
"""Seconds after a message became uncertain at which the provider is queried."""
REPORT_MISSING_AFTER_S = 1800
"""Seconds after which pages say that the provider has no record."""
MAX_DURATION_S = 5.0
"""Seconds for all look-ups of one tick. The last may take a little longer."""
NO_TRACE = "The provider has no trace of it."
SEARCH_MARGIN = timedelta(minutes=10)
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=20)
"""Providers keep idempotency keys for a day. Counted from the start of the issue, which is before every call."""
MAX_REPEATS = 16


@dataclass(frozen=True, slots=True)
class _OpenLookUp:
    """Uncertain readers of one issue whose calls have the same mark."""

    issue: int
    look_up: look_ups.LookUp
    since: datetime


def look_up_due(*, now: datetime) -> int:
    """Make all look-ups that are due. Return how many readers are resolved.

    Several workers may run it: `_claim_look_up` lets one make each look-up.
    """
    until, settled, silent = boottime() + MAX_DURATION_S, 0, set[str]()
    for group in _due(now):
        if boottime() > until:
            break
        route = _route(group.look_up)
        if route is None or route.account in silent or not _claim_look_up(group):
            continue
        try:
            settled += _look_up(route, group, until=until, now=now)
        except (routes.RouteUnavailable, routes.AccountRefused, routes.DeadlineExceeded) as problem:
            silent.add(route.account)
            _release_look_up(group)
            logger.warning("provider could not be asked", extra={"issue": group.issue, "reason": str(problem)})
        except DatabaseError:
            raise
        except Exception:  # an unexpected answer must not stop the other look-ups
            logger.exception("look-up failed", extra={"issue": group.issue})
    return settled


def describe_look_up(delivery: Delivery) -> str:
    """Return a sentence on the look-ups of an uncertain message; "" if the provider has no look-up."""
    look_up = look_ups.parse(delivery.provider_id)
    if delivery.detail == NO_TRACE:
        return _("The email provider has no record of it.")
    return _("The email provider is queried from time to time.") if look_up and _route(look_up) else ""


def _due(now: datetime) -> Iterator[_OpenLookUp]:
    groups = _open_deliveries().values("issue", "provider_id").annotate(since=Max("sent_at")).order_by("since")
    for issue, text, since in groups.values_list("issue", "provider_id", "since"):
        look_up = look_ups.parse(text)
        if look_up is None or since is None or look_up.times_asked >= len(LOOK_UP_AFTER_S):
            continue
        if (now - since).total_seconds() >= LOOK_UP_AFTER_S[look_up.times_asked]:
            yield _OpenLookUp(issue, look_up, since)


def _open_deliveries() -> QuerySet[Delivery]:
    """Uncertain deliveries with a look-up and without a resend under way."""
    return Delivery.objects.filter(outcome=Outcome.UNCERTAIN, due_at__isnull=True, provider_id__startswith="?")


def _deliveries_of(group: _OpenLookUp, look_up: look_ups.LookUp) -> QuerySet[Delivery]:
    return _open_deliveries().filter(issue=group.issue, provider_id=str(look_up))


def _claim_look_up(group: _OpenLookUp) -> bool:
    """Count the look-up before it is made. Of two workers only one changes rows, as the key contains the number."""
    return bool(_deliveries_of(group, group.look_up).update(provider_id=str(group.look_up.next)))


def _release_look_up(group: _OpenLookUp) -> None:
    """Undo `_claim_look_up` after a provider could not be reached, so that the look-up is due again."""
    _deliveries_of(group, group.look_up.next).update(provider_id=str(group.look_up))


def _route(look_up: look_ups.LookUp) -> LookUpRoute | None:
    """Return the route to the account that sent the message, whatever its position in MAIL_URL; None if it was removed.

    Another account of that provider would have no record of it, and a repeated call there would send a second message.
    """
    candidates = (
        route for route in routes.configured() if route.kind == look_up.kind and isinstance(route, LookUpRoute)
    )
    return next((route for route in candidates if route.account == look_up.account), None)


def _look_up(route: LookUpRoute, group: _OpenLookUp, *, until: float, now: datetime) -> int:
    """Make one look-up. Raises RouteUnavailable, AccountRefused or DeadlineExceeded if the provider did not answer."""
    look_up = group.look_up.next
    begun = Issue.objects.values_list("started_at", flat=True).get(pk=group.issue) or group.since
    if providers.is_idempotent(look_up.kind):
        return _look_up_by_repeating(route, group, begun=begun, until=until, now=now)
    readers = list(_deliveries_of(group, look_up).order_by("subscription").values_list("subscription", flat=True))
    if not readers:
        return 0
    readers_by_token = {tokens.make_event_token(group.issue, reader): reader for reader in readers}
    tokens_sought = list(readers_by_token)
    # Start at another token each time: if the time runs out, the next look-up gets to the others.
    start = len(tokens_sought) * look_up.times_asked // 3 % max(1, len(tokens_sought))
    rotated = [*tokens_sought[start:], *tokens_sought[:start]]
    trace = route.look_up(look_up.mark, rotated, since=min(begun, group.since) - SEARCH_MARGIN, until=until)
    outcomes = {readers_by_token[token]: outcome for token, outcome in trace.found.items()}
    settled = ledger.resolve_uncertain(group.issue, outcomes, now=now) if outcomes else 0
    if trace.is_complete and (now - group.since).total_seconds() >= REPORT_MISSING_AFTER_S:
        _deliveries_of(group, look_up).update(detail=NO_TRACE)
    logger.info("provider asked", extra={"issue": group.issue, "readers": len(readers), "settled": settled})
    return settled


def _look_up_by_repeating(
    route: routes.MailRoute, group: _OpenLookUp, *, begun: datetime, until: float, now: datetime
) -> int:
    """Repeat the calls with the same idempotency keys; the answers are those of the first calls. Raises RouteUnavailable.

    If the first call did not arrive, the repeat sends the message. Therefore it is made only for readers who may still
    receive, while the issue may be sent, and well within the lifetime of the keys.
    """
    if now - begun > IDEMPOTENCY_KEY_LIFETIME or not ledger.sendable_scope(group.issue):
        return 0
    rows = (
        _deliveries_of(group, group.look_up.next).order_by("subscription").values_list("subscription", "batch__edition")
    )
    editions = dict(rows[:MAX_REPEATS])
    barred = audience.no_longer_allowed(editions)
    outcomes = dict[int, str]()
    for reader in builder.load_recipients(reader for reader in editions if reader not in barred).values():
        result = route.send(_build_message(editions[reader.id], group.issue, reader), deadline=until)
        if result.outcome in {Outcome.ACCEPTED, Outcome.REFUSED}:
            outcomes[reader.id] = result.outcome
        if result.is_outage or boottime() > until:
            break  # the next look-up continues
    return ledger.resolve_uncertain(group.issue, outcomes, now=now) if outcomes else 0


def _build_message(edition_id: int, issue_id: int, reader: builder.Recipient) -> routes.OutgoingMessage:
    issue = Issue.objects.select_related("newsletter").get(pk=issue_id)
    mail = builder.template_for_edition(Edition.objects.get(pk=edition_id), issue.newsletter, eight_bit=True)
    message = builder.build_email(mail, reader)
    message_id = str(message.extra_headers["Message-ID"])
    recipient = header_fields.ascii_address(reader.email)
    return routes.OutgoingMessage(builder.envelope_sender(mail, reader), recipient, message_id, message=message)
