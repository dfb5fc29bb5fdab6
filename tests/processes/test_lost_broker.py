"""Broker messages only wake workers: deleting all of them repeatedly during a send loses no mail."""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import contextmanager

import pytest

from tests import running_site as live

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("broker")]

SCHEDULE = """
from django.utils import timezone
from newsletter import issues
from newsletter.models import Issue
issue, now = Issue.objects.get(newsletter__slug="ringkasan-mingguan", status="draft"), timezone.now()
issue = issues.approve(issue, editor=None, now=now)
print(issues.schedule(issue, at=now, editor=None, now=now).pk)
"""
STANDING = """
from newsletter.models import Issue
from workers import ledger
from workers.models import Delivery
issue = Issue.objects.get(pk={issue})
sums = ledger.count_deliveries(issue)
print(issue.status, sums.audience, sums.accepted, Delivery.objects.filter(issue=issue).count())
"""


@contextmanager
def deleting(folder):
    """Delete every broker message nine times in ten before a worker reads it. Yield the names of the deleted files."""
    gone: list[str] = []
    over = threading.Event()

    def work():
        for turn in itertools.count():
            if over.wait(0.01 if turn % 10 else 0.3):
                return
            for file in [file for file in folder.rglob("*") if file.is_file()]:
                file.unlink(missing_ok=True)
                gone.append(file.name)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield gone
    finally:
        over.set()
        thread.join()


@pytest.mark.skipif(bool(os.environ.get("BROKER_URL")), reason="only the embedded broker keeps files to delete")
def test_deleting_the_brokers_files_in_mid_send_loses_nobody(tmp_path):
    with live.running(tmp_path) as site:
        issue = site.manage("shell", "-v", "0", "-c", SCHEDULE).split()[-1]

        with deleting(tmp_path / "broker") as deleted:
            status, deadline = "", time.monotonic() + 90
            while status != "sent" and time.monotonic() < deadline:
                standing = site.manage("shell", "-v", "0", "-c", STANDING.format(issue=issue))
                status, audience, accepted, recorded = standing.split()

        mails = len(list((tmp_path / "mail").glob("*.eml")))
        assert (status, accepted, recorded, mails) == ("sent", audience, audience, int(audience)), site.output()[-2000:]
        assert int(audience) > 300
        assert deleted
