"""`notice`: how long a confirmation takes from the sign-up form to the mail server while a big issue is being sent.

Everything is real: the web process, the workers with their clock as `run` starts them, and one mail server for both.
"""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, reference, signup, smtp_sink, web
from benchmarks.figures import Findings
from newsletter.models import Issue
from workers import ledger
from workers.crash_test.worker_processes import WorkerProcesses
from workers.management.commands import run as product

MAX_WAIT_S = 20.0
WORKERS = ("prompt", "bulk")


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    readers, times = (20_000, 3) if quick else (200_000, 9)
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, readers, now=now)
    form = signup.make_form(newsletter, 0)
    with smtp_sink.start() as sink:
        environment = {**os.environ, "MAIL_URL": sink.url}
        parts = {part.name: part.command for part in product.service_processes("127.0.0.1", 0) if part.name in WORKERS}
        crew = WorkerProcesses(parts, environment=environment, log=Path(settings.VAR_DIR) / "workers.log")
        with web.start_server("workers.hits:application", TRUSTED_PROXIES="127.0.0.1", MAIL_URL=sink.url) as server:
            crew.start()
            try:
                issue = reference.create_due_issue(newsletter, now=timezone.now())
                began = wait_until_sending(sink)
                waits = [measure_wait_s(form, number, sink, server) for number in range(1, times + 1)]
            finally:
                crew.stop()
    told = ledger.count_deliveries(issue)
    sent_per_s = told.accepted / max(0.1, time.monotonic() - began)
    found.tell("readers", readers, "readers of the issue")
    found.tell("sent_per_s", sent_per_s, "messages/s of the issue meanwhile, at least")
    found.tell("notice_s", figures.median(waits), f"s from the form to the confirmation at the mail server, of {times}")
    found.tell("slowest_s", max(waits), "s, the slowest of them")
    found.require(told.waiting > 0, "the issue was all out before the last confirmation: take more readers")
    found.require(max(waits) < MAX_WAIT_S, f"a confirmation did not come within {MAX_WAIT_S:g} s")
    found.require(Issue.objects.get(pk=issue.pk).pause_reason == "", "the issue was paused")
    return found


def wait_until_sending(sink: smtp_sink.Sink) -> float:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if sink.report().messages:
            return time.monotonic()
        time.sleep(0.2)
    raise RuntimeError("the workers did not begin to send; see their words above")


def measure_wait_s(form: str, number: int, sink: smtp_sink.Sink, server: web.WebServer) -> float:
    """Post the form once, and wait for its mail."""
    sink.report()
    posts = signup.build_posts([form], count(number), known=0)
    started = time.monotonic()
    answered = web.run_load(server.port, posts, seconds=0.0, connections=1)
    if answered.statuses[303] != 1:
        raise RuntimeError(f"the form answered {dict(answered.statuses)}")
    while (passed := time.monotonic() - started) < MAX_WAIT_S:
        if at := sink.report().notice_at:
            return at - started
        time.sleep(0.05)
    return passed
