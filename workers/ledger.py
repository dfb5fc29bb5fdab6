"""Every arrow of sending: the plan (batches), who holds which part of it, and the record (deliveries).

    Issue   scheduled -begin-> sending -finish-> sent        sending <-pause, resume-> paused -cancel-> cancelled
    Batch   waiting -claim-> claimed -record-> done          claimed -(lease over)-> uncertain -settle-> waiting or done

Each arrow is one conditional UPDATE. The counts of outcomes stand on the batches and move in the transaction that
writes or raises the deliveries, so that `equation` adds up at any moment. Nothing here talks to a network.
"""

from __future__ import annotations

import logging
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet, Sum
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import issues
from newsletter.models import AuditEntry, Edition, Editor, Issue, IssueStatus
from subscribers import audience, tokens
from subscribers.models import Subscription
from workers import pace, rfc5322, spool
from workers import routes as ways
from workers.models import EVENT_STATUS, STATUS_RANK, Batch, BatchStatus, Delivery, DeliveryStatus, Event, Outcome
from workers.routes.base import tick

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
LEASE_S = 60
RETRY_AFTER_S = (300, 900, 2700, 8100)
"""How long a deferred reader waits, by attempts made; after the last the answer counts as a refusal."""
LEAST_SAMPLE = 100
LEAST_REFUSED, MOST_REFUSED = 3, 0.01
LEAST_COMPLAINTS, MOST_COMPLAINTS = 3, 0.001
REPEATABLE = (Outcome.DEFERRED, Outcome.UNCERTAIN)


class LeaseLost(Exception):
    """The batch is not ours any more; the spool decides what became of its readers."""


class Changed(Exception):
    """What was approved is not what would be sent."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Readers of one batch that this worker alone may send to, in ascending order, until `deadline` (in ticks)."""

    issue: int
    batch: int
    edition: int
    attempt: int
    worker: str
    route: str
    ids: tuple[int, ...]
    deadline: float
    lease_s: float = LEASE_S
    interval_s: float = 0.0
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one reader's copy."""

    subscription: int
    outcome: str
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What an event says about a delivery."""

    status: str
    at: datetime
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Equation:
    """audience = accepted + refused + deferred + skipped + uncertain + waiting."""

    audience: int = 0
    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    skipped: int = 0
    uncertain: int = 0
    waiting: int = 0

    @property
    def settled(self) -> int:
        """Readers whose outcome is known for good."""
        return self.accepted + self.refused + self.skipped

    @property
    def adds_up(self) -> bool:
        return self.audience == self.settled + self.deferred + self.uncertain + self.waiting and self.waiting >= 0


# --- packed ids ------------------------------------------------------------------------------------------------------


def pack(ids: Iterable[int]) -> bytes:
    return _little(array("q", ids)).tobytes()


def unpack(raw: bytes | memoryview) -> array[int]:
    ids = array("q")
    ids.frombytes(bytes(raw))
    return _little(ids)


def _little(ids: array[int]) -> array[int]:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


# --- the plan --------------------------------------------------------------------------------------------------------


def plan(issue: Issue, *, now: datetime) -> int:
    """Write down who is to get the issue: batches of one edition each, ids ascending. Returns how many readers.

    One transaction; planned before, it changes nothing. The first small batch (per language) comes first.
    """
    with transaction.atomic():
        Issue.objects.select_for_update().get(pk=issue.pk)
        planned = Batch.objects.filter(issue=issue)
        if planned.exists():
            return planned.filter(is_retry=False).aggregate(readers=Sum("size"))["readers"] or 0
        batches = list(_batches(issue))
        Batch.objects.bulk_create(batches, batch_size=500)
        readers = sum(batch.size for batch in batches)
        Issue.objects.filter(pk=issue.pk).update(audience_count=readers)
    _analyze(Batch)
    logger.info("issue planned", extra={"issue": issue.pk, "batches": len(batches), "readers": readers})
    return readers


def _batches(issue: Issue) -> Iterator[Batch]:
    editions = {edition.language: edition.pk for edition in Edition.objects.filter(issue=issue, variant="")}
    default = editions[issue.newsletter.default_language]
    alone = issue.newsletter.first_batch
    first: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    rest: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    number = 0
    for place, (reader, language) in enumerate(_stream(audience.for_issue(issue))):
        edition = editions.get(language, default)
        if place < alone:
            first[edition].append(reader)
            continue
        waiting = rest[edition]
        waiting.append(reader)
        if len(waiting) == BATCH_SIZE:
            number += 1
            yield _batch(issue, edition, number + alone, waiting)
            rest[edition] = array("q")
    for edition, waiting in rest.items():
        if waiting:
            number += 1
            yield _batch(issue, edition, number + alone, waiting)
    number = 0
    for edition, waiting in first.items():
        for part in _parts(waiting):
            number += 1
            yield _batch(issue, edition, number, part, is_first=True)


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE))


def _batch(issue: Issue, edition: int, number: int, ids: Sequence[int], **fields: Any) -> Batch:
    return Batch(
        issue=issue,
        edition_id=edition,
        number=number,
        size=len(ids),
        reader_ids=pack(ids),
        first_id=ids[0],
        last_id=ids[-1],
        **fields,
    )


def _stream(readers: QuerySet[Subscription]) -> Iterator[tuple[int, str]]:
    """(id, language) by a server-side cursor: one million readers without one object each."""
    sql, parameters = readers.order_by("pk").values_list("pk", "language").query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(5000):
            yield from rows


def _analyze(model: type[Batch]) -> None:
    """After a bulk load PostgreSQL plans by old figures until told (SQLite needs no telling for these indexes)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{model._meta.db_table}"')


def begin(issue: Issue, *, now: datetime) -> int:
    """scheduled -> sending, with its plan, in one transaction: an issue that is sending is always planned.

    Raises Changed if something that was approved is different now, issues.WrongState if it is not due.
    """
    with transaction.atomic():
        here = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=issue.pk)
        if here.status == IssueStatus.SCHEDULED and here.approved_hash != issues.digest(here):
            raise Changed(f"Issue {issue.pk} is not what was approved")
        due = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SCHEDULED, scheduled_at__lte=now)
        if not due.update(status=IssueStatus.SENDING, started_at=now, pause_reason=""):
            raise issues.wrong_state(issue)
        readers = plan(here, now=now)
        issues.audit("issue-begun", here, editor=here.scheduled_by, now=now, readers=readers)
    logger.info("issue begun", extra={"issue": issue.pk, "readers": readers})
    return readers


# --- claiming --------------------------------------------------------------------------------------------------------


def claimable(issue_id: int) -> QuerySet[Batch]:
    """Batches that may be claimed now, if the issue goes: all, or only the first small ones until those are done."""
    waiting = Batch.objects.filter(issue=issue_id, status=BatchStatus.WAITING)
    firsts = Batch.objects.filter(issue=issue_id, is_first=True).exclude(status=BatchStatus.DONE)
    return waiting.filter(is_first=True) if firsts.exists() else waiting


def goes(issue_id: int) -> str:
    """ "all", "again" (only what an editor asked to send again) or "" — what of this issue may leave now."""
    status = Issue.objects.filter(pk=issue_id).values_list("status", flat=True).first()
    return {IssueStatus.SENDING: "all", IssueStatus.SENT: "again"}.get(IssueStatus(status), "") if status else ""


def claim(
    issue: Issue,
    *,
    worker: str,
    now: datetime,
    routes: Collection[str] | None = None,
    most: int = BATCH_SIZE,
    lease_s: float = LEASE_S,
) -> Claim | None:
    """Take the next waiting readers of `issue` for this worker, by the best route that is open.

    `routes` names those that may be used; by default all of MAIL_URL.
    At most as many as the pace lets out in four seconds; the rest becomes a batch of its own. Safe beside other
    workers. Whoever has left or was suppressed since the plan is out already, recorded as skipped. None when nothing
    may be sent now.
    """
    started = tick()
    usable = routes_of_mail_url() if routes is None else routes
    while claimable(issue.pk).exists() and (goes_now := goes(issue.pk)):
        with transaction.atomic():
            batch = _next(issue.pk, again_only=goes_now == "again")
            if batch is None:
                return None
            ids = _to_send(batch, now=now)
            if not ids:
                Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.DONE, sent_at=now)
                continue
            grant = pace.take(usable, want=min(most, BATCH_SIZE), now=now)
            if grant is None:
                return None
            return _hold(batch, ids, grant, worker=worker, now=now, lease_s=lease_s, started=started)
    return None


def routes_of_mail_url() -> list[str]:
    """Names of the configured routes, best first; makes sure that each has its row."""
    configured = ways.all()
    pace.register((route.name, route.kind, route.rate) for route in configured)
    return [route.name for route in configured]


def _next(issue_id: int, *, again_only: bool) -> Batch | None:
    waiting = claimable(issue_id).filter(is_retry=True) if again_only else claimable(issue_id)
    return waiting.select_for_update(skip_locked=True).order_by("number").first()


def _to_send(batch: Batch, *, now: datetime) -> list[int]:
    """Who of the batch is still to get it. Writes down as skipped who may not any more."""
    ids = unpack(batch.reader_ids)
    rows = _rows(batch, ids)
    if batch.is_retry:
        open_ids = set(rows.filter(outcome__in=REPEATABLE).values_list("subscription", flat=True))
        left = [reader for reader in ids if reader in open_ids]
    else:
        done = set(rows.values_list("subscription", flat=True))
        left = [reader for reader in ids if reader not in done]
    barred = audience.still_allowed(left)
    _write(batch, [Entry(reader, Outcome.SKIPPED, reason) for reader, reason in barred.items()], now=now)
    return [reader for reader in left if reader not in barred]


def _rows(batch: Batch, ids: Sequence[int]) -> QuerySet[Delivery]:
    """Deliveries of the issue that may be of these ids (ascending): a range is much cheaper than 500 numbers.

    Planned ids lie close together; those of a batch that repeats may lie anywhere.
    """
    rows = Delivery.objects.filter(issue=batch.issue_id)
    if batch.is_retry:
        return rows.filter(subscription__in=list(ids))
    return rows.filter(subscription__range=(ids[0], ids[-1]))


def _hold(
    batch: Batch, ids: list[int], grant: pace.Grant, *, worker: str, now: datetime, lease_s: float, started: float
) -> Claim:
    ours, rest = ids[: grant.most], ids[grant.most :]
    if rest:
        _split(batch, rest)
    Batch.objects.filter(pk=batch.pk, status=BatchStatus.WAITING).update(
        status=BatchStatus.CLAIMED,
        worker=worker,
        route=grant.route,
        attempt=F("attempt") + 1,
        lease_expires_at=now + timedelta(seconds=lease_s),
    )
    return Claim(
        issue=batch.issue_id,
        batch=batch.pk,
        edition=batch.edition_id,
        attempt=batch.attempt + 1,
        worker=worker,
        route=grant.route,
        ids=tuple(ours),
        deadline=started + lease_s,
        lease_s=lease_s,
        interval_s=grant.interval_s,
        is_probe=grant.is_probe,
    )


def _split(batch: Batch, rest: Sequence[int]) -> None:
    """Move `rest`, who have no delivery of this batch yet, into a batch of their own."""
    moved = set(rest)
    kept = [reader for reader in unpack(batch.reader_ids) if reader not in moved]
    _add_batch(batch.issue_id, batch.edition_id, rest, is_first=batch.is_first, is_retry=batch.is_retry)
    Batch.objects.filter(pk=batch.pk).update(reader_ids=pack(kept), size=len(kept), first_id=kept[0], last_id=kept[-1])


def _add_batch(issue_id: int, edition_id: int, ids: Sequence[int], **fields: Any) -> None:
    """Append a batch under the next number; two workers that want the same number try again."""
    for attempt in range(20):
        last = Batch.objects.filter(issue=issue_id).order_by("-number").values_list("number", flat=True).first() or 0
        batch = _batch(Issue(pk=issue_id), edition_id, last + 1, ids, **fields)
        try:
            with transaction.atomic():
                batch.save(force_insert=True)
        except IntegrityError:
            if attempt == 19:
                raise
        else:
            return


def extend(claim: Claim, *, now: datetime) -> Claim:
    """Hold the batch for another lease from now. Raises LeaseLost."""
    started = tick()
    until = now + timedelta(seconds=claim.lease_s)
    if not _held(claim).update(lease_expires_at=until):
        raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
    return replace(claim, deadline=started + claim.lease_s)


def _held(claim: Claim) -> QuerySet[Batch]:
    return Batch.objects.filter(pk=claim.batch, worker=claim.worker, attempt=claim.attempt, status=BatchStatus.CLAIMED)


# --- recording -------------------------------------------------------------------------------------------------------


def record(claim: Claim, results: Iterable[Entry], *, now: datetime) -> None:
    """Write down what became of the claimed readers and close the batch; who has no result goes back to waiting.

    One transaction. Raises LeaseLost, and writes nothing, if the batch is not ours any more.
    """
    entries = list(results)
    answered = {entry.subscription for entry in entries}
    rest = [reader for reader in claim.ids if reader not in answered]
    with transaction.atomic():
        batch = _held(claim).select_for_update().first()
        if batch is None:
            raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
        _write(batch, entries, now=now)
        _close(batch, rest, now=now)
    counts = dict(Counter(str(entry.outcome) for entry in entries))
    logger.info("batch recorded", extra={"issue": claim.issue, "batch": claim.batch, "waiting": len(rest), **counts})


def _close(batch: Batch, rest: Sequence[int], *, now: datetime) -> None:
    """To done, or back to waiting with `rest`. A batch that repeats keeps only those who are still to be sent to."""
    fields: dict[str, Any] = {"status": BatchStatus.WAITING if rest else BatchStatus.DONE}
    if rest and batch.is_retry:
        fields |= {"reader_ids": pack(rest), "size": len(rest), "first_id": rest[0], "last_id": rest[-1]}
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=None, sent_at=now, **fields)


def _write(batch: Batch, entries: Sequence[Entry], *, now: datetime) -> None:
    """Insert who is new, raise who was deferred or uncertain, and move the counts accordingly."""
    if not entries:
        return
    ids = sorted(entry.subscription for entry in entries)
    early = _early_events(batch, ids)
    known = _known(batch, ids)
    entries = [_with_proof(entry, early) for entry in entries]
    fresh = [entry for entry in entries if entry.subscription not in known]
    _insert(batch, fresh, now=now)
    _count(batch.pk, Counter(str(entry.outcome) for entry in fresh))
    again = [entry for entry in entries if entry.subscription in known]
    _raise(batch.issue_id, [(known[entry.subscription], entry) for entry in again], now=now)
    for reader, word in early.items():
        raise_status(batch.issue_id, reader, word)


def _known(batch: Batch, ids: Sequence[int]) -> dict[int, Delivery]:
    """The rows that these readers have already, locked."""
    there = set(_rows(batch, ids).values_list("subscription", flat=True)).intersection(ids)
    if not there:
        return {}
    rows = Delivery.objects.select_for_update().filter(issue=batch.issue_id, subscription__in=sorted(there))
    columns = ("subscription", "outcome", "batch", "attempts", "issue")
    return {row.subscription: row for row in rows.order_by("subscription").only(*columns)}


def _with_proof(entry: Entry, early: Mapping[int, object]) -> Entry:
    """A mail whose delivery was reported before we could write it down did leave."""
    if entry.outcome == Outcome.UNCERTAIN and entry.subscription in early:
        return replace(entry, outcome=Outcome.ACCEPTED)
    return entry


COLUMNS = "issue_id, subscription, batch_id, outcome, status, message_id, provider_id, code, detail, attempts, due_at, sent_at"


def _insert(batch: Batch, entries: Sequence[Entry], *, now: datetime) -> None:
    """All rows by one statement. The constraint stands guard: a reader who has a row already stops everything."""
    if not entries:
        return
    table = Delivery._meta.db_table
    if connection.vendor == "postgresql":
        sql = (
            f"INSERT INTO {table} ({COLUMNS})"  # noqa: S608 (names of ours only)
            " SELECT %s, s, %s, o, '', m, p, c, d, 1, due, sent FROM unnest(%s::bigint[], %s::text[], %s::text[],"
            " %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS t(s, o, m, p, c, d, due, sent)"
        )
        columns = [list(column) for column in zip(*(_row(entry, now=now) for entry in entries), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(sql, [batch.issue_id, batch.pk, *columns])
        return
    sql = f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, '', %s, %s, %s, %s, 1, %s, %s)"  # noqa: S608
    rows = [_row(entry, now=now) for entry in entries]
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(batch.issue_id, row[0], batch.pk, *row[1:]) for row in rows])


def _row(entry: Entry, *, now: datetime, attempts: int = 1) -> tuple[Any, ...]:
    """subscription, outcome, message id, provider's id, code, detail, due, sent."""
    due = now + timedelta(seconds=RETRY_AFTER_S[attempts - 1]) if entry.outcome == Outcome.DEFERRED else None
    sent = now if entry.outcome in {Outcome.ACCEPTED, Outcome.UNCERTAIN} else None
    adapt = connection.ops.adapt_datetimefield_value
    return (
        entry.subscription,
        str(entry.outcome),
        entry.message_id[:200],
        entry.provider_id[:200],
        entry.code[:20],
        entry.detail[:300],
        adapt(due) if due else None,
        adapt(sent) if sent else None,
    )


def _raise(issue_id: int, pairs: Sequence[tuple[Delivery, Entry]], *, now: datetime) -> None:
    """Give deferred and uncertain readers their new outcome; every other row stays as it is."""
    rows, moves = [], Counter[tuple[int, str, str]]()
    for row, entry in pairs:
        if row.outcome not in REPEATABLE:
            continue
        made = row.attempts + (entry.outcome != Outcome.SKIPPED)
        if entry.outcome == Outcome.DEFERRED and made > len(RETRY_AFTER_S):
            entry = replace(entry, outcome=Outcome.REFUSED)
        if entry.outcome == Outcome.SKIPPED and row.outcome == Outcome.UNCERTAIN:
            entry = replace(entry, outcome=Outcome.UNCERTAIN)  # the first copy may still have arrived
        rows.append(
            (*_row(entry, now=now, attempts=min(made, len(RETRY_AFTER_S)))[1:], made, issue_id, row.subscription)
        )
        moves[row.batch_id, row.outcome, str(entry.outcome)] += 1
    _update(rows)
    _move_counts(moves)


def _update(rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    table = Delivery._meta.db_table
    if connection.vendor == "postgresql":
        sql = (
            f"UPDATE {table} SET outcome = o, message_id = COALESCE(NULLIF(m, ''), message_id),"  # noqa: S608
            " provider_id = COALESCE(NULLIF(p, ''), provider_id), code = c, detail = d, due_at = due,"
            " sent_at = COALESCE(sent, sent_at), attempts = a"
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],"
            " %s::timestamptz[], %s::int[], %s::bigint[], %s::bigint[]) AS t(o, m, p, c, d, due, sent, a, i, s)"
            f" WHERE {table}.issue_id = i AND {table}.subscription = s"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        return
    sql = (
        f"UPDATE {table} SET outcome = %s, message_id = COALESCE(NULLIF(%s, ''), message_id),"  # noqa: S608
        " provider_id = COALESCE(NULLIF(%s, ''), provider_id), code = %s, detail = %s, due_at = %s,"
        " sent_at = COALESCE(%s, sent_at), attempts = %s WHERE issue_id = %s AND subscription = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def _count(batch_id: int, counts: Mapping[str, int]) -> None:
    if counts:
        Batch.objects.filter(pk=batch_id).update(**{name: F(name) + number for name, number in counts.items()})


def _move_counts(moves: Mapping[tuple[int, str, str], int]) -> None:
    """Take readers from one outcome to another on the batches that first held them."""
    for (batch_id, old, new), number in sorted(moves.items()):
        if old != new:
            Batch.objects.filter(pk=batch_id).update(**{old: F(old) - number, new: F(new) + number})


# --- events ----------------------------------------------------------------------------------------------------------


def _early_events(batch: Batch, ids: Sequence[int]) -> dict[int, Word]:
    """The highest word that providers gave of these readers before their rows were written."""
    rows = Event.objects.filter(
        issue=batch.issue_id, subscription__range=(ids[0], ids[-1]), kind__in=list(EVENT_STATUS)
    )
    wanted, found = frozenset(ids), dict[int, Word]()
    for event in rows.order_by("pk").only("subscription", "kind", "occurred_at", "code", "detail"):
        reader, status = event.subscription, EVENT_STATUS[event.kind]
        best = found[reader].status if reader in found else DeliveryStatus.NONE
        if reader in wanted and STATUS_RANK[status] > STATUS_RANK[DeliveryStatus(best)]:
            found[reader] = Word(status, event.occurred_at, event.code, event.detail)
    return found


def raise_status(issue_id: int, subscription: int, word: Word) -> bool:
    """Raise what events tell of a delivery; a lower one than it has changes nothing. True if it was raised.

    A bounce brings its own answer, which takes the place of the one that accepted the mail.
    """
    lower = [name for name, rank in STATUS_RANK.items() if rank < STATUS_RANK[DeliveryStatus(word.status)]]
    fields: dict[str, Any] = {"status": word.status}
    if word.status == DeliveryStatus.DELIVERED:
        fields["delivered_at"] = word.at
    if word.status == DeliveryStatus.BOUNCED:
        fields |= {"code": word.code, "detail": word.detail}
    here = Delivery.objects.filter(issue=issue_id, subscription=subscription, status__in=lower)
    return bool(here.update(**fields))


def answer(issue_id: int, outcomes: Mapping[int, str], *, now: datetime) -> int:
    """Settle uncertain readers by what a provider's event or a look-up says: accepted or refused. Returns how many."""
    with transaction.atomic():
        rows = Delivery.objects.select_for_update().filter(
            issue=issue_id, subscription__in=list(outcomes), outcome=Outcome.UNCERTAIN
        )
        moves = Counter[tuple[int, str, str]]()
        for row in rows.only("pk", "batch", "subscription"):
            new = str(Outcome(outcomes[row.subscription]))
            Delivery.objects.filter(pk=row.pk).update(outcome=new, due_at=None)
            moves[row.batch_id, str(Outcome.UNCERTAIN), new] += 1
        _move_counts(moves)
    return moves.total()


# --- crashes ---------------------------------------------------------------------------------------------------------

NO_ANSWER = "No answer was recorded before the sender stopped."


def expire(*, now: datetime) -> int:
    """Batches whose lease is over become uncertain: nobody may claim them until their spool has been read."""
    over = Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__lt=now)
    expired = over.update(status=BatchStatus.UNCERTAIN)
    if expired:
        logger.warning("leases expired", extra={"batches": expired})
    return expired


def settle(left: spool.Left, *, now: datetime) -> int:
    """Write down what a spool without a holder tells. Returns how many readers are uncertain for it.

    Answered readers get their delivery, those whose message was under way become uncertain, the others wait again.
    After a restart of the host answers may be missing: then all unanswered are uncertain.
    """
    with transaction.atomic():
        batch = _unsettled().select_for_update().filter(pk=left.batch, attempt=left.attempt).first()
        if batch is None:
            return 0
        ids = left.header.ids if left.header else tuple(unpack(batch.reader_ids))
        entries = [_entry(ids[answer.position], answer) for answer in left.answers if answer.position < len(ids)]
        open_ids = _unanswered(batch, ids, entries)
        window = len(open_ids) if left.window is None else left.window
        uncertain = _name_uncertain(batch, open_ids[:window])
        _write(batch, entries + uncertain, now=now)
        _close(batch, open_ids[window:], now=now)
    logger.warning("batch settled", extra={"issue": batch.issue_id, "batch": batch.pk, "uncertain": len(uncertain)})
    return len(uncertain)


def _entry(reader: int, answer: spool.Answer) -> Entry:
    return Entry(reader, answer.outcome, answer.code, answer.detail, answer.provider_id, answer.message_id)


def _unsettled() -> QuerySet[Batch]:
    return Batch.objects.filter(status__in=[BatchStatus.CLAIMED, BatchStatus.UNCERTAIN])


def _unanswered(batch: Batch, ids: Sequence[int], entries: Iterable[Entry]) -> list[int]:
    answered = {entry.subscription for entry in entries}
    if not batch.is_retry:
        answered |= set(_rows(batch, ids).values_list("subscription", flat=True))
    return [reader for reader in ids if reader not in answered]


def _name_uncertain(batch: Batch, ids: Iterable[int]) -> list[Entry]:
    domain = rfc5322.domain_of(batch.issue.newsletter.from_email)
    return [
        Entry(
            reader,
            Outcome.UNCERTAIN,
            detail=NO_ANSWER,
            message_id=tokens.message_id(batch.issue_id, reader, domain),
        )
        for reader in ids
    ]


def without_spool(folder_id: str, *, now: datetime) -> list[tuple[int, int]]:
    """(batch, attempt) of claims under this spool folder whose lease is over."""
    ours = _unsettled().filter(worker__endswith=f":{folder_id}", lease_expires_at__lt=now)
    return list(ours.values_list("pk", "attempt"))


def settle_without_spool(batch_id: int, attempt: int, *, now: datetime) -> int:
    """A claim that left no spool in its own folder: it never began to send, unless the host restarted since.

    Returns how many readers are uncertain for it.
    """
    with transaction.atomic():
        batch = _unsettled().select_for_update().filter(pk=batch_id, attempt=attempt).first()
        if batch is None:
            return 0
        open_ids = _unanswered(batch, unpack(batch.reader_ids), ())
        is_same_boot = f":{spool.boot_id()[:8]}:" in batch.worker
        uncertain = [] if is_same_boot else _name_uncertain(batch, open_ids)
        _write(batch, uncertain, now=now)
        _close(batch, open_ids if is_same_boot else [], now=now)
    return len(uncertain)


def settle_lost(host: str, *, now: datetime) -> tuple[int, int]:
    """A host that will not come back: all unanswered readers of its claims are uncertain. (batches, readers)"""
    batches = readers = 0
    for pk in _unsettled().filter(worker__startswith=f"{host}:", lease_expires_at__lt=now).values_list("pk", flat=True):
        with transaction.atomic():
            batch = _unsettled().select_for_update().filter(pk=pk).first()
            if batch is None:
                continue
            uncertain = _name_uncertain(batch, _unanswered(batch, unpack(batch.reader_ids), ()))
            _write(batch, uncertain, now=now)
            _close(batch, [], now=now)
            batches, readers = batches + 1, readers + len(uncertain)
    return batches, readers


# --- again -----------------------------------------------------------------------------------------------------------


def follow_up(*, now: datetime, most: int = 5000) -> int:
    """Put deferred readers whose time has come into batches of their own. Returns how many."""
    with transaction.atomic():
        due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            outcome=Outcome.DEFERRED, due_at__lte=now, issue__status=IssueStatus.SENDING
        )
        return _plan_again(due.order_by("issue", "subscription")[:most], due_at=None)


def send_again(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Let the uncertain among these readers be sent to once more, by an editor's decision. Returns how many.

    Their Message-ID stays the same. Asked again before the first repeat is recorded, it changes nothing.
    """
    with transaction.atomic():
        asked = Delivery.objects.select_for_update(of=("self",)).filter(
            issue=issue,
            subscription__in=list(subscription_ids),
            outcome=Outcome.UNCERTAIN,
            due_at__isnull=True,
            issue__status__in=[IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT],
        )
        rows = list(asked.order_by("subscription").values_list("subscription", flat=True))
        readers = _plan_again(asked.order_by("issue", "subscription"), due_at=now)
        if readers:
            issues.audit("issue-sent-again", issue, editor=editor, now=now, readers=rows)
    return readers


def _plan_again(deliveries: Iterable[Delivery], *, due_at: datetime | None) -> int:
    """Batches that repeat, one edition each. `due_at` marks who is in one."""
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    chosen = list(deliveries)
    editions = dict(Batch.objects.filter(pk__in={row.batch_id for row in chosen}).values_list("pk", "edition_id"))
    for row in chosen:
        groups[row.issue_id, editions[row.batch_id]].append(row.subscription)
    for (issue_id, edition_id), ids in groups.items():
        for part in _parts(sorted(ids)):
            _add_batch(issue_id, edition_id, part, is_retry=True)
    Delivery.objects.filter(pk__in=[row.pk for row in chosen]).update(due_at=due_at)
    return len(chosen)


# --- arrows of the issue ---------------------------------------------------------------------------------------------


def pause(issue: Issue, *, reason: str, editor: Editor | None, now: datetime) -> None:
    """sending -> paused; what is under way stops within a quarter of a second. Raises issues.WrongState."""
    _move(issue, (IssueStatus.SENDING,), IssueStatus.PAUSED, "issue-paused", editor, now, pause_reason=reason[:300])


def hold_back(issue: Issue, *, reason: str, now: datetime) -> None:
    """scheduled -> paused, because it may not begin. Nothing was sent. Raises issues.WrongState."""
    _move(issue, (IssueStatus.SCHEDULED,), IssueStatus.PAUSED, "issue-held-back", None, now, pause_reason=reason[:300])


def resume(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> sending; an issue that never began is due again at once, with all its checks."""
    begun = Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists()
    fields: dict[str, Any] = {"pause_reason": ""} if begun else {"pause_reason": "", "scheduled_at": now}
    to = IssueStatus.SENDING if begun else IssueStatus.SCHEDULED
    _move(issue, (IssueStatus.PAUSED,), to, "issue-resumed", editor, now, **fields)


def take_back(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> draft, to edit an issue of which nothing was sent. Raises issues.WrongState once it has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state(issue)
        approval = {"approved_hash": "", "approved_by": None, "approved_at": None}
        times = {"scheduled_at": None, "scheduled_by": None, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.DRAFT, "issue-stopped", editor, now, **approval, **times)


def cancel(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused or scheduled -> cancelled: who has not got it by now never will. Raises issues.WrongState."""
    issues.cancel(issue, editor=editor, now=now)


def _move(
    issue: Issue,
    starts: tuple[IssueStatus, ...],
    status: IssueStatus,
    action: str,
    editor: Editor | None,
    now: datetime,
    **fields: Any,
) -> None:
    with transaction.atomic():
        if not Issue.objects.filter(pk=issue.pk, status__in=starts).update(status=status, **fields):
            raise issues.wrong_state(issue)
        issues.audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})


def finish(issue: Issue, *, now: datetime) -> bool:
    """sending -> sent once nothing is waiting, under way or deferred. Uncertain readers do not hold it up."""
    if Batch.objects.filter(issue=issue.pk).exclude(status=BatchStatus.DONE).exists():
        return False
    told = equation(issue)
    if told.deferred or told.waiting:
        return False
    with transaction.atomic():
        here = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SENDING)
        counts = {"accepted_count": told.accepted, "refused_count": told.refused, "audience_count": told.audience}
        if not here.update(status=IssueStatus.SENT, sent_at=now, **counts):
            return False
        issues.audit("issue-sent", issue, editor=None, now=now, accepted=told.accepted, uncertain=told.uncertain)
    logger.info("issue sent", extra={"issue": issue.pk, "accepted": told.accepted, "uncertain": told.uncertain})
    return True


def judge(issue: Issue, *, now: datetime) -> bool:
    """Pause the issue if too many addresses refuse it or too many readers complain. True if it was paused.

    Batches from before an editor's resume do not count again.
    """
    reason = _verdict(issue)
    if not reason:
        return False
    try:
        pause(issue, reason=reason, editor=None, now=now)
    except issues.WrongState:
        return False
    logger.error("issue paused by its outcome", extra={"issue": issue.pk})
    return True


def _verdict(issue: Issue) -> str:
    """Why the issue should stop, in the newsletter's language; "" if it may go on."""
    since = _resumed_at(issue)
    batches = Batch.objects.filter(issue=issue.pk)
    sums = (batches.filter(sent_at__gt=since) if since else batches).aggregate(Sum("accepted"), Sum("refused"))
    accepted, refused = sums["accepted__sum"] or 0, sums["refused__sum"] or 0
    tried = accepted + refused
    with translation.override(issue.newsletter.default_language):
        if (
            refused >= LEAST_REFUSED
            and refused > tried * MOST_REFUSED
            and (tried >= LEAST_SAMPLE or _firsts_done(issue))
        ):
            return _("%(refused)s of %(tried)s addresses were refused. Look at the reasons before you go on.") % {
                "refused": refused,
                "tried": tried,
            }
        complaints = _complaints(issue, since)
        if complaints >= LEAST_COMPLAINTS and complaints > tried * MOST_COMPLAINTS:
            return _("%(complaints)s readers of %(tried)s have reported this mail as unwanted.") % {
                "complaints": complaints,
                "tried": tried,
            }
    return ""


def _firsts_done(issue: Issue) -> bool:
    """The first small batch is a sample by itself, and this is the moment to judge it."""
    firsts = Batch.objects.filter(issue=issue.pk, is_first=True)
    rest = Batch.objects.filter(issue=issue.pk, is_first=False, is_retry=False)
    return firsts.exists() and not rest.exclude(status=BatchStatus.WAITING, attempt=0).exists()


def _complaints(issue: Issue, since: datetime | None) -> int:
    events = Event.objects.filter(issue=issue.pk, kind=DeliveryStatus.COMPLAINED)
    if since:
        events = events.filter(occurred_at__gt=since)
    return events.values("subscription").distinct().count()


def _resumed_at(issue: Issue) -> datetime | None:
    entries = AuditEntry.objects.filter(subject=f"issue {issue.pk}", action="issue-resumed")
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()


# --- reads -----------------------------------------------------------------------------------------------------------


def equation(issue: Issue) -> Equation:
    """Where all planned readers are, from the batches' counts alone."""
    names = ("accepted", "refused", "deferred", "skipped", "uncertain")
    planned = Batch.objects.filter(issue=issue.pk, is_retry=False)
    sums = planned.aggregate(audience=Sum("size", default=0), **{name: Sum(name, default=0) for name in names})
    return Equation(**sums, waiting=sums["audience"] - sum(sums[name] for name in names))


def uncertain(issue: Issue) -> list[Delivery]:
    """The readers of whom nobody knows whether they got it, by id."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=Outcome.UNCERTAIN)
    return list(rows.order_by("subscription"))


def _got(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    """Those who got an issue: a correction goes to exactly them."""
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=[Outcome.ACCEPTED, Outcome.UNCERTAIN])
    return readers.filter(pk__in=rows.values("subscription"))


def _missed(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=[Outcome.ACCEPTED, Outcome.UNCERTAIN])
    return readers.exclude(pk__in=rows.values("subscription"))


audience.register("got_issue", _got)
audience.register("missed_issue", _missed)
