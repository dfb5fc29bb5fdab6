"""Amazon SES: an issue through Amazon's own client to a local server of its API (moto), and the event that comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from newsletter.fetching import http_client
from tests.running_site import free_port
from tests.workers.provider_events import test_sns
from tests.workers.sending_helpers import make_sending_issue, parse
from workers import ledger, routes
from workers.models import Delivery, Event
from workers.provider_events import sns
from workers.routes import amazon_ses
from workers.sending import lifecycle

pytestmark = pytest.mark.django_db
KEYS = "AKIAEXAMPLE:secret"


class Moto:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, *, method: str = "GET", body: object = None) -> dict:
        data = json.dumps(body).encode() if body is not None else None
        sign = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261124/eu-west-1/ses/aws4_request, SignedHeaders=, Signature="
        headers = {"Content-Type": "application/json", "Authorization": sign}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def verify(self, domain: str) -> None:
        self.ask("/v2/email/identities", method="POST", body={"EmailIdentity": domain})

    @property
    def messages(self) -> list[dict]:
        return self.ask("/moto-api/data.json")["ses"]["RawMessage"]


@pytest.fixture(scope="module")
def server():
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    moto, until = Moto(port), time.monotonic() + 30
    while True:
        try:
            moto.ask("/moto-api/data.json")
            break
        except OSError:
            assert process.poll() is None, "moto ended"
            assert time.monotonic() < until, "moto does not answer"
            time.sleep(0.05)
    yield moto
    process.terminate()
    process.wait(10)


@pytest.fixture
def ses(server, settings):
    server.ask("/moto-api/reset", method="POST")
    settings.MAIL_ROUTES = [f"ses://{KEYS}@eu-west-1?endpoint={server.url}"]
    yield server
    routes.first().close()


@pytest.mark.xdist_group("moto")
@pytest.mark.processes
def test_s12_an_issue_arrives_at_ses_with_everything_a_reader_needs(ses):
    issue, people = make_sending_issue(readers=3)
    ses.verify(issue.newsletter.from_email.partition("@")[2])

    lifecycle.send(issue.pk)

    told = ledger.count_deliveries(issue)
    assert (told.accepted, told.uncertain, told.refused) == (3, 0, 0)
    sent = {message["destinations"][0]: parse(message["raw_data"].encode()) for message in ses.messages}
    assert sorted(sent) == sorted(reader.subscriber.email for reader in people)
    for reader in people:
        mail = sent[reader.subscriber.email]
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["List-Unsubscribe"].strip().startswith("<http://127.0.0.1:8000/u/")
        assert mail["List-Id"]
        assert mail["Feedback-ID"]
        assert mail["Subject"] == "Autogate baru"
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        delivery = Delivery.objects.get(issue=issue, subscription=reader.pk)
        assert delivery.provider_id in {message["id"] for message in ses.messages}
    assert len({mail["List-Unsubscribe"] for mail in sent.values()}) == 3


@pytest.mark.xdist_group("moto")
@pytest.mark.processes
def test_t41_the_event_that_comes_back_finds_its_reader(ses, client, settings, monkeypatch):
    settings.SES_TOPICS, settings.WEBHOOK_SECRETS, settings.WEBHOOK_KEYS = [test_sns.TOPIC], {}, {}
    sns.clear_certificate_cache()
    monkeypatch.setattr(http_client, "fetch", test_sns.Net().fetch)
    issue, people = make_sending_issue(readers=2)
    ses.verify(issue.newsletter.from_email.partition("@")[2])
    lifecycle.send(issue.pk)
    (message,) = [one for one in ses.messages if one["destinations"][0] == people[1].subscriber.email]
    headers = [{"name": name, "value": str(value)} for name, value in parse(message["raw_data"].encode()).items()]
    said = json.loads(test_sns.said("bounce_permanent", ""))
    said["mail"] |= {"headers": headers, "messageId": message["id"]}

    answer = test_sns.post(client, test_sns.signed(test_sns.message(json.dumps(said))))

    assert answer.status_code == 200
    event = Event.objects.get(kind="bounced")
    assert (event.issue, event.subscription) == (issue.pk, people[1].pk)
    assert Delivery.objects.get(subscription=people[1].pk).status == "bounced"
    assert Delivery.objects.get(subscription=people[0].pk).status == ""


@pytest.mark.xdist_group("moto")
@pytest.mark.processes
def test_a_sender_that_ses_does_not_know_stops_the_route_and_loses_nobody(ses):
    issue, _people = make_sending_issue(readers=3)

    lifecycle.send(issue.pk)

    told = ledger.count_deliveries(issue)
    assert (told.accepted, told.uncertain, told.audience) == (0, 0, 3)
    assert told.is_consistent
    assert ses.messages == []


@contextmanager
def deaf_server():
    """Takes a whole call and closes the line without an answer."""
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _address = listener.accept()
                except OSError:
                    return
                with line:
                    line.settimeout(2)
                    head = b""
                    while b"\r\n\r\n" not in head and (piece := line.recv(65536)):
                        head += piece
                    calls.append(head)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", calls
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_t64_amazons_client_does_not_repeat_a_call_without_an_answer(settings):
    """By itself it would, twice, and each could be a mail."""
    issue, _people = make_sending_issue(readers=1)
    with deaf_server() as (url, calls):
        settings.MAIL_ROUTES = [f"ses://{KEYS}@eu-west-1?endpoint={url}&timeout=3"]

        lifecycle.send(issue.pk)
        routes.first().close()

    assert len(calls) == 1
    assert ledger.count_deliveries(issue).uncertain == 1


def test_without_amazons_client_the_remedy_is_named(monkeypatch, settings):
    monkeypatch.setattr(amazon_ses, "find_spec", lambda _name: None)

    with pytest.raises(ImproperlyConfigured, match=r"^MAIL_URL: ses needs boto3.*requirements-ses\.txt"):
        routes.from_url("ses-1", f"ses://{KEYS}@eu-west-1")


def test_without_amazons_client_nothing_starts(monkeypatch, settings):
    monkeypatch.setattr("workers.provider_events.checks.find_spec", lambda _name: None)
    settings.MAIL_ROUTES, settings.SES_TOPICS = [f"ses://{KEYS}@eu-west-1"], [test_sns.TOPIC]

    found = [error for error in run_checks() if error.id == "workers.E003"]

    assert "boto3" in found[0].msg
    assert "requirements-ses.txt" in found[0].hint
    assert "secret" not in found[0].msg + found[0].hint
