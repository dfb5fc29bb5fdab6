"""Commands of the operator: what they print, and their exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from newsletter import issues
from newsletter.models import Issue, IssueStatus
from tests.factories import NOW, make_issue, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.management.commands import send_issue
from workers.routes import mailbox
from workers.studio.progress.delays import Delay
from workers.throttling import rate_limit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_network")]


def run(*arguments: object, **options: object) -> str:
    out = io.StringIO()
    call_command(*(str(part) for part in arguments), stdout=out, **options)
    return out.getvalue()


def code_of(*arguments: object) -> tuple[int, str]:
    with pytest.raises(CommandError) as told:
        run(*arguments)
    return told.value.returncode, str(told.value)


def test_send_issue_waits_until_every_reader_has_it():
    newsletter = make_newsletter()
    for _ in range(3):
        make_reader(newsletter)
    issue = issues.approve(make_issue(newsletter), editor=None, now=NOW)

    printed = run("send_issue", issue.pk, "--wait")

    assert "3 of 3: 3 accepted" in printed
    assert mailbox.count() == 3
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENT


def test_send_issue_without_waiting_leaves_it_to_the_workers():
    newsletter = make_newsletter()
    make_reader(newsletter)
    issue = issues.approve(make_issue(newsletter), editor=None, now=NOW)

    run("send_issue", issue.pk)

    issue.refresh_from_db()
    assert issue.status == IssueStatus.SCHEDULED
    assert mailbox.count() == 0


def test_send_issue_brings_a_later_schedule_forward():
    newsletter = make_newsletter()
    make_reader(newsletter)
    issue = issues.approve(make_issue(newsletter), editor=None, now=NOW)
    issues.schedule(issue, at=timezone.now() + timedelta(days=1), editor=None, now=NOW)

    run("send_issue", issue.pk, "--wait")

    assert mailbox.count() == 1


def test_send_issue_shows_the_whole_equation_and_what_is_slow(sink):
    newsletter = make_newsletter()
    for email in ("siti@gmail.com", "budi@gmail.com", "ayu@p.example"):
        make_reader(newsletter, email=email)
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)

    def answer(address: str) -> str | None:
        if address == "siti@gmail.com":
            return "421 4.7.28 unusual rate"
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C with a message in hand
        return None

    sink.on_rcpt = answer
    before = signal.getsignal(signal.SIGINT)

    out = io.StringIO()
    with pytest.raises(CommandError) as told:
        call_command("send_issue", str(issue.pk), "--wait", stdout=out)

    lines = out.getvalue().splitlines()
    assert "1 accepted + 1 deferred + 0 refused + 0 skipped + 0 uncertain + 1 waiting = 3" in lines[0]
    assert any(line.startswith("  Gmail asks us to slow down; 1 reader follows until about") for line in lines)
    assert any(line.startswith("  1 reader: their mail service asks us to slow down. Tried again") for line in lines)
    assert "\033" not in out.getvalue()
    assert told.value.returncode == 1
    assert "keeps going out: the workers send the rest" in str(told.value)
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENDING
    assert signal.getsignal(signal.SIGINT) is before


def test_send_issue_draws_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    issue, _people = make_sending_issue(readers=2)
    out = Terminal()

    call_command("send_issue", str(issue.pk), "--wait", stdout=out)

    assert "100 %" in out.getvalue()
    assert "━" * 30 in out.getvalue()
    assert out.getvalue().count("\r") >= 2
    assert "2 accepted + 0 deferred" in out.getvalue()


def test_send_issue_that_is_held_back_fails_with_the_reason():
    issue = issues.approve(make_issue(), editor=None, now=NOW)

    code, said = code_of("send_issue", issue.pk, "--wait")

    assert (code, "no readers" in said or "pembaca" in said) == (1, True)


@pytest.mark.parametrize("which", ["draft", "unknown"])
def test_send_issue_of_what_cannot_be_sent_is_wrong_use(which):
    pk = make_issue().pk if which == "draft" else 999

    assert code_of("send_issue", pk)[0] == 2


def test_check_issue_prints_all_checks_as_json():
    newsletter = make_newsletter()
    make_reader(newsletter)

    rows = json.loads(run("check_issue", make_issue(newsletter).pk))

    assert {"id", "severity", "ok", "block", "message"} <= set(rows[0])
    assert {"E01", "E16", "E23", "E28", "audience", "sender", "address"} <= {row["id"] for row in rows}


def test_check_issue_of_an_issue_for_nobody_fails():
    assert code_of("check_issue", make_issue().pk)[0] == 1
    assert code_of("check_issue", 999)[0] == 2


def test_send_issue_names_the_command_for_a_machine_that_is_gone():
    delay = Delay("A worker on surabaya stopped in the middle.", needs_attention=True, lost_host="surabaya")

    assert send_issue._describe_delay(delay).endswith("gone for good: manage.py settle --lost surabaya")
    assert send_issue._describe_delay(Delay("Yahoo asks us to slow down.")) == "Yahoo asks us to slow down."


def test_settle_gives_up_a_host_that_is_lost():
    issue, _people = make_sending_issue(readers=2)
    rate_limit.register([("mailbox-1", "mailbox", 0)])
    ledger.claim(issue, worker="surabaya:1:boot:abcd", now=NOW - timedelta(days=1), routes=["mailbox-1"])

    assert "0 readers uncertain" in run("settle")
    assert run("settle", "--lost", "surabaya").strip() == "surabaya: 1 batches settled, 2 readers uncertain."
    assert ledger.count_deliveries(issue).uncertain == 2
