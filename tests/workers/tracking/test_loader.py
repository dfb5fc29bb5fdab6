"""Loading of hits: each hit once despite crashes, no reader without consent, machines separate from people."""

from __future__ import annotations

import datetime
import fcntl
import itertools

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from newsletter.models import Edition, Link, Tracking
from tests.factories import NOW, make_issue, make_newsletter, make_reader
from workers import spool
from workers.models import Batch, Delivery, Event, SpoolFile, Tally
from workers.tracking import drain, loader

pytestmark = pytest.mark.django_db

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"
HOUR = datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture
def issue():
    issue = make_issue(make_newsletter(tracking=Tracking.AGGREGATE))
    for number, language in [(1, "id"), (2, "id"), (3, "en"), (4, "en")]:
        url = f"https://kabarlintas.example/{number}"
        Link.objects.create(issue=issue, issue_key=issue.pk, number=number, language=language, url=url)
    return issue


@pytest.fixture
def measured(issue):
    """The same issue, of a newsletter with individual tracking by consent."""
    issue.newsletter.tracking = Tracking.INDIVIDUAL
    issue.newsletter.save()
    return issue


def hit(issue, *, link=1, kind="clicked", after_s=0.0, **fields):
    moment = NOW + datetime.timedelta(seconds=after_s)
    fields.setdefault("agent_class", "human")
    return loader.Hit(kind=kind, issue=issue.pk, link=link, occurred_at=moment, **fields)


def write(folder, *hits, name="1-99"):
    file = folder / f"{name}.hits"
    with file.open("ab") as handle:
        for one in hits:
            handle.write(spool.encode_record(one.pack()))
    return file


def deliver(issue, subscription):
    edition, _ = Edition.objects.get_or_create(
        issue=issue, language="id", defaults={"subject": "s", "html": "", "text": "", "frozen_at": NOW}
    )
    batch, _ = Batch.objects.get_or_create(
        issue=issue, number=1, defaults={"edition": edition, "size": 1, "reader_ids": b"", "first_id": 1, "last_id": 1}
    )
    return Delivery.objects.create(issue=issue, subscription=subscription, batch=batch, outcome="accepted", sent_at=NOW)


def tallies():
    rows = Tally.objects.order_by("link", "agent_class").values_list("link", "language", "kind", "agent_class", "count")
    return list(rows)


def test_hits_become_counts_by_hour_link_language_and_agent(issue, tmp_path):
    write(tmp_path, hit(issue), hit(issue, after_s=60), hit(issue, link=3, agent_class="scanner"))

    loaded = loader.load_spool(tmp_path, now=NOW)

    assert loaded == 3
    assert tallies() == [(1, "id", "clicked", "human", 2), (3, "en", "clicked", "scanner", 1)]
    assert set(Tally.objects.values_list("hour", flat=True)) == {HOUR}
    assert not Event.objects.exists()


def test_later_hits_add_to_the_same_hour(issue, tmp_path):
    write(tmp_path, hit(issue), name="1-99")
    loader.load_spool(tmp_path, now=NOW)
    write(tmp_path, hit(issue), hit(issue), name="2-99")
    loader.load_spool(tmp_path, now=NOW)

    assert tallies() == [(1, "id", "clicked", "human", 3)]


def test_a_file_that_is_still_written_to_is_loaded_but_kept(issue, tmp_path):
    file = write(tmp_path, hit(issue))
    with file.open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        loader.load_spool(tmp_path, now=NOW)
        assert file.exists()
        writer.write(spool.encode_record(hit(issue).pack()))
        writer.flush()
        loader.load_spool(tmp_path, now=NOW)

    assert tallies() == [(1, "id", "clicked", "human", 2)]
    loader.load_spool(tmp_path, now=NOW)
    assert not file.exists()
    assert not SpoolFile.objects.exists()


def test_draining_again_counts_nothing_twice(issue, tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "_delete", lambda file: None)
    write(tmp_path, hit(issue), hit(issue))

    loaded = [loader.load_spool(tmp_path, now=NOW) for _ in range(3)]

    assert loaded == [2, 0, 0]
    assert tallies() == [(1, "id", "clicked", "human", 2)]


def test_a_crash_before_the_commit_loses_and_doubles_nothing(issue, tmp_path, monkeypatch):
    write(tmp_path, hit(issue), hit(issue))
    load = loader.store_hits

    def load_then_die(hits):
        load(hits)
        raise KeyboardInterrupt

    monkeypatch.setattr(loader, "store_hits", load_then_die)
    with pytest.raises(KeyboardInterrupt):
        loader.load_spool(tmp_path, now=NOW)
    monkeypatch.undo()
    assert tallies() == []

    loader.load_spool(tmp_path, now=NOW)

    assert tallies() == [(1, "id", "clicked", "human", 2)]


def test_every_truncation_of_a_file_counts_its_whole_records_once(issue, tmp_path):
    whole = write(tmp_path / "..", hit(issue), hit(issue), hit(issue), name="whole")
    content = whole.read_bytes()
    record = len(content) // 3

    for length in range(0, len(content) + 1, 7):
        Tally.objects.all().delete()
        (tmp_path / "1-99.hits").write_bytes(content[:length])
        loader.load_spool(tmp_path, now=NOW)
        assert sum(Tally.objects.values_list("count", flat=True)) == length // record
        assert not list(tmp_path.glob("*.hits"))


def test_a_file_cut_in_several_readings_counts_each_hit_once(issue, tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "RECORDS_PER_LOAD", 2)
    write(tmp_path, *[hit(issue)] * 5)

    assert loader.load_spool(tmp_path, now=NOW) == 5

    assert tallies() == [(1, "id", "clicked", "human", 5)]


def test_hits_of_unknown_issues_and_links_are_left_out(issue, tmp_path):
    foreign = loader.Hit(kind="clicked", issue=issue.pk + 1, link=1, occurred_at=NOW)
    write(tmp_path, foreign, hit(issue, link=77), hit(issue, link=0, kind="opened"))

    loader.load_spool(tmp_path, now=NOW)

    assert tallies() == [(0, "", "opened", "human", 1)]


def test_records_of_another_release_stop_nothing(issue, tmp_path):
    file = write(tmp_path, hit(issue))
    with file.open("ab") as handle:
        handle.write(spool.encode_record(b"\xff"))
        handle.write(spool.encode_record(hit(issue).pack()))

    loader.load_spool(tmp_path, now=NOW)

    assert tallies() == [(1, "id", "clicked", "human", 2)]


def test_c05_a_reader_who_agreed_is_measured(measured, tmp_path):
    siti = make_reader(measured.newsletter, may_track=True)
    delivery = deliver(measured, siti.pk)
    write(tmp_path, hit(measured, subscription=siti.pk, agent=PHONE, network="203.0.113.0/24", after_s=3))

    loader.load_spool(tmp_path, now=NOW)

    event = Event.objects.get()
    assert (event.kind, event.subscription, event.link, event.agent_class) == ("clicked", siti.pk, 1, "human")
    assert tallies() == [(1, "id", "clicked", "human", 1)]
    delivery.refresh_from_db()
    assert delivery.first_clicked_at == NOW + datetime.timedelta(seconds=3)


def test_c05_a_hit_of_a_reader_who_no_longer_agrees_is_not_stored(measured, tmp_path):
    siti = make_reader(measured.newsletter, may_track=True)
    write(tmp_path, hit(measured, subscription=siti.pk, agent=PHONE))
    siti.may_track = False
    siti.save()

    loader.load_spool(tmp_path, now=NOW)

    assert not Event.objects.exists()
    assert tallies() == []


def test_c05_individual_hits_of_a_newsletter_that_now_counts_together_are_not_stored(issue, tmp_path):
    siti = make_reader(issue.newsletter, may_track=True)
    write(tmp_path, hit(issue, subscription=siti.pk, agent=PHONE))

    loader.load_spool(tmp_path, now=NOW)

    assert not Event.objects.exists()


def test_s62_a_burst_of_clicks_was_a_machine_the_first_one_too(measured, tmp_path):
    siti = make_reader(measured.newsletter, may_track=True)
    delivery = deliver(measured, siti.pk)
    fields = {"subscription": siti.pk, "agent": PHONE}
    write(tmp_path, hit(measured, link=1, **fields), hit(measured, link=2, after_s=0.7, **fields), name="1-99")
    loader.load_spool(tmp_path, now=NOW)
    write(tmp_path, hit(measured, link=3, after_s=1.4, **fields), name="2-99")
    write(tmp_path, hit(measured, link=4, after_s=900, **fields), name="3-99")

    loader.load_spool(tmp_path, now=NOW)

    classes = Event.objects.order_by("occurred_at").values_list("link", "agent_class")
    assert list(classes) == [(1, "scanner"), (2, "scanner"), (3, "scanner"), (4, "human")]
    counted = [(link, by, count) for link, _language, _kind, by, count in tallies() if count]
    assert counted == [(1, "scanner", 1), (2, "scanner", 1), (3, "scanner", 1), (4, "human", 1)]
    delivery.refresh_from_db()
    assert delivery.first_clicked_at == NOW + datetime.timedelta(seconds=900)


def test_s62_two_links_read_quickly_are_a_person(measured, tmp_path):
    siti = make_reader(measured.newsletter, may_track=True)
    fields = {"subscription": siti.pk, "agent": PHONE}
    write(
        tmp_path, *[hit(measured, link=link, after_s=at, **fields) for link, at in [(1, 0), (2, 0.5), (1, 1), (2, 9)]]
    )

    loader.load_spool(tmp_path, now=NOW)

    assert set(Event.objects.values_list("agent_class", flat=True)) == {"human"}


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (PHONE, "human"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120 Safari/537.36", "human"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17126; Pro)", "human"),
        ("Mozilla/5.0", "proxy"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "proxy"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "proxy"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "scanner"),
        ("BarracudaCentral/2.0", "scanner"),
        ("Microsoft Office Existence Discovery", "scanner"),
        ("python-requests/2.31.0", "scanner"),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0", "scanner"),
        ("curl/8.5.0", "scanner"),
        ("", "unknown"),
        ("Lavabit", "unknown"),
    ],
)
def test_agents_are_told_apart_by_what_they_call_themselves(agent, kind):
    assert loader.classify_agent(agent) == kind


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reading_of_a_record(payload):
    assert len(loader._parse_hits([payload])) <= 1


def test_only_one_drain_loads_a_folder(tmp_path):
    with (
        drain.single_instance(tmp_path),
        pytest.raises(drain.AlreadyDraining, match="Another drain"),
        drain.single_instance(tmp_path),
    ):
        pass


def test_drain_once_says_how_many(issue, settings, tmp_path, capsys):
    settings.TRACKING_SPOOL = tmp_path
    write(tmp_path, *itertools.repeat(hit(issue), 4))

    call_command("drain", "--once")

    assert capsys.readouterr().out == "4 hits loaded\n"
