"""`signup`: posts to the sign-up form, as a box on a page sends them, and the admission of what came in.

New and known addresses take turns: the answer, and how long it takes, must not tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from urllib.parse import urlencode

from django.utils import timezone

from benchmarks import figures, reference, web
from benchmarks.figures import ROUNDS, Findings
from newsletter.models import Newsletter
from subscribers import limits, signup
from subscribers.models import Notice, SignupForm, SignupRequest, Subscription

FORMS = 64
"""Each takes 1,500 sign-ups in ten minutes and no more, so the load goes round."""


def run(*, quick: bool) -> Findings:
    found = Findings()
    newsletter = reference.newsletter()
    slugs = [make_form(newsletter, number) for number in range(FORMS)]
    seconds = 0.8 if quick else 2.5
    numbers = count(1)
    new, known, admitted = [], [], []
    with web.serving("workers.hits:application", TRUSTED_PROXIES="127.0.0.1") as server:
        web.load(server.port, posts(slugs, numbers, known=0), seconds=0.3, connections=8)
        admit()
        for _ in range(ROUNDS):
            there = Subscription.objects.count()
            known.append(web.load(server.port, posts(slugs, numbers, known=there), seconds=seconds, connections=8))
            admit()
            new.append(web.load(server.port, posts(slugs, numbers, known=0), seconds=seconds, connections=8))
            waiting = SignupRequest.objects.filter(admitted_at__isnull=True).count()
            admitted.append(figures.rate(waiting, admit))
    odd = sum(load.answered - load.statuses[303] + load.unanswered for load in [*new, *known])
    found.must(not odd, f"{odd} sign-ups were not accepted")
    sent = sum(load.answered for load in new)
    found.tell("posts_per_s", figures.median(load.per_s for load in new), "sign-ups/s accepted")
    found.tell("p50_ms", figures.median(load.wait_ms(0.5) for load in new), "ms, half of them waited less")
    found.tell("p99_ms", figures.median(load.wait_ms(0.99) for load in new), "ms, 99 of 100 waited less")
    found.tell("admitted_per_s", figures.median(admitted), "sign-ups/s admitted: subscription, consent event, notice")
    notices = Notice.objects.count()
    found.must(notices >= sent, f"{sent} sign-ups of new addresses led to {notices} mails")
    found.ratio("signup_known_vs_new", [load.wait_ms(0.5) for load in known], [load.wait_ms(0.5) for load in new])
    return found


def make_form(newsletter: Newsletter, number: int) -> str:
    form = SignupForm.objects.create(slug=f"kotak-{number}")
    form.newsletters.add(newsletter)
    return form.slug


def posts(slugs: list[str], numbers: Iterator[int], *, known: int) -> Iterator[bytes]:
    """Each from a network of its own; the addresses are new, or with `known` those of the first so many."""
    stamp = limits.stamp(timezone.now() - timedelta(seconds=5))
    for number in numbers:
        address = number % known + 1 if known else number
        form = {"email": f"pembaca{address}@kotaksurat.id", "language": "id", "stamp": stamp}
        form["page"] = f"{reference.SITE}/kabar/autogate"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"100.{number >> 8 & 255}.{number & 255}.7",
            "User-Agent": "Mozilla/5.0 (Linux; Android 14)",
        }
        path = f"/s/{slugs[number % len(slugs)]}/"
        yield web.request("POST", path, headers=headers, body=urlencode(form).encode())


def admit() -> None:
    while signup.admit_due(now=timezone.now()):
        pass
