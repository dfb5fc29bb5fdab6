"""One of several senders: python -m benchmarks.sender_process ISSUE MAIL_URL; says "ready", and begins when told."""

from __future__ import annotations

import sys

import django


def main(issue: str, url: str) -> None:
    from django.conf import settings

    from newsletter.models import Issue
    from workers.sending import lifecycle

    settings.MAIL_ROUTES = [url]
    Issue.objects.get(pk=issue)
    print("ready", flush=True)
    sys.stdin.readline()
    lifecycle.send(int(issue), seconds=60)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
