"""Hits: their record format, the classes of agents, and the loading of spool files into `Tally` and `Event`.

The web process writes records (`workers.tracking.collector`); `manage.py drain` on the same host calls `load_spool`.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min

from newsletter.models import Issue, Link, Tracking
from subscribers.models import Subscription
from workers import spool
from workers.models import AgentClass, Delivery, Event, SpoolFile, Tally

logger = logging.getLogger(__name__)

OPENED, CLICKED = "opened", "clicked"
HIT_FILE_SUFFIX = ".hits"
BURST_PERIOD = timedelta(seconds=2)
BURST_LINKS = 3
"""A reader's clicks on so many different links within BURST_PERIOD are attributed to a scanner."""
RECORDS_PER_LOAD = 2_000
TARGETS_MAX_AGE_S = 3.0
"""Seconds for which a web process caches link targets. An amended link takes effect after that."""

# --- one hit ---------------------------------------------------------------------------------------------------------

_RECORD = struct.Struct("<BBQIIQ")
_KINDS = (OPENED, CLICKED)
_CLASSES = (AgentClass.UNKNOWN, AgentClass.HUMAN, AgentClass.PROXY, AgentClass.SCANNER)
_CLASS_NUMBERS = {name: number for number, name in enumerate(_CLASSES)}
MAX_AGENT_BYTES = 200


@dataclass(frozen=True)
class Hit:
    """One request of a pixel or link."""

    kind: str
    issue: int
    occurred_at: datetime
    link: int = 0
    """Number of the link; 0 is the pixel."""
    subscription: int = 0
    """0 for the token that all readers share; then agent and network are empty."""
    agent_class: str = AgentClass.UNKNOWN
    agent: str = ""
    network: str = ""

    def pack(self) -> bytes:
        """Return the payload of a spool record."""
        moment_ms = int(self.occurred_at.timestamp() * 1000)
        head = _RECORD.pack(
            _KINDS.index(self.kind),
            _CLASS_NUMBERS[AgentClass(self.agent_class)],
            moment_ms,
            self.issue,
            self.link,
            self.subscription,
        )
        if not self.subscription:
            return head
        return head + self.network.encode()[:43] + b"\0" + self.agent.encode()[:MAX_AGENT_BYTES]

    @classmethod
    def unpack(cls, payload: bytes) -> Hit:
        """Parse a payload. Raises ValueError, IndexError or struct.error for bytes that `pack` cannot have written."""
        kind, class_number, moment_ms, issue, link, subscription = _RECORD.unpack_from(payload)
        network, _, agent = payload[_RECORD.size :].partition(b"\0")
        return cls(
            kind=_KINDS[kind],
            issue=issue,
            occurred_at=datetime.fromtimestamp(moment_ms / 1000, UTC),
            link=link,
            subscription=subscription,
            agent_class=_CLASSES[class_number],
            agent=agent.decode(errors="ignore"),
            network=network.decode(errors="ignore"),
        )

    @property
    def hour(self) -> datetime:
        return self.occurred_at.replace(minute=0, second=0, microsecond=0)


# --- agents ----------------------------------------------------------------------------------------------------------

_PROXIES = re.compile(r"GoogleImageProxy|YahooMailProxy|ggpht\.com|^Mozilla/5\.0$|CloudFlare-Prefetch", re.IGNORECASE)
_SCANNERS = re.compile(
    r"bot\b|crawl|spider|scan|preview|headless|phantom|monitor|python|curl|wget|libwww|httpclient|http-client|okhttp"
    r"|^java/|perl|ruby|axios|node-fetch|barracuda|mimecast|proofpoint|safelinks|trendmicro|ironport|symantec"
    r"|existence discovery|facebookexternalhit|whatsapp|slurp",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"^(Mozilla/5\.0 \(|Opera/|Microsoft Office|Microsoft Outlook|Outlook-|Apple ?Mail|Dalvik/|Thunderbird)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def classify_agent(agent: str) -> AgentClass:
    """Classify a User-Agent by published names only. `_recognise_bursts` classifies by timing."""
    if _PROXIES.search(agent):
        return AgentClass.PROXY
    if _SCANNERS.search(agent):
        return AgentClass.SCANNER
    return AgentClass.HUMAN if _PEOPLE.match(agent) else AgentClass.UNKNOWN


# --- loading ---------------------------------------------------------------------------------------------------------


def load_spool(folder: Path | None = None, *, now: datetime) -> int:
    """Load the new records of this host's spool files. Return how many.

    Each chunk is one transaction with the offset that it reached. A crash at any point neither repeats nor loses a hit.
    """
    folder = folder or Path(settings.TRACKING_SPOOL)
    return sum(_load_file(file, now=now) for file in sorted(folder.glob(f"*{HIT_FILE_SUFFIX}")))


def _load_file(file: Path, *, now: datetime) -> int:
    try:
        with _closed(file) as is_closed:
            total = 0
            while loaded := _load_chunk(file, now=now):
                total += loaded
            if is_closed:
                _delete(file)
            return total
    except FileNotFoundError:  # loaded and deleted by another drain in the meantime
        return 0


def _delete(file: Path) -> None:
    """Delete a file that is closed and loaded.

    Order: the file first, then its row. A crash in between leaves a row without a file, which retention deletes. The
    reverse order could load the file again from its start.
    """
    torn_bytes = file.stat().st_size - SpoolFile.objects.filter(name=_name(file)).values_list("offset", flat=True).get()
    if torn_bytes:  # never acknowledged: the process died while writing it
        logger.warning("torn end of a hit spool dropped", extra={"bytes": torn_bytes})
    file.unlink()
    SpoolFile.objects.filter(name=_name(file)).delete()


@contextmanager
def _closed(file: Path) -> Iterator[bool]:
    """Yield True if no web process writes to `file` any more; the writer holds a lock while it is alive.

    This lock is held during loading: no writer reopens a file, and a second loader finds it locked.
    """
    with file.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _name(file: Path) -> str:
    return f"{socket.gethostname()}/{file.name}"


@transaction.atomic
def _load_chunk(file: Path, *, now: datetime) -> int:
    # Lock order: the file's row, then tallies in the order of `_add`. The row lock makes a second loader of the same file
    # wait; it then reads from the offset that this transaction commits.
    progress, _ = SpoolFile.objects.get_or_create(name=_name(file), defaults={"loaded_at": now})
    progress = SpoolFile.objects.select_for_update().get(pk=progress.pk)
    records = list(itertools.islice(spool.read_records(file, progress.offset), RECORDS_PER_LOAD))
    if not records:
        return 0
    store_hits(_parse_hits(payload for payload, _end in records))
    SpoolFile.objects.filter(pk=progress.pk).update(offset=records[-1][1], loaded_at=now)
    return len(records)


def _parse_hits(payloads: Iterable[bytes]) -> list[Hit]:
    hits = []
    for payload in payloads:
        try:
            hits.append(Hit.unpack(payload))
        except (ValueError, IndexError, struct.error):
            logger.warning("hit record skipped: written by another release")
    return hits


def store_hits(hits: list[Hit]) -> None:
    """Add hits to the tallies. Hits of readers who agreed to measurement are stored as events as well."""
    hits = _still_allowed(hits)
    _add([(_tally_key(hit, language), 1) for hit, language in _with_language(hits) if not hit.subscription])
    _load_individual([hit for hit in hits if hit.subscription])


def _still_allowed(hits: list[Hit]) -> list[Hit]:
    """Drop hits of unknown or untracked issues and of readers who no longer agree to measurement (C-05)."""
    modes = dict(
        Issue.objects.filter(pk__in={hit.issue for hit in hits}).values_list("pk", "newsletter__tracking").iterator()
    )
    agreed = _agreed({hit.subscription for hit in hits if hit.subscription})

    def allowed(hit: Hit) -> bool:
        mode = modes.get(hit.issue, Tracking.OFF)
        if hit.subscription:
            return mode == Tracking.INDIVIDUAL and hit.subscription in agreed
        return mode != Tracking.OFF

    return [hit for hit in hits if allowed(hit)]


def _agreed(subscriptions: set[int]) -> set[int]:
    agreed: set[int] = set()
    ids = sorted(subscriptions)
    for start in range(0, len(ids), 500):
        rows = Subscription.objects.filter(pk__in=ids[start : start + 500]).select_related("newsletter")
        agreed |= {row.pk for row in rows if row.may_track or not row.newsletter.tracking_needs_consent}
    return agreed


def _with_language(hits: list[Hit]) -> list[tuple[Hit, str]]:
    links = _link_languages({hit.issue for hit in hits})
    return [
        (hit, links.get((hit.issue, hit.link), "")) for hit in hits if not hit.link or (hit.issue, hit.link) in links
    ]


def _link_languages(issues: set[int]) -> dict[tuple[int, int], str]:
    rows = Link.objects.filter(issue_key__in=issues).values_list("issue_key", "number", "language")
    return {(issue, number): language for issue, number, language in rows}


# --- individual hits -------------------------------------------------------------------------------------------------


def _load_individual(hits: list[Hit]) -> None:
    if not hits:
        return
    Event.objects.bulk_create(
        [
            Event(
                issue=hit.issue,
                subscription=hit.subscription,
                kind=hit.kind,
                occurred_at=hit.occurred_at,
                link=hit.link,
                agent_class=classify_agent(hit.agent),
                agent=hit.agent,
                network=hit.network,
            )
            for hit, _language in _with_language(hits)
        ],
        batch_size=500,
    )
    _add([(_tally_key_of(hit, language, classify_agent(hit.agent)), 1) for hit, language in _with_language(hits)])
    clickers = {(hit.issue, hit.subscription) for hit in hits if hit.kind == CLICKED}
    for issue, subscription in sorted(clickers):
        _recognise_bursts(issue, subscription)
        _record_first_click(issue, subscription)


def _recognise_bursts(issue: int, subscription: int) -> None:
    """Attribute clicks on several links within BURST_PERIOD to a scanner, including the first of them (S-62)."""
    clicks = list(Event.objects.filter(issue=issue, subscription=subscription, kind=CLICKED).order_by("occurred_at"))
    burst = [click for click in find_burst(clicks) if click.agent_class != AgentClass.SCANNER]
    if not burst:
        return
    languages = _link_languages({issue})
    moves = []
    for click in burst:
        language = languages.get((issue, click.link), "")
        hit = Hit(kind=CLICKED, issue=issue, link=click.link, occurred_at=click.occurred_at)
        moves.append((_tally_key_of(hit, language, click.agent_class), -1))
        moves.append((_tally_key_of(hit, language, AgentClass.SCANNER), 1))
    Event.objects.filter(pk__in=[click.pk for click in burst]).update(agent_class=AgentClass.SCANNER)
    _add(moves)


def find_burst(clicks: list[Event]) -> list[Event]:
    """Return those of `clicks` (ascending) in a BURST_PERIOD with clicks on at least BURST_LINKS different links."""
    in_burst: dict[int, Event] = {}
    start = 0
    for end, click in enumerate(clicks):
        while click.occurred_at - clicks[start].occurred_at > BURST_PERIOD:
            start += 1
        window = clicks[start : end + 1]
        if len({one.link for one in window}) >= BURST_LINKS:
            in_burst.update((id(one), one) for one in window)
    return list(in_burst.values())


def _record_first_click(issue: int, subscription: int) -> None:
    """Store the first click by a person; None if all clicks turned out to be a scanner's. Safe to repeat."""
    people = (AgentClass.HUMAN, AgentClass.UNKNOWN)
    clicks = Event.objects.filter(issue=issue, subscription=subscription, kind=CLICKED, agent_class__in=people)
    first = clicks.aggregate(first=Min("occurred_at"))["first"]
    Delivery.objects.filter(issue_id=issue, subscription=subscription).update(first_clicked_at=first)


# --- tallies ---------------------------------------------------------------------------------------------------------

_Key = tuple[int, datetime, int, str, str, str]

_ADD = """
    INSERT INTO {table} (issue_id, hour, link, language, kind, agent_class, count)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (issue_id, hour, link, language, kind, agent_class)
    DO UPDATE SET count = {table}.count + excluded.count
"""
_MOVE = """
    UPDATE {table} SET count = count - %s
    WHERE issue_id = %s AND hour = %s AND link = %s AND language = %s AND kind = %s AND agent_class = %s AND count >= %s
"""


def _tally_key(hit: Hit, language: str) -> _Key:
    return _tally_key_of(hit, language, hit.agent_class)


def _tally_key_of(hit: Hit, language: str, by: str) -> _Key:
    return (hit.issue, hit.hour, hit.link, language, hit.kind, str(by))


def _add(counts: list[tuple[_Key, int]]) -> None:
    """Add to the tallies: one statement for increases, one for decreases.

    Rows are sorted, so two loaders update the same tallies in the same order and cannot deadlock.
    """
    sums: Counter[_Key] = Counter()
    for key, count in counts:
        sums[key] += count
    table = connection.ops.quote_name(Tally._meta.db_table)
    moment = connection.ops.adapt_datetimefield_value
    rows = [((key[0], moment(key[1]), *key[2:]), count) for key, count in sorted(sums.items()) if count]
    with connection.cursor() as cursor:
        if more := [(*key, count) for key, count in rows if count > 0]:
            cursor.executemany(_ADD.format(table=table), more)
        if fewer := [(-count, *key, -count) for key, count in rows if count < 0]:
            cursor.executemany(_MOVE.format(table=table), fewer)
