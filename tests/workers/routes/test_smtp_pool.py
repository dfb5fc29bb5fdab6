"""Several connections side by side, and three commands in one go: each reply goes to the letter it is about."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.utils import timezone

from subscribers.models import Subscription, SubscriptionStatus
from tests.factories import make_newsletter, make_reader
from tests.workers.routes.test_routes import certificate, make_letter
from tests.workers.sending_helpers import make_sending_issue, smtp_server
from workers import ledger, routes, spool
from workers.models import Delivery, Lane, Outcome
from workers.routes import base, smtp_session
from workers.sending import lifecycle

__all__ = ["certificate"]


@dataclass
class Script:
    """A server with PIPELINING that answers as it is told: `answers` are taken one for each time a verb comes."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    sessions: int = 0
    most_sessions: int = 99
    port: int = 0
    before: Callable[[str], object] = lambda _verb: None

    def answer(self, verb: str, otherwise: str) -> str:
        given = self.answers.get(verb)
        return (given.pop(0) if given else "") or otherwise


GREETING = {"EHLO": "250-script\r\n250-8BITMIME\r\n250 PIPELINING", "DATA": "354 go on"}


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self):
        script = self.server.script
        script.sessions += 1
        if script.sessions > script.most_sessions:
            self.say("421 4.7.0 too many connections")
            return
        self.say("220 script ready")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            script.before(verb)
            reply = script.answer(verb, GREETING.get(verb, "250 ok"))
            if verb == "RCPT":
                recipient = line[9:-1] if reply.startswith("250") else ""
            self.say(reply)
            if reply.startswith("354"):
                self.read_body(recipient)
            if reply.startswith("421"):
                return

    def read_body(self, recipient):
        lines = list(iter(self.rfile.readline, b".\r\n"))
        if lines:
            self.server.script.bodies.append((recipient, b"".join(lines)))
        self.say(self.server.script.answer("BODY", "250 2.0.0 ok"))

    def say(self, words):
        self.wfile.write(f"{words}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True
    script: Script


@contextmanager
def scripted(**fields):
    with Server(("127.0.0.1", 0), Handler) as server:
        server.script = Script(port=server.server_address[1], **fields)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.script
        server.shutdown()


@contextmanager
def a_route(port: int, options: str = ""):
    route = routes.from_url("smtp-1", f"smtp://127.0.0.1:{port}{options}")
    route.open()
    try:
        yield route
    finally:
        route.close()


def all_of(route: routes.MailRoute, recipients: list[str], *, most: int = 3) -> list[routes.SendResult]:
    """Send to all, never more than `most` at once, as the engine does."""
    begun = []
    for recipient in recipients:
        begun.append(route.begin(make_letter(recipient)))
        flying = [future for future in begun if not future.done()]
        while len(flying) >= most:
            flying = [future for future in flying if future not in route.finished(flying, wait=True)]
    while flying := [future for future in begun if not future.done()]:
        route.finished(flying, wait=True)
    return [future.result() for future in begun]


def people(count: int) -> list[str]:
    return [f"n{number}@pembaca.example" for number in range(count)]


# --- three commands in one go (RFC 2920) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "outcome", "code"),
    [
        ({}, "accepted", "250 2.0.0"),
        ({"RCPT": ["550 5.1.1 no such user"], "DATA": ["554 no valid recipients"]}, "refused", "550 5.1.1"),
        ({"RCPT": ["550 5.1.1 no such user"]}, "refused", "550 5.1.1"),
        ({"RCPT": ["450 4.2.2 full"], "DATA": ["503 need RCPT"]}, "deferred", "450 4.2.2"),
        ({"MAIL": ["451 4.3.0 later"], "RCPT": ["503 need MAIL"], "DATA": ["503 need RCPT"]}, "deferred", "451 4.3.0"),
        ({"MAIL": ["451 4.3.0 later"]}, "deferred", "451 4.3.0"),
        ({"DATA": ["452 4.3.1 no space"]}, "deferred", "452 4.3.1"),
        ({"BODY": ["554 5.7.1 spam"]}, "refused", "554 5.7.1"),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_every_order_of_replies_leaves_the_next_letter_its_own(answers, outcome, code, several):
    script = scripted(answers={verb: list(given) for verb, given in answers.items()})
    with script as script, a_route(script.port, "?connections=1") as route:
        first, second = make_letter("budi@pembaca.example"), make_letter("siti@pembaca.example")
        if several:
            budi, siti = all_of(route, [first.recipient, second.recipient], most=1)
        else:
            budi, siti = route.send(first), route.send(second)

    assert (budi.outcome, budi.code, siti.outcome) == (outcome, code, "accepted")
    came = [recipient for recipient, _body in script.bodies]
    assert came == [*(["budi@pembaca.example"] if not answers or "BODY" in answers else []), "siti@pembaca.example"]
    assert script.sessions == 1


def test_a_refused_sender_stops_everything_and_nothing_left():
    with (
        scripted(answers={"MAIL": ["553 5.7.1 not allowed"]}) as script,
        a_route(script.port) as route,
        pytest.raises(routes.AccountRefused),
    ):
        route.send(make_letter())

    assert script.bodies == []


def test_enough_letters_on_one_connection_means_another():
    with scripted(answers={"MAIL": ["", "421 4.7.0 enough"]}) as script, a_route(script.port) as route:
        assert [route.send(make_letter()).outcome for _ in range(2)] == ["accepted"] * 2

    assert (len(script.bodies), script.sessions) == (2, 2)


@pytest.mark.parametrize(
    ("got", "code", "rest"),
    [
        (b"250 ok\r\n", 250, b""),
        (b"250-one\r\n250-two\r\n250 three\r\n354 go\r\n", 250, b"354 go\r\n"),
        (b"250\r\n", 250, b""),
    ],
)
def test_replies_are_read_whole(got, code, rest):
    found = smtp_session.parse_reply(got)

    assert (found[0].code, found[1]) == (code, rest)


@pytest.mark.parametrize("got", [b"", b"25", b"250", b"250 o", b"250-ok\r\n", b"250-ok\r\n250 "])
def test_half_a_reply_is_none(got):
    assert smtp_session.parse_reply(got) is None


@pytest.mark.parametrize("got", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"250-" + b"x" * 70_000])
def test_what_is_no_reply_ends_the_connection(got):
    with pytest.raises(smtp_session.ConnectionClosed):
        smtp_session.parse_reply(got)


def test_a_reply_for_the_reader_counts_though_the_connection_ends_with_it():
    with scripted(answers={"RCPT": ["421 4.7.28 unusual rate"]}) as script, a_route(script.port) as route:
        result = route.send(make_letter())

    assert (result.outcome, result.code, result.is_route_wide) == ("deferred", "421 4.7.28", False)


def test_an_address_cannot_carry_a_command():
    with scripted() as script, a_route(script.port) as route, pytest.raises(ValueError, match="control"):
        route.send(make_letter("siti@pembaca.example>\r\nRCPT TO:<lain@contoh.example"))

    assert script.bodies == []


# --- side by side ----------------------------------------------------------------------------------------------------


def test_letters_go_side_by_side_and_each_answer_is_its_own():
    with smtp_server() as sink, a_route(sink.port, "?connections=3") as route:
        sink.on_rcpt = lambda address: "550 5.1.1 nobody" if address.startswith("n4@") else None
        results = all_of(route, people(9))

    assert [result.outcome for result in results] == ["accepted"] * 4 + ["refused"] + ["accepted"] * 4
    assert sorted(sink.recipients) == sorted(set(people(9)) - {"n4@pembaca.example"})
    assert sink.sessions == 3


def test_stale_connections_are_renewed_without_a_second_mail():
    with smtp_server() as sink, a_route(sink.port, "?connections=3") as route:
        all_of(route, people(3))
        for line in route._pool.lines:
            line.sock.shutdown(2)
        results = all_of(route, people(6)[3:])

    assert {result.outcome for result in results} == {"accepted"}
    assert Counter(sink.recipients) == Counter(people(6))


def test_a_server_that_lets_us_have_fewer_connections_gets_all_letters_over_those():
    with scripted(most_sessions=2) as script, a_route(script.port, "?connections=4") as route:
        results = all_of(route, people(10), most=4)

    assert {result.outcome for result in results} == {"accepted"}
    assert Counter(recipient for recipient, _body in script.bodies) == Counter(people(10))


def test_a_server_that_lets_two_in_and_dies_leaves_nobody_waiting_for_a_connection(monkeypatch):
    answers = {"MAIL": ["421 4.3.2 shutting down"] * 2}
    with scripted(answers=answers, most_sessions=2) as script, a_route(script.port, "?connections=4") as route:
        listen = route._pool._poll

        def listen_to_somebody(wait_s):
            assert wait_s is not None or any(line.task for line in route._pool.lines), "It would wait for ever"
            listen(wait_s)

        monkeypatch.setattr(route._pool, "_poll", listen_to_somebody)
        begun = [route.begin(make_letter(recipient)) for recipient in people(4)]
        while flying := [future for future in begun if not future.done()]:
            route.finished(flying, wait=True)

    assert [future.result().outcome for future in begun if not future.exception()] == ["deferred"] * 2
    assert [type(future.exception()) for future in begun[2:]] == [base.RouteUnavailable] * 2
    assert script.bodies == []


def test_a_connection_cut_after_the_body_is_one_uncertain_letter():
    with smtp_server() as sink, a_route(sink.port, "?connections=2") as route:
        sink.on_data = lambda _data: "cut" if len(sink.received) == 2 else None
        outcomes = [result.outcome for result in all_of(route, people(3), most=1)]

    assert outcomes == ["accepted", "accepted", "uncertain"]


def test_nothing_is_written_after_the_deadline_on_any_connection():
    with smtp_server() as sink, a_route(sink.port, "?connections=2") as route:
        future = route.begin(make_letter(), deadline=base.boottime() - 1)

        with pytest.raises(routes.DeadlineExceeded):
            future.result(0)
    assert sink.received == []


def test_a_server_that_falls_silent_is_not_waited_for():
    with scripted(answers={"BODY": ["250-still at it"]}) as script, a_route(script.port, "?timeout=0.2") as route:
        [result] = all_of(route, people(1))

    assert (result.outcome, result.detail) == ("uncertain", "no answer in time")


def test_large_letters_pass_over_tls_side_by_side(certificate):
    context, file = certificate
    data = b"Subject: Kabar\r\n\r\n" + (b"isi " * 200 + b"\r\n") * 300
    options = f"?connections=2&tls=required&ca={file}"
    with smtp_server(tls_context=context, data_size_limit=None) as sink, a_route(sink.port, options) as route:
        flying = [route.begin(make_letter(name, data=data)) for name in people(2)]
        assert all(isinstance(line.sock, ssl.SSLSocket) for line in route._pool.lines)
        while waited_for := [future for future in flying if not future.done()]:
            route.finished(waited_for, wait=True)

    assert [future.result().outcome for future in flying] == ["accepted"] * 2
    assert {body for _sender, _to, body in sink.received} == {data}


@pytest.mark.parametrize(
    ("url", "connections"),
    [
        ("smtp://127.0.0.1:25", 1),
        ("smtp://localhost", 1),
        ("smtp://mail.example", 4),
        ("smtp://mail.example?connections=10", 10),
    ],
)
def test_another_host_gets_more_connections_than_this_one(url, connections):
    assert routes.from_url("smtp-1", url).capabilities.window == connections


@pytest.mark.parametrize("wanted", ["0", "11", "2.5", "many"])
def test_a_wrong_number_of_connections_is_named(wanted):
    with pytest.raises(Exception, match="MAIL_URL: connections"):
        routes.from_url("smtp-1", f"smtp://mail.example?connections={wanted}")


# --- with the engine -------------------------------------------------------------------------------------------------


def test_an_issue_over_three_connections_reaches_everybody_once(db, settings):
    with smtp_server() as sink:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{sink.port}?connections=3"]
        sink.on_rcpt = lambda address: "550 5.1.1 nobody" if address.startswith("p3") else None
        issue, readers = make_sending_issue(readers=12)
        lifecycle.send(issue.pk)
        routes.first().close()

    told = ledger.count_deliveries(issue)
    assert (told.audience, told.accepted + told.refused, told.is_consistent) == (12, 12, True)
    assert Counter(sink.recipients) == Counter(
        reader.subscriber.email for reader in readers if not reader.subscriber.email.startswith("p3")
    )


def test_two_mail_services_that_ask_for_less_at_once_are_both_slowed(db, settings):
    both = threading.Barrier(2, timeout=10)
    answers = {"RCPT": ["451 4.7.1 too many messages"] * 2}
    with scripted(answers=answers, before=lambda verb: verb == "RCPT" and both.wait()) as script:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{script.port}?connections=2"]
        newsletter = make_newsletter()
        for email in ("siti@gmail.com", "budi@yahoo.com"):
            make_reader(newsletter, email=email)
        issue, _readers = make_sending_issue(newsletter=newsletter, readers=0)
        lifecycle.send(issue.pk)
        routes.first().close()

    assert sorted(Lane.objects.values_list("name", flat=True)) == ["gmail", "yahoo"]
    assert ledger.count_deliveries(issue).deferred == 2


@pytest.mark.parametrize("why", ["left", "paused"])
def test_a_letter_that_waited_for_a_connection_is_asked_about_before_it_leaves(db, settings, monkeypatch, why):
    may_answer = threading.Event()
    with scripted(before=lambda verb: verb == "RCPT" and may_answer.wait(10)) as script:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{script.port}?connections=2"]
        issue, readers = make_sending_issue(readers=3)
        route = routes.first()
        route.open()

        def no_other():
            if why == "left":
                Subscription.objects.filter(pk=readers[1].pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
            else:
                ledger.pause(issue, reason="", editor=None, now=timezone.now())
            may_answer.set()
            raise base.RouteUnavailable("421 too many connections")

        monkeypatch.setattr(route._pool, "open_connection", no_other)
        lifecycle.send(issue.pk)
        route.close()

    came, emails = [recipient for recipient, _body in script.bodies], [reader.subscriber.email for reader in readers]
    told = ledger.count_deliveries(issue)
    assert came == ([emails[0], emails[2]] if why == "left" else emails[:1])
    assert (told.accepted, told.skipped, told.waiting) == ((2, 1, 0) if why == "left" else (1, 0, 2))


def test_after_a_crash_as_many_are_uncertain_as_were_under_way(db, settings, monkeypatch):
    """The first unanswered of the claim, as many as there are connections; all others wait."""
    with smtp_server() as sink:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{sink.port}?connections=3"]
        issue, readers = make_sending_issue(readers=9)
        written = spool.SendSpool.append

        def die_after_two(self, answer):
            if len(sink.received) > 4:
                raise KeyboardInterrupt
            written(self, answer)

        monkeypatch.setattr(spool.SendSpool, "append", die_after_two)
        with pytest.raises(KeyboardInterrupt):
            lifecycle.send(issue.pk)
        routes.first().close()
        uncertain = lifecycle.settle_orphaned(now=timezone.now())

    assert 1 <= uncertain <= 3
    kept = {row.subscription for row in Delivery.objects.filter(outcome__in=[Outcome.ACCEPTED, Outcome.UNCERTAIN])}
    came = {reader.pk for reader in readers if reader.subscriber.email in sink.recipients}
    assert came <= kept
    assert not list(Path(settings.SEND_SPOOL).glob("*.send"))
