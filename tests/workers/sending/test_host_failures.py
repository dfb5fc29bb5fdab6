"""Failures of a host during a send: disk, clock, database, restart; and readers who unsubscribe meanwhile.

Killed senders are tested in tests/processes/test_killed_senders.py, a lost broker in tests/processes/test_lost_broker.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from newsletter.models import Issue, IssueStatus
from tests.factories import make_editor
from tests.processes.test_killed_senders import Site, site
from tests.running_site import environment_for, manage, throwaway_database
from tests.workers import provider_api_servers as providers
from tests.workers.sending_helpers import equation, make_sending_issue
from workers import ledger, routes, spool
from workers.crash_test import counting_server as counting
from workers.models import Batch, BatchStatus
from workers.sending import claim_sender, lifecycle

# --- unsubscribing during a send -------------------------------------------------------------------------------------


@contextmanager
def counted_site(folder, *, readers):
    """A site that sends to a fast mail server in another process, which pauses on request."""
    with throwaway_database(os.environ.get("DATABASE_URL", "")) as url, counting.start() as ports:
        environment = environment_for(folder, 8000, url) | {"MAIL_URL": f"smtp://127.0.0.1:{ports.mail}?tls=off"}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])
        manage(environment, "migrate", "-v0")
        made, orders = Site(environment, None), counting.ControlClient(ports.orders)
        made.issue = made.run("prepare", str(readers))
        try:
            yield made, orders
        finally:
            orders.close()


@pytest.mark.processes
def test_s17_reader_2999_of_3000_leaves_in_mid_send_and_gets_nothing(tmp_path):
    """Also a reader whose batch is claimed at that moment, a few messages before the reader."""
    readers, here_now, soon, later = 3_000, 1_200, "n1490@p.example", "n2998@p.example"
    with counted_site(tmp_path, readers=readers) as (here, orders):
        orders.pause_at({here_now: "after"})
        sender = here.start("60", "120")
        assert orders.wait_for_pause(seconds=60) == (here_now, "after")

        assert here.run("leave", str(here.issue), soon, later) == [200, 200]
        orders.go_on()
        sender.communicate()
        while here.state()["status"] != "sent":
            here.start().communicate()

        got = orders.report()["recipients"]
        assert soon not in got
        assert later not in got
        assert len(got) == readers - 2
        assert set(got.values()) == {1}
        assert here.state()["equation"] == [readers - 2, 0, 0, 2, 0, 0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One site for several tests: creating its database takes longer than the tests."""
    with site(tmp_path_factory.mktemp("site"), readers=1) as made:
        yield made


@pytest.fixture
def here(shared):
    """The shared site with a new issue for forty readers and an empty mail server."""
    shared.first = getattr(shared, "first", 0) + 1000
    shared.issue = shared.run("prepare", "40", str(shared.first))
    shared.sink.received.clear()
    shared.sink.on_data = lambda _data: None
    shared.everybody = {f"n{place}@p.example" for place in range(shared.first, shared.first + 40)}
    return shared


@pytest.mark.processes
def test_a_burst_of_wake_ups_for_a_single_batch_sends_it_once(here):
    burst = [here.start() for _ in range(3)]
    for process in burst:
        assert process.wait() == 0
        process.stdout.close()

    assert set(here.counts().values()) == {1}
    assert here.state()["equation"] == [40, 0, 0, 0, 0, 0]


# --- the host --------------------------------------------------------------------------------------------------------


@pytest.mark.processes
def test_after_a_restart_of_the_host_the_unanswered_are_named_and_nobody_gets_two(here):
    """Answers may have been lost with the page cache, so the spool counts as incomplete."""
    victim = {}

    def pull_the_plug(_data):
        if len(here.sink.received) >= 10 and victim:
            os.kill(victim.pop("pid"), signal.SIGKILL)

    here.sink.on_data = pull_the_plug
    process = here.start()
    victim["pid"] = process.pid
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()

    here.run("send", str(here.issue), "60", "20", "another-boot")

    told, counts = here.state(), here.counts()
    assert set(counts.values()) == {1}
    assert here.everybody - set(counts) <= set(told["uncertain"])
    assert told["equation"][0] + len(told["uncertain"]) == 40
    assert (told["status"], told["adds_up"]) == ("sent", True)


@pytest.mark.processes
@pytest.mark.skipif(
    not os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="cuts PostgreSQL's connections"
)
def test_a_database_connection_cut_in_mid_claim_loses_and_doubles_nobody(here):
    import psycopg

    here.sink.on_data = lambda _data: time.sleep(0.05)
    process = here.start()
    while len(here.sink.received) < 10:
        time.sleep(0.01)
    with psycopg.connect(here.environment["DATABASE_URL"], autocommit=True) as administrator:
        cut = administrator.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert cut[0] >= 1
    assert process.wait() != 0
    process.stdout.close()
    assert 10 <= len(here.sink.received) < 40

    here.run("send", str(here.issue))

    assert set(here.counts().values()) == {1}
    assert here.state()["equation"] == [40, 0, 0, 0, 0, 0]


@pytest.fixture
def small_disk(tmp_path, settings):
    """A spool folder on a separate file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a small file system to fill")
    settings.SEND_SPOOL = folder
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Fill the file system."""
    with (folder / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 1024)
        except OSError:
            return


@pytest.mark.django_db
def test_a_disk_that_is_full_before_the_first_mail_pauses_in_words_and_leaks_nothing(sink, small_disk):
    issue, _people = make_sending_issue(readers=3, languages=["en"])
    ayu = make_editor(issue.newsletter)
    spool.folder_id(small_disk)
    fill(small_disk)
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(OSError, match="No space left|The spool took"):
        lifecycle.send(issue.pk)

    held = Issue.objects.get(pk=issue.pk)
    assert held.status == IssueStatus.PAUSED
    assert held.pause_reason.startswith("The disk of the sending server is full. Sending has stopped")
    assert sink.received == []
    assert list(small_disk.glob("*.new")) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before

    (small_disk / "fill").unlink()
    ledger.resume(issue, editor=ayu, now=timezone.now())
    assert lifecycle.send(issue.pk) == 3
    assert equation(issue) == (3, 0, 0, 0, 0, 0)


@pytest.mark.django_db
def test_a_disk_that_fills_up_in_mid_send_stops_at_once_and_names_the_one_under_way(sink, small_disk):
    issue, people = make_sending_issue(readers=60, languages=["en"])
    sink.on_data = lambda _data: fill(small_disk) if len(sink.received) == 5 else None

    with pytest.raises(OSError, match="No space left|The spool took"):
        lifecycle.send(issue.pk)

    sent = len(sink.received)
    assert 5 < sent < 60, "what fits into the page in hand may still be written"
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.PAUSED
    (small_disk / "fill").unlink()
    sink.on_data = lambda _data: None
    assert lifecycle.settle_orphaned(now=timezone.now()) == 1
    ledger.resume(issue, editor=None, now=timezone.now())
    lifecycle.send(issue.pk)

    assert [row.subscription for row in ledger.uncertain_deliveries(issue)] == [people[sent - 1].pk]
    assert len(sink.recipients) == len(set(sink.recipients)) == 60
    assert equation(issue) == (59, 0, 0, 0, 1, 0)


@pytest.mark.django_db
def test_a_disk_that_fills_up_during_calls_of_a_merge_provider_doubles_nobody(small_disk, settings):
    """The provider accepted whole calls, but only some answers fit on the disk: the other readers become uncertain."""
    with providers.mailgun() as api:
        settings.MAIL_ROUTES = [providers.mailgun_url(api, "&batch=10")]
        issue, people = make_sending_issue(readers=300, languages=["en"])
        api.before = lambda _call: fill(small_disk) if len(api.calls) == 3 else None

        with pytest.raises(OSError, match="No space left|The spool took"):
            lifecycle.send(issue.pk)

        assert Issue.objects.get(pk=issue.pk).status == IssueStatus.PAUSED
        assert 0 < len(api.copies) < 300
        (small_disk / "fill").unlink()
        api.before = lambda _call: None
        unsure = lifecycle.settle_orphaned(now=timezone.now())
        assert unsure >= 1
        ledger.resume(issue, editor=None, now=timezone.now())
        lifecycle.send(issue.pk)

        assert len(api.recipients) == len(set(api.recipients))
        told = ledger.count_deliveries(issue)
        assert (told.accepted, told.uncertain, told.waiting) == (300 - unsure, unsure, 0)
        named = {row.subscription for row in ledger.uncertain_deliveries(issue)}
        unreached = {reader.pk for reader in people if reader.subscriber.email not in api.recipients}
        assert unreached <= named, "nobody is lost without being named"
        routes.first().close()


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2)], ids=["ahead", "back"])
def test_a_clock_that_jumps_in_mid_send_doubles_nobody_and_leaves_the_issue_sent(sink, monkeypatch, jump):
    """Leases expire too early by that clock. The holder of a spool is not settled, and stops when it notices."""
    monkeypatch.setattr(claim_sender, "RECHECK_INTERVAL_S", 0.0)
    issue, _people = make_sending_issue(readers=10)
    goes, real = ledger.sendable_scope, timezone.now

    def jump_after_three(issue_id):
        if len(sink.received) == 3:
            monkeypatch.setattr(timezone, "now", lambda: real() + jump)
            lifecycle.recover(now=timezone.now())
            lifecycle.settle_orphaned(now=timezone.now())
            lifecycle.dispatch(now=timezone.now())
        return goes(issue_id)

    monkeypatch.setattr(ledger, "sendable_scope", jump_after_three)
    lifecycle.send(issue.pk)
    for _wake_up in range(3):
        lifecycle.settle_orphaned(now=timezone.now())
        lifecycle.send(issue.pk)

    assert len(sink.recipients) == len(set(sink.recipients)) == 10
    assert equation(issue) == (10, 0, 0, 0, 0, 0)
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENT


@pytest.mark.django_db
def test_a_claim_given_away_before_its_spool_was_there_sends_nothing(sink, monkeypatch):
    """The clock jumps, or the host stalls, between the claim and the creation of its spool."""
    issue, _people = make_sending_issue(readers=4)
    make_spool = spool.SendSpool

    def settled_just_before(folder, header):
        lifecycle.recover(now=timezone.now() + timedelta(minutes=5))
        lifecycle.settle_orphaned(now=timezone.now() + timedelta(minutes=5))
        assert Batch.objects.get().status == BatchStatus.WAITING
        return make_spool(folder, header)

    monkeypatch.setattr(spool, "SendSpool", settled_just_before)
    claimed = iter([ledger.claim, lambda *_args, **_words: None])
    monkeypatch.setattr(ledger, "claim", lambda *args, **words: next(claimed)(*args, **words))
    assert lifecycle.send(issue.pk) == 0
    assert sink.received == []

    monkeypatch.undo()


@pytest.mark.django_db
def test_a_spool_that_comes_into_being_while_its_claim_is_looked_at_is_left_to_its_holder(settings):
    issue, _people = make_sending_issue(readers=4)
    lifecycle.rate_limit.register([("mailbox-1", "mailbox", 0)])
    claim = ledger.claim(issue, worker=spool.worker_name(settings.SEND_SPOOL), now=timezone.now(), routes=["mailbox-1"])
    later = timezone.now() + timedelta(minutes=5)

    assert ledger.settle_without_spool(claim.batch, claim.attempt, unless=lambda: True, now=later) == 0

    assert Batch.objects.get().status == BatchStatus.CLAIMED
