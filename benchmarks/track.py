"""`track`: pixels and clicks answered by the product's web process, against a Django view that inserts a row.

Then every acknowledged hit must be recorded: after a quiet end, and after kill -9 of all web processes under load.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, reference, web
from benchmarks.figures import ROUNDS, Findings
from newsletter.models import Issue, IssueStatus, Tracking
from subscribers import tokens
from subscribers.models import Subscription
from workers.models import Tally
from workers.tracking import collector, loader

HITS = "workers.hits:application"
ORM_VIEW = "benchmarks.orm_view:application"
ORM_SETTINGS = "benchmarks.orm_settings"
HEADERS = {"User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"}


def run(*, quick: bool) -> Findings:
    found = Findings()
    issue = create_sent_issue()
    seconds = 0.8 if quick else 2.5
    with web.start_server(HITS) as ours, web.start_server(ORM_VIEW, DJANGO_SETTINGS_MODULE=ORM_SETTINGS) as plain:
        acknowledged = measure_under_load(found, issue, ours, plain, seconds=seconds)
        measure_drain(found, acknowledged)
        check_crash_loss(found, issue, ours, seconds=seconds)
    measure_individual_tracking(found, 200 if quick else 2_000)
    return found


def create_sent_issue() -> Issue:
    """Counted together: all readers share one token."""
    now = timezone.now()
    issue = reference.create_draft(reference.create_newsletter(tracking=Tracking.AGGREGATE), now=now)
    reference.freeze(issue, now=now)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=now)
    return issue


def pixel_requests(issue: Issue) -> Iterator[bytes]:
    return cycle([web.build_request("GET", f"/t/{tokens.make_hit(issue.pk, 0)}.gif", headers=HEADERS)])


def click_requests(issue: Issue) -> Iterator[bytes]:
    token = tokens.make_hit(issue.pk, 0)
    return cycle([web.build_request("GET", f"/l/{number}/{token}", headers=HEADERS) for number in range(1, 13)])


def measure_under_load(
    found: Findings, issue: Issue, ours: web.WebServer, plain: web.WebServer, *, seconds: float
) -> int:
    """Both servers run all the time; only one has work at once. Returns how many hits ours acknowledged."""
    loads: dict[str, list[web.LoadResult]] = {"pixel": [], "click": [], "plain": []}
    warm = web.run_load(ours.port, pixel_requests(issue), seconds=0.3)
    web.run_load(plain.port, pixel_requests(issue), seconds=0.3)
    for _ in range(ROUNDS):
        loads["pixel"].append(web.run_load(ours.port, pixel_requests(issue), seconds=seconds))
        loads["plain"].append(web.run_load(plain.port, pixel_requests(issue), seconds=seconds))
        loads["click"].append(web.run_load(ours.port, click_requests(issue), seconds=seconds))
    for name, expected in (("pixel", 200), ("click", 302), ("plain", 200)):
        odd = sum(one.answered - one.statuses[expected] + one.unanswered for one in loads[name])
        found.require(not odd, f"{odd} {name} requests got no answer, or another than {expected}")
    for name, words in (("pixel", "pixels/s"), ("click", "redirects/s"), ("plain", "pixels/s by a view with INSERT")):
        found.tell(f"{name}_per_s", figures.median(one.per_s for one in loads[name]), words)
        found.tell(
            f"{name}_p99_ms", figures.median(one.wait_ms(0.99) for one in loads[name]), "ms, 99 of 100 waited less"
        )
    found.ratio("hits_vs_orm_view", *([one.per_s for one in loads[name]] for name in ("pixel", "plain")))
    found.ratio("redirects_vs_orm_view", *([one.per_s for one in loads[name]] for name in ("click", "plain")))
    return warm.answered + sum(one.answered for name in ("pixel", "click") for one in loads[name])


def count_recorded() -> int:
    return int(Tally.objects.aggregate(hits=Sum("count", default=0))["hits"])


def measure_drain(found: Findings, acknowledged: int) -> None:
    speed = figures.rate(acknowledged, lambda: loader.load_spool(now=timezone.now()))
    found.tell("drained_per_s", speed, "hits/s loaded by the drain")
    found.tell("acknowledged", acknowledged, "hits acknowledged")
    found.tell("recorded", count_recorded(), "hits recorded")
    found.require(count_recorded() == acknowledged, f"{acknowledged} hits acknowledged, {count_recorded()} recorded")


def check_crash_loss(found: Findings, issue: Issue, server: web.WebServer, *, seconds: float) -> None:
    """What was recorded may be more than what was acknowledged, by the answers that were on their way; never less."""
    before = count_recorded()
    bang = threading.Timer(seconds / 2, server.kill)
    bang.start()
    load = web.run_load(server.port, pixel_requests(issue), seconds=seconds)
    bang.join()
    loader.load_spool(now=timezone.now())
    lost = max(0, load.answered - (count_recorded() - before))
    found.tell("lost_by_kill", lost, f"of {load.answered:,} acknowledged hits lost by kill -9 of all web processes")
    found.require(load.answered > 0 and load.unanswered > 0, "the crash did not come under load")
    found.require(not lost, f"{lost} acknowledged hits were lost by kill -9")


def measure_individual_tracking(found: Findings, readers: int) -> None:
    """Hits of readers who agreed to be measured are kept as events, and looked at for machines."""
    now = timezone.now()
    newsletter = reference.create_newsletter(
        slug="satu", list_id="satu.kabarlintas.example", tracking=Tracking.INDIVIDUAL
    )
    bulk_subscribers.create_readers(newsletter, readers, now=now)
    issue = reference.create_draft(newsletter, now=now)
    reference.freeze(issue, now=now)
    spool = collector.HitSpool(Path(settings.TRACKING_SPOOL))
    ids = list(Subscription.objects.filter(newsletter=newsletter).values_list("pk", flat=True))
    for number, link in ((number, link) for link in (0, 1) for number in ids):
        kind = loader.CLICKED if link else loader.OPENED
        moment = now + timedelta(milliseconds=number % 60_000)
        hit = loader.Hit(kind, issue.pk, moment, link=link, subscription=number, agent=HEADERS["User-Agent"])
        spool.append(hit.pack())
    spool._close()
    speed = figures.rate(2 * readers, lambda: loader.load_spool(now=timezone.now()))
    found.tell("drained_one_by_one_per_s", speed, f"hits/s loaded by the drain, {readers:,} readers measured singly")
