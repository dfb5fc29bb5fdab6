"""One worker from a due issue to its last answer, mails going nowhere: python -m benchmarks.worker_process ISSUE; prints its size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django


def main(issue: str) -> None:
    from django.conf import settings
    from django.utils import timezone

    from newsletter.models import Issue
    from workers.sending import lifecycle

    settings.MAIL_ROUTES = ["discard:"]
    if not lifecycle.begin(Issue.objects.get(pk=issue), now=timezone.now()):
        raise SystemExit(f"the issue was held back: {Issue.objects.get(pk=issue).pause_reason}")
    lifecycle.send(int(issue), seconds=240)
    print(json.dumps({"peak_mb": peak_mb()}))


def peak_mb() -> float:
    """The most this program held, by Linux; what getrusage tells counts the program that started it as well."""
    sizes = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(sizes["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
