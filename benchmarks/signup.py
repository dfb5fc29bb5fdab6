"""`signup`: posts to the sign-up form, as a box on a page sends them, and the admission of what came in.

New and known addresses take turns on the same connections: the wait must not tell them apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from urllib.parse import urlencode

from django.utils import timezone

from benchmarks import figures, reference, web
from benchmarks.figures import ROUNDS, Findings
from newsletter.models import Newsletter
from subscribers import signup
from subscribers.models import Notice, SignupForm, SignupRequest, Subscription
from subscribers.signup import limits

FORM_COUNT = 64
"""Each takes 1,500 sign-ups in ten minutes and no more, so the load goes round."""
KNOWN, NEW = b"Mozilla/5.0 (Linux; Android 14)", b"Mozilla/5.0 (Linux; Android 15)"
"""Tell the posts apart by their agent: addresses we know, and new ones."""


def run(*, quick: bool) -> Findings:
    found = Findings()
    newsletter = reference.create_newsletter()
    slugs = [make_form(newsletter, number) for number in range(FORM_COUNT)]
    seconds = 1.0 if quick else 4.0
    numbers = count(1)
    loads, admitted = [], []
    with web.start_server("workers.hits:application", TRUSTED_PROXIES="127.0.0.1") as server:
        web.run_load(server.port, build_posts(slugs, numbers, known=0), seconds=0.3, connections=8)
        admit_waiting(most_s=10)
        known = Subscription.objects.count()
        for _ in range(ROUNDS):
            loads.append(
                web.run_load(server.port, build_posts(slugs, numbers, known=known), seconds=seconds, connections=8)
            )
            admitted.append(admit_waiting(most_s=seconds))
    report_figures(found, loads, admitted)
    check_counts(found, loads)
    return found


def report_figures(found: Findings, loads: list[web.LoadResult], admitted: list[float]) -> None:
    found.tell("posts_per_s", figures.median(load.per_s for load in loads), "sign-ups/s accepted")
    found.tell("p50_ms", figures.median(load.wait_ms(0.5) for load in loads), "ms, half of them waited less")
    found.tell("p99_ms", figures.median(load.wait_ms(0.99) for load in loads), "ms, 99 of 100 waited less")
    found.tell("admitted_per_s", figures.median(admitted), "sign-ups/s admitted: subscription, consent event, notice")
    known, new = ([load.wait_ms(0.5, holding=kind) for load in loads] for kind in (KNOWN, NEW))
    found.ratio("signup_known_vs_new", known, new)


def check_counts(found: Findings, loads: list[web.LoadResult]) -> None:
    odd = sum(load.answered - load.statuses[303] + load.unanswered for load in loads)
    found.require(not odd, f"{odd} sign-ups were not accepted")
    kept, sent = SignupRequest.objects.count(), sum(load.answered for load in loads)
    found.require(kept >= sent, f"{sent} sign-ups were accepted, {kept} kept")
    mailed, notices = SignupRequest.objects.filter(outcome__in=signup.MAILED_OUTCOMES).count(), Notice.objects.count()
    found.require(0 < mailed == notices, f"{mailed} sign-ups should have led to a mail, {notices} did")


def make_form(newsletter: Newsletter, number: int) -> str:
    form = SignupForm.objects.create(slug=f"kotak-{number}")
    form.newsletters.add(newsletter)
    return form.slug


def build_posts(slugs: list[str], numbers: Iterator[int], *, known: int) -> Iterator[bytes]:
    """Each from a network of its own; every other address is one of the first `known`, if there are any."""
    stamp = limits.make_stamp(timezone.now() - timedelta(seconds=5))
    for number in numbers:
        is_known = bool(known) and number % 2 == 0
        address = number // 2 % known + 1 if is_known else number
        form = {"email": f"pembaca{address:06d}@kotaksurat.id", "language": "id", "stamp": stamp}
        form["page"] = f"{reference.SITE}/kabar/autogate"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"100.{number >> 8 & 255}.{number & 255}.7",
            "User-Agent": (KNOWN if is_known else NEW).decode(),
        }
        path = f"/s/{slugs[number // 2 % len(slugs)]}/"
        yield web.build_request("POST", path, headers=headers, body=urlencode(form).encode())


def admit_waiting(*, most_s: float) -> float:
    """Admit what waits for at most so long; how many a second."""
    started, total = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < most_s and (
        done := signup.admit_due(now=timezone.now(), limit=20)
    ):
        total += done
    return total / passed
