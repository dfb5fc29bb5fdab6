"""Who did not get an issue that was sent, and letting it follow to them: more batches of the same issue.

The same issue and not a copy: one row per issue and reader forbids that anybody gets it twice.
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
    """Of the kinds asked for there is nobody (any more)."""


@dataclass(frozen=True, slots=True)
class MissedCounts:
    """Everybody who may get mail now, by what they have of an issue:

    allowed = have + uncertain + late + gave_up + returned + refused + waiting.
    """

    allowed: int = 0
    have: int = 0
    uncertain: int = 0
    """They may have it; only a click of their own repeats it."""
    late: int = 0
    """They subscribed after it had begun."""
    gave_up: int = 0
    """Their mail service put us off until we gave up."""
    returned: int = 0
    """They were left out, by pausing or leaving, and are back."""
    refused: int = 0
    """Their mail service said no."""
    waiting: int = 0

    def of(self, kinds: Collection[str]) -> int:
        return sum(int(getattr(self, kind)) for kind in KINDS if kind in kinds)

    @property
    def is_consistent(self) -> bool:
        return self.allowed == self.have + self.uncertain + self.of(KINDS) + self.waiting


def count_missed(issue: Issue) -> MissedCounts:
    """Where everybody stands whom the issue is for, as they are now. Raises audience.UnknownFilter."""
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
"""Refused after it had been tried again and again, and not by a plain no in the end."""
MISSED_FILTERS = {
    RETURNED: Q(outcome=Outcome.SKIPPED),
    GAVE_UP: Q(outcome=Outcome.REFUSED) & _GAVE_UP_FILTER,
    REFUSED: Q(outcome=Outcome.REFUSED) & ~_GAVE_UP_FILTER,
}
"""Rows of readers who did not get it, by kind."""


def _sendable_deliveries(issue: Issue) -> QuerySet[Delivery]:
    """Deliveries of those who may get mail now."""
    return Delivery.objects.filter(issue=issue.pk, subscription__in=audience.for_issue(issue).order_by().values("pk"))


def send_to_missed(issue: Issue, kinds: Collection[str], *, editor: Editor | None, now: datetime) -> int:
    """sent -> sending, for those of `kinds` who did not get it. Returns how many.

    Nobody who has it, or may have it, is among them. Raises issues.WrongState, NobodyMissed.
    """
    with transaction.atomic():
        locks.acquire_exclusive(issue.pk)
        here = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=issue.pk)
        moved = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SENT)
        if not moved.update(status=IssueStatus.SENDING, pause_reason=""):
            raise issues.wrong_state_error(issue)
        late = _add_late(here) if LATE in kinds else 0
        again = _reopen(here, kinds, now=now)
        if not late + again:
            raise NobodyMissed(f"Nobody of {sorted(kinds)} missed issue {issue.pk}")
        issues.audit("issue-sent-to-missed", here, editor=editor, now=now, late=late, again=again)
    logger.info("issue follows to readers who missed it", extra={"issue": issue.pk, "late": late, "again": again})
    return late + again


def _add_late(issue: Issue) -> int:
    """Batches for readers who are in none yet, in the edition of their language, else in the first one.

    The newsletter's first language may be one that came after the issue: then it is any that was sent.
    """
    made = Edition.objects.filter(issue=issue, variant="").order_by("pk")
    editions = {edition.language: edition.pk for edition in made}
    default = editions.get(issue.newsletter.default_language) or next(iter(editions.values()))
    chosen: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    new = audience.for_issue(issue).exclude(
        Exists(Delivery.objects.filter(issue=issue.pk, subscription=OuterRef("pk")))
    )
    for reader, language in new.order_by("pk").values_list("pk", "language"):
        chosen[editions.get(language, default)].append(reader)
    for edition, ids in chosen.items():
        for part in batched(ids):
            add_batch(issue.pk, edition, part)
    return sum(map(len, chosen.values()))


def _reopen(issue: Issue, kinds: Collection[str], *, now: datetime) -> int:
    """Refused and left-out rows become deferred ones that are due: what follows deferred readers follows them.

    Returns how many; who has it by now is not among them.
    """
    wanted = [rows for kind, rows in MISSED_FILTERS.items() if kind in kinds]
    if not wanted:
        return 0
    ids = list(_sendable_deliveries(issue).filter(reduce(or_, wanted)).order_by("pk").values_list("pk", flat=True))
    moves: Counter[tuple[int, str, str]] = Counter()
    for part in batched(ids):
        rows = Delivery.objects.select_for_update().filter(pk__in=part)
        still = list(rows.exclude(outcome__in=RECEIVED_OUTCOMES).values_list("pk", "batch", "outcome"))
        moves.update((batch, outcome, str(Outcome.DEFERRED)) for _pk, batch, outcome in still)
        Delivery.objects.filter(pk__in=[pk for pk, _batch, _outcome in still]).update(
            outcome=Outcome.DEFERRED, due_at=now, attempts=0
        )
    move_counts(moves)
    return moves.total()
