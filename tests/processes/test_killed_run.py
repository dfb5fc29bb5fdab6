"""`manage.py run` in embedded mode: every process killed while an issue is sent, counted at a mail server."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests import running_site
from tests.workers.sending_helpers import smtp_server

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("broker"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="`run` forks its processes on Linux only"),
]

SCHEDULE = """
from django.utils import timezone
from newsletter import issues
from newsletter.models import Issue
issue, now = Issue.objects.get(newsletter__slug="ringkasan-mingguan", status="draft"), timezone.now()
issue = issues.approve(issue, editor=None, now=now)
print(issues.schedule(issue, at=now, editor=None, now=now).pk)
"""
STATE = """
from newsletter.models import Issue
from workers import ledger
issue = Issue.objects.get(pk={issue})
counts = ledger.count_deliveries(issue)
print(issue.status, counts.audience, counts.accepted, counts.uncertain)
"""


def processes_of(site):
    """Process ids by the name that `run` gave them; of granian's two the parent."""
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    return {Path(f"/proc/{child}/comm").read_text().strip(): int(child) for child in children}


def state(site, issue):
    status, *counts = site.manage("shell", "-v", "0", "-c", STATE.format(issue=issue)).split()
    return status, *map(int, counts)


def test_killing_each_process_in_mid_send_loses_and_doubles_nobody(tmp_path):
    with smtp_server() as sink:
        sink.on_data = lambda _data: time.sleep(0.02)
        with running_site.running(tmp_path, MAIL_URL=f"smtp://127.0.0.1:{sink.port}", SEND_SLOTS="2") as site:
            before = len(sink.received)
            issue = site.manage("shell", "-v", "0", "-c", SCHEDULE).split()[-1]
            victims = ("warta-bulk", "warta-prompt", "warta-fetch", "warta-web", "warta-bulk")
            for kills, name in enumerate(victims):
                wait_for(lambda mark=20 * kills: len(sink.received) > before + mark)
                victim = wait_for(lambda name=name: processes_of(site).get(name))
                os.kill(victim, signal.SIGKILL)
            status = wait_for(lambda: (found := state(site, issue))[0] == "sent" and found)

        _sent, audience, accepted, uncertain = status
        counts = Counter(sink.recipients[before:])
        assert audience > 300
        assert [who for who, times in counts.items() if times > 1] == []
        assert accepted + uncertain == audience
        assert accepted <= len(counts) <= accepted + uncertain
        assert uncertain <= 4, "two killed senders had at most one message each under way a thread"


def wait_for(claim, *, seconds=180):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := claim():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
