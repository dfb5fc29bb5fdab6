"""`memory`: the peak of a process that plans and sends an issue, and the memory of all of `make run` by process.

The first compares an issue to many readers with one to ten times as many; its mails are discarded (`discard:`), so that
a round is short. The second is in `benchmarks.embedded_memory`; `--quick` leaves it out, because it takes minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from benchmarks import bulk_subscribers, embedded_memory, reference
from benchmarks.figures import Findings
from newsletter.models import Newsletter
from subscribers.models import Subscription
from workers import ledger

MAX_GROWTH = 1.15


def run(*, quick: bool) -> Findings:
    found = Findings()
    few = 1_000 if quick else 10_000
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, 10 * few, now=timezone.now())
    firsts = Subscription.objects.order_by("pk").values("pk")[:few]
    Subscription.objects.filter(pk__in=list(firsts.values_list("pk", flat=True))).update(language="en")
    sizes = {
        few: measure_peak_mb(found, newsletter, few, language="en"),
        10 * few: measure_peak_mb(found, newsletter, 10 * few),
    }
    for count, size_mb in sizes.items():
        found.tell(f"peak_mb_{count}", size_mb, f"MB, the most a worker held: planned and sent to {count:,} readers")
    small, large = sizes.values()
    found.tell("bytes_per_reader", max(0.0, (large - small) * 2**20 / (9 * few)), "bytes more for each reader more")
    found.ratio("memory_10n_vs_n", [large], [small])
    found.require(
        large <= small * MAX_GROWTH, f"a worker with {10 * few:,} readers needs {large / small:.2f} times as much"
    )
    if not quick:
        embedded_memory.measure(found, Path(settings.VAR_DIR) / "embedded")
    return found


def measure_peak_mb(found: Findings, newsletter: Newsletter, count: int, **audience: str) -> float:
    issue = reference.create_due_issue(newsletter, now=timezone.now(), **audience)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker_process", str(issue.pk)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told = ledger.count_deliveries(issue)
    found.require(told.accepted == count, f"{told.accepted} of {count} readers are recorded")
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])
