"""Readers who missed a sent issue, and more batches of the same issue for them.

It stays the same issue, not a copy of it: the unique constraint on issue and reader prevents a second message.
"""

from __future__ import annotations

import logging
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from newsletter import issues
from newsletter.models import Edition, Editor, Issue, IssueStatus
from subscribers import audience
from workers.ledger import locks
from workers.ledger.counts import RECEIVED_OUTCOMES
from workers.ledger.ids import batched
from workers.ledger.planning import add_batch
from workers.ledger.recording import move_counts
from workers.models import Delivery, Outcome

logger = logging.getLogger(__name__)

LATE, GAVE_UP, RETURNED, REFUSED = "late", "gave_up", "returned", "refused"
KINDS = (LATE, GAVE_UP, RETURNED, REFUSED)


class NobodyMissed(ValueError):
    """No reader is left in the requested kinds."""


@dataclass(frozen=True, slots=True)
class MissedCounts:
    """All readers who may receive mail now, by their delivery of an issue:

    allowed = have + uncertain + late + gave_up + returned + refused + waiting.
    """

    allowed: int = 0
    have: int = 0
    uncertain: int = 0
    """They may have received it. Only an editor's resend repeats it."""
    late: int = 0
    """They subscribed after the plan was written."""
    gave_up: int = 0
    """Their mailbox provider deferred the message until the last retry."""
    returned: int = 0
    """They were skipped, because they had paused or unsubscribed, and have returned."""
    refused: int = 0
    """Their mailbox provider rejected the message."""
    waiting: int = 0

    def of(self, kinds: Collection[str]) -> int:
        return sum(int(getattr(self, kind)) for kind in KINDS if kind in kinds)

    @property
    def is_consistent(self) -> bool:
        return self.allowed == self.have + self.uncertain + self.of(KINDS) + self.waiting


def count_missed(issue: Issue) -> MissedCounts:
    """Count the issue's present audience by what they have received of it. Raises audience.UnknownFilter."""
    counts: dict[str, int] = _sendable_deliveries(issue).aggregate(
        have=Count("pk", filter=Q(outcome=Outcome.ACCEPTED)),
        uncertain=Count("pk", filter=Q(outcome=Outcome.UNCERTAIN)),
        waiting=Count("pk", filter=Q(outcome=Outcome.DEFERRED)),
        returned=Count("pk", filter=MISSED_FILTERS[RETURNED]),
        gave_up=Count("pk", filter=MISSED_FILTERS[GAVE_UP]),
        refused=Count("pk", filter=MISSED_FILTERS[REFUSED]),
    )
    allowed = audience.for_issue(issue).count()
    return MissedCounts(allowed=allowed, late=allowed - sum(counts.values()), **counts)


_GAVE_UP_FILTER = Q(attempts__gt=1) & ~Q(code__startswith="5")
"""Refused after retries, and the last answer was not a permanent (5xx) one."""
MISSED_FILTERS = {
    RETURNED: Q(outcome=Outcome.SKIPPED),
    GAVE_UP: Q(outcome=Outcome.REFUSED) & _GAVE_UP_FILTER,
    REFUSED: Q(outcome=Outcome.REFUSED) & ~_GAVE_UP_FILTER,
}
"""Filters on deliveries of readers who did not receive the issue, by kind."""


def _sendable_deliveries(issue: Issue) -> QuerySet[Delivery]:
    """Deliveries of readers who may receive mail now."""
    return Delivery.objects.filter(issue=issue.pk, subscription__in=audience.for_issue(issue).order_by().values("pk"))


def send_to_missed(issue: Issue, kinds: Collection[str], *, editor: Editor | None, now: datetime) -> int:
    """sent -> sending, for the readers of `kinds` who did not receive the issue. Return how many.

    Readers who received it or may have are excluded. Raises issues.WrongState, NobodyMissed.
    """
    with transaction.atomic():
        # Lock order: the issue's advisory lock, the issue's row, deliveries, counters of batches. The lock is exclusive,
        # so neither an event nor a recording worker changes an outcome between the query and the update in `_reopen`.
        locks.acquire_exclusive(issue.pk)
        locked = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=issue.pk)
        still_sent = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SENT)
        if not still_sent.update(status=IssueStatus.SENDING, pause_reason=""):
            raise issues.wrong_state_error(issue)
        late = _add_late(locked) if LATE in kinds else 0
        again = _reopen(locked, kinds, now=now)
        if not late + again:
            raise NobodyMissed(f"Nobody of {sorted(kinds)} missed issue {issue.pk}")
        issues.audit("issue-sent-to-missed", locked, editor=editor, now=now, late=late, again=again)
    logger.info("issue follows to readers who missed it", extra={"issue": issue.pk, "late": late, "again": again})
    return late + again


def _add_late(issue: Issue) -> int:
    """Add batches for readers without a delivery, in the edition of their language or the default edition.

    The newsletter's default language may have been added after the issue was sent; then any edition serves as default.
    """
    frozen = Edition.objects.filter(issue=issue, variant="").order_by("pk")
    editions = {edition.language: edition.pk for edition in frozen}
    default = editions.get(issue.newsletter.default_language) or next(iter(editions.values()))
    ids_by_edition: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    new = audience.for_issue(issue).exclude(
        Exists(Delivery.objects.filter(issue=issue.pk, subscription=OuterRef("pk")))
    )
    for reader, language in new.order_by("pk").values_list("pk", "language"):
        ids_by_edition[editions.get(language, default)].append(reader)
    for edition, ids in ids_by_edition.items():
        for part in batched(ids):
            add_batch(issue.pk, edition, part)
    return sum(map(len, ids_by_edition.values()))


def _reopen(issue: Issue, kinds: Collection[str], *, now: datetime) -> int:
    """Set refused and skipped deliveries to deferred and due now, so that `plan_retries` plans them. Return how many.

    Deliveries that became accepted or uncertain since the query are left unchanged.
    """
    filters = [rows for kind, rows in MISSED_FILTERS.items() if kind in kinds]
    if not filters:
        return 0
    ids = list(_sendable_deliveries(issue).filter(reduce(or_, filters)).order_by("pk").values_list("pk", flat=True))
    moves: Counter[tuple[int, str, str]] = Counter()
    for part in batched(ids):
        rows = Delivery.objects.select_for_update().filter(pk__in=part)
        rows_to_reopen = list(rows.exclude(outcome__in=RECEIVED_OUTCOMES).values_list("pk", "batch", "outcome"))
        moves.update((batch, outcome, str(Outcome.DEFERRED)) for _pk, batch, outcome in rows_to_reopen)
        Delivery.objects.filter(pk__in=[pk for pk, _batch, _outcome in rows_to_reopen]).update(
            outcome=Outcome.DEFERRED, due_at=now, attempts=0
        )
    move_counts(moves)
    return moves.total()
