"""The ways out: every reply accounted for, and nothing claimed that is not certain."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
import urllib.parse
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, send_mail

from tests.workers.sending_helpers import parse, smtp_server
from workers import routes
from workers.routes import base, mailbox, smtp_session
from workers.routes.checks import check_mail_url

DATA = b"Subject: Kabar\r\nMessage-ID: <a1@kabarlintas.example>\r\n\r\nHalo\r\n.titik\r\n..dua\r\n"


def make_letter(recipient: str = "siti@pembaca.example", **fields) -> routes.OutgoingMessage:
    given = {"sender": "redaksi@kabarlintas.example", "message_id": "<a1@kabarlintas.example>", "data": DATA}
    return routes.OutgoingMessage(recipient=recipient, **{**given, **fields})


# --- SMTP ------------------------------------------------------------------------------------------------------------


@contextmanager
def smtp_route(sink=None, *, user: str = "", options: str = "", **server):
    with smtp_server(**server) as sink:
        route = routes.from_url("smtp-1", f"smtp://{user}127.0.0.1:{sink.port}{options}")
        try:
            yield route, sink
        finally:
            route.close()


def test_a_letter_arrives_byte_for_byte_over_one_kept_connection():
    with smtp_route() as (route, sink):
        results = [route.send(make_letter()) for _ in range(3)]

    assert [result.outcome for result in results] == ["accepted"] * 3
    assert results[0].provider_id == "4XyZ"
    assert {data for _sender, _rcpts, data in sink.received} == {DATA}
    assert sink.sessions == 1


def test_eight_bit_letters_are_announced():
    with smtp_route() as (route, sink):
        route.open()
        assert route.eight_bit()
        route.send(make_letter(data=DATA + "é".encode()))

    assert sink.received[0][2].endswith("é\r\n".encode())


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        ("550 5.1.1 <budi@pembaca.example>: no such user", "refused", "550 5.1.1"),
        ("450 4.2.2 mailbox full", "deferred", "450 4.2.2"),
        ("451 try later", "deferred", "451"),
    ],
)
def test_a_refused_recipient_is_his_own_and_the_next_gets_the_mail(answer, outcome, code):
    with smtp_route() as (route, sink):
        sink.on_rcpt = lambda address: answer if address.startswith("budi") else None
        budi, siti = route.send(make_letter("budi@pembaca.example")), route.send(make_letter())

    assert (budi.outcome, budi.code, siti.outcome) == (outcome, code, "accepted")
    assert "@" not in budi.detail
    assert sink.recipients == ["siti@pembaca.example"]
    assert sink.sessions == 1


@pytest.mark.parametrize(
    ("answer", "outcome"), [("554 5.7.1 spam", "refused"), ("452 4.3.1 no space", "deferred"), ("250 ok", "accepted")]
)
def test_the_answer_to_the_body_counts(answer, outcome):
    with smtp_route() as (route, sink):
        sink.on_data = lambda _data: answer
        assert route.send(make_letter()).outcome == outcome
        sink.on_data = lambda _data: None
        assert route.send(make_letter()).outcome == "accepted"


def test_a_server_that_wants_less_says_so():
    with smtp_route() as (route, sink):
        sink.on_rcpt = lambda _address: "450 4.7.28 rate limited"
        assert route.send(make_letter()) == routes.SendResult(
            "deferred", "450 4.7.28", "4.7.28 rate limited", asks_to_slow_down=True
        )


def test_a_connection_cut_after_the_body_is_uncertain_and_the_next_letter_gets_a_new_one():
    with smtp_route() as (route, sink):
        sink.on_data = lambda _data: "cut"
        first = route.send(make_letter())
        sink.on_data = lambda _data: None
        second = route.send(make_letter())

    assert (first.outcome, first.is_outage, second.outcome) == ("uncertain", True, "accepted")


def test_a_kept_connection_that_went_stale_is_renewed_without_a_second_mail():
    with smtp_route() as (route, sink):
        route.send(make_letter())
        route._pool.lines[0].sock.shutdown(2)
        assert route.send(make_letter()).outcome == "accepted"

    assert (len(sink.received), sink.sessions) == (2, 2)


def test_a_server_that_takes_few_messages_a_connection_gets_a_new_one():
    with smtp_route() as (route, sink):
        sink.on_mail = lambda _address: "421 4.7.0 enough" if len(sink.received) == sink.sessions else None
        assert [route.send(make_letter()).outcome for _ in range(3)] == ["accepted"] * 3

    assert sink.sessions == 3


def test_a_server_that_is_closing_for_everybody_defers():
    with smtp_route() as (route, sink):
        sink.on_mail = lambda _address: "421 4.3.2 shutting down"
        result = route.send(make_letter())

    assert (result.outcome, result.asks_to_slow_down) == ("deferred", True)


def test_nobody_there_means_not_sent():
    with smtp_server() as sink:
        port = sink.port
    route = routes.from_url("smtp-1", f"smtp://127.0.0.1:{port}")

    with pytest.raises(routes.RouteUnavailable) as told:
        route.send(make_letter())
    assert "does not answer" in str(told.value)


def test_a_server_that_never_answers_times_out_as_not_sent():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        route = routes.from_url("smtp-1", f"smtp://127.0.0.1:{silent.getsockname()[1]}?timeout=0.2")
        with pytest.raises(routes.RouteUnavailable):
            route.send(make_letter())


def test_a_refused_sender_is_no_fault_of_the_reader():
    with smtp_route() as (route, sink):
        sink.on_mail = lambda _address: "553 5.7.1 sender not allowed"
        with pytest.raises(routes.AccountRefused) as told:
            route.send(make_letter())

    assert "553 5.7.1" in str(told.value)


def test_nothing_is_written_after_the_deadline():
    with smtp_route() as (route, sink):
        with pytest.raises(routes.DeadlineExceeded):
            route.send(make_letter(), deadline=base.boottime() - 1)
        assert sink.received == []
        assert route.send(make_letter()).outcome == "accepted"


def test_the_deadline_counts_up_to_the_body():
    with smtp_route() as (route, sink):
        moment = {}
        sink.on_rcpt = lambda _address: moment.setdefault("wait", threading.Event().wait(0.3)) and None
        with pytest.raises(routes.DeadlineExceeded):
            route.send(make_letter(), deadline=base.boottime() + 0.2)

    assert sink.received == []


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b".a", b"..a\r\n.\r\n"),
        (b"a\r\n\r\n..b\r\n", b"a\r\n\r\n...b\r\n.\r\n"),
    ],
)
def test_leading_dots_are_doubled(data, wire):
    assert smtp_session.dot_stuff(data) == wire


# --- TLS and login ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, signed by itself; (context of the server, file to trust)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context, file


def test_tls_is_used_where_it_is_offered(certificate):
    context, _file = certificate
    with smtp_route(tls_context=context) as (route, sink):
        assert route.send(make_letter()).outcome == "accepted"
        assert isinstance(route._pool.lines[0].sock, ssl.SSLSocket)


def test_required_tls_wants_a_certificate_that_is_trusted(certificate):
    context, file = certificate
    with smtp_route(tls_context=context, options="?tls=required") as (route, sink):
        with pytest.raises(routes.AccountRefused) as told:
            route.send(make_letter())
        assert "certificate" in str(told.value)
    with smtp_route(tls_context=context, options=f"?tls=required&ca={file}") as (route, sink):
        assert route.send(make_letter()).outcome == "accepted"


def test_required_tls_that_is_not_offered_sends_nothing():
    with smtp_route(options="?tls=required") as (route, sink), pytest.raises(routes.AccountRefused):
        route.send(make_letter())


def test_a_wrong_password_is_refused_and_a_right_one_logs_in(certificate):
    def check(server, session, envelope, mechanism, login):
        return AuthResult(success=login.password == b"rahasia", handled=False)

    settings = {"authenticator": check, "auth_required": True, "tls_context": certificate[0]}
    with smtp_route(user="warta:rahasia@", **settings) as (route, sink):
        assert route.send(make_letter()).outcome == "accepted"
    with smtp_route(user="warta:salah@", **settings) as (route, sink):
        with pytest.raises(routes.AccountRefused) as told:
            route.send(make_letter())
        assert "535" in str(told.value)
        assert "salah" not in str(told.value)


# --- MAIL_URL --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://host:x",
        "smtp://host?tls=maybe",
        "smtp://host?speed=9",
        "smtp://user:geheim@mail.example?tls=off",
        "smtp://host?rate=fast",
        "mailbox:?x=1",
        "postmark://",
        "mailgun://geheim@",
        "mailgun://geheim@mg.example?threads=2",
        "postmark://geheim@?region=eu",
    ],
)
def test_a_wrong_mail_url_is_named_without_its_secret(url):
    with pytest.raises(ImproperlyConfigured) as told:
        routes.from_url("x-1", url)

    assert str(told.value).startswith("MAIL_URL: ")
    assert "geheim" not in str(told.value)


def test_no_start_with_a_route_that_cannot_be_made(settings):
    settings.MAIL_ROUTES = ["mailbox:", "mailgun://key@", "smtp://mail.example"]

    [error] = check_mail_url(None)

    assert (error.id, error.msg) == ("workers.E004", "MAIL_URL: mailgun names no domain.")
    assert error.hint == "Write mailgun://KEY@your.domain."


def test_routes_come_in_the_order_of_mail_url(settings):
    settings.MAIL_ROUTES = ["smtp://mail.example", "mailbox:"]

    assert [route.name for route in routes.configured()] == ["smtp-1", "mailbox-2"]
    assert routes.first().kind == "smtp"
    assert routes.by_name("mailbox-2") is routes.configured()[1]


# --- mailbox ---------------------------------------------------------------------------------------------------------


def test_caught_mail_is_one_whole_file_named_after_its_message_id(settings):
    route = routes.from_url("mailbox-1", "mailbox:")
    route.open()

    route.send(make_letter())
    route.send(make_letter())

    assert [file.name for file in settings.MAILBOX_DIR.iterdir()] == ["a1@kabarlintas.example.eml"]
    assert (settings.MAILBOX_DIR / "a1@kabarlintas.example.eml").read_bytes() == DATA


@pytest.mark.parametrize("message_id", ["<../../etc/passwd@x>", "<.hidden@x>", "<a/b\0c@x>", "<>"])
def test_no_message_id_leaves_the_folder(settings, message_id):
    name = mailbox.file_name(message_id)

    assert "/" not in name
    assert not name.startswith("..")
    assert (settings.MAILBOX_DIR / name).resolve().parent == settings.MAILBOX_DIR.resolve()


def test_caught_mail_is_listed_newest_first_and_read():
    route = routes.from_url("mailbox-1", "mailbox:")
    route.open()
    for number, name in enumerate(("Siti", "Budi"), start=1):
        message = EmailMultiAlternatives(
            f"Kabar {name}", "Halo", "Redaksi <r@k.example>", [f"{name} <{name}@p.example>"]
        )
        message.attach_alternative("<p>Halo é</p>", "text/html")
        message.extra_headers["Message-ID"] = f"<m{number}@k.example>"
        route.send(make_letter(message_id=f"<m{number}@k.example>", data=message.message().as_bytes()))

    listed = mailbox.messages()
    assert {mail.to_address for mail in listed} == {"Siti@p.example", "Budi@p.example"}
    assert [mail.subject for mail in mailbox.messages(to="budi")] == ["Kabar Budi"]
    assert mailbox.count() == 2
    opened = mailbox.open_message("m1@k.example.eml")
    assert (opened.text.strip(), opened.html.strip()) == ("Halo", "<p>Halo é</p>")
    assert ("Subject", "Kabar Siti") in opened.headers


@pytest.mark.parametrize("name", ["../secret_key", "x.eml", "..eml", "a/b.eml", ""])
def test_only_caught_mail_is_read(name):
    with pytest.raises(mailbox.NoSuchMessage):
        mailbox.open_message(name)


# --- single mails ----------------------------------------------------------------------------------------------------


def test_a_single_mail_takes_the_next_route_when_the_first_does_not_answer(settings):
    with smtp_server() as sink:
        closed = sink.port
    settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{closed}", "mailbox:"]

    result = routes.deliver(EmailMultiAlternatives("Kabar", "Halo é", "r@k.example", ["siti@p.example"]))

    assert result.outcome == "accepted"
    [caught] = mailbox.messages()
    assert (caught.to_address, mailbox.open_message(caught.name).text.strip()) == ("siti@p.example", "Halo é")


def test_djangos_own_mails_leave_by_our_routes_one_for_each_recipient(settings):
    settings.EMAIL_BACKEND = "workers.routes.django_backend.EmailBackend"
    settings.MAIL_ROUTES = ["mailbox:"]

    assert send_mail("Sandi baru", "Halo", "r@k.example", ["siti@p.example", "budi@p.example"]) == 1

    assert sorted(mail.to_address for mail in mailbox.messages()) == ["budi@p.example", "siti@p.example"]


def test_a_single_mail_over_smtp_has_long_addresses_unbroken(settings):
    link = "<https://kabar.example/u/" + "a" * 150 + "/>"
    with smtp_server() as sink:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{sink.port}"]
        routes.deliver(
            EmailMultiAlternatives("K", "Halo", "r@k.example", ["s@p.example"], headers={"List-Unsubscribe": link})
        )
        routes.first().close()

    assert parse(sink.received[0][2])["List-Unsubscribe"].strip() == link


# --- a provider's API ------------------------------------------------------------------------------------------------


@contextmanager
def postmark():
    """A server in Postmark's shape. `answers` are taken one a call: (status, body), or "reset"."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        seen: list[dict] = []
        answers: list = []
        connections: set = set()

        def do_POST(self):
            Handler.connections.add(self.client_address)
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            Handler.seen.append(call)
            answer = Handler.answers.pop(0) if Handler.answers else None
            if answer == "reset":
                self.connection.close()
                return
            status, body, *more = answer or (
                200,
                {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": call["To"]},
            )
            raw = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    route = routes.from_url("postmark-1", f"postmark://token@?api_url=http://127.0.0.1:{server.server_port}/&timeout=2")
    try:
        yield route, Handler
    finally:
        route.close()
        server.shutdown()
        thread.join()
        server.server_close()


def make_message(recipient: str = "Siti <siti@pembaca.example>") -> routes.OutgoingMessage:
    message = EmailMultiAlternatives("Kabar", "Halo", "Redaksi <redaksi@kabarlintas.example>", [recipient])
    message.attach_alternative("<p>Halo</p>", "text/html")
    message.metadata = {"warta": "token"}
    message.extra_headers["List-Unsubscribe"] = "<https://kabar.example/u/x/>"
    return make_letter(message=message, data=b"")


def test_a_message_goes_to_the_api_with_headers_and_metadata_over_one_connection():
    with postmark() as (route, api):
        results = [route.send(make_message()) for _ in range(3)]

    assert {(result.outcome, result.provider_id) for result in results} == {("accepted", "pm-1")}
    assert api.seen[0]["Metadata"] == {"warta": "token"}
    assert {"Name": "List-Unsubscribe", "Value": "<https://kabar.example/u/x/>"} in api.seen[0]["Headers"]
    assert len(api.connections) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((429, {"ErrorCode": 429, "Message": "too many"}), "deferred"),
        ((500, {"Message": "Internal"}), "uncertain"),
        ((503, {"Message": "down"}), "uncertain"),
        ("reset", "uncertain"),
        ((422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'siti@pembaca.example'."}), "refused"),
        ((422, {"ErrorCode": 999, "Message": "Something new"}), "deferred"),
        (
            (
                422,
                {
                    "ErrorCode": 406,
                    "Message": "You tried to send to a recipient that has been marked as inactive.\n"
                    "Found inactive addresses: siti@pembaca.example.\n"
                    "Inactive recipients are ones that have generated a hard bounce or a spam complaint.",
                },
            ),
            "refused",
        ),
        ((200, {"nothing": "we know"}), "uncertain"),
    ],
)
def test_s64_each_answer_of_an_api_has_one_meaning(answer, outcome):
    with postmark() as (route, api):
        api.answers[:] = [answer]
        result = route.send(make_message())
        after = route.send(make_message())

    assert (result.outcome, after.outcome) == (outcome, "accepted")
    assert "@" not in result.detail
    assert len(api.seen) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Thu, 01 Jan 1970 00:17:10 GMT"}, 30),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "999999"}, 3600),
        ({"X-RateLimit-Reset": "12"}, 12),
        ({"Retry-After": "-5", "RateLimit-Reset": "7"}, 7),
    ],
)
def test_how_long_an_answer_asks_us_to_wait(monkeypatch, headers, seconds):
    monkeypatch.setattr(base.time, "time", lambda: 1000.0)

    assert base.parse_retry_after(headers) == seconds


def test_a_rate_window_may_be_named_by_its_end(monkeypatch):
    monkeypatch.setattr(base.time, "time", lambda: 1_790_000_000.0)

    assert base.parse_retry_after({"X-RateLimit-Reset": "1790000045"}) == 45


def test_a_429_slows_down_and_a_500_counts_as_trouble():
    with postmark() as (route, api):
        api.answers[:] = [(429, {}, {"Retry-After": "30"}), (500, {})]
        throttled, broken = route.send(make_message()), route.send(make_message())

    assert (throttled.asks_to_slow_down, throttled.is_outage, throttled.retry_after_s) == (True, False, 30)
    assert (broken.asks_to_slow_down, broken.is_outage) == (False, True)


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"ErrorCode": 10, "Message": "Bad token"}),
        (422, {"ErrorCode": 405, "Message": "Not allowed to send: out of credits"}),
        (422, {"ErrorCode": 400, "Message": "The 'From' address is no sender signature"}),
    ],
)
def test_what_is_our_own_fault_is_refused_for_everybody(answer):
    with postmark() as (route, api):
        api.answers[:] = [answer]
        with pytest.raises(routes.AccountRefused) as told:
            route.send(make_message())
    assert answer[1]["Message"][:8] in str(told.value)


def test_a_strange_refusal_that_comes_twice_is_no_readers_fault():
    with postmark() as (route, api):
        api.answers[:] = [(422, {"ErrorCode": 999, "Message": "Something new"})] * 2
        assert route.send(make_message()).outcome == "deferred"
        with pytest.raises(routes.AccountRefused):
            route.send(make_message())


def test_an_api_that_cannot_be_reached_has_sent_nothing():
    with postmark() as (route, api):
        pass

    with pytest.raises(routes.RouteUnavailable):
        route.send(make_message())


def test_an_api_whose_certificate_is_not_trusted_has_sent_nothing(certificate):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet_with, args=(listener, certificate[0]))
        thread.start()
        route = routes.from_url("x-1", f"postmark://token@?api_url=https://127.0.0.1:{listener.getsockname()[1]}/")
        with pytest.raises(routes.RouteUnavailable):
            route.send(make_message())
        thread.join()
        route.close()


def _greet_with(listener, context):
    client, _address = listener.accept()
    with suppress(ssl.SSLError), client:
        context.wrap_socket(client, server_side=True).close()


@contextmanager
def any_api():
    """A server that takes everything and is broken: what was posted is in `seen`."""

    class Handler(BaseHTTPRequestHandler):
        seen: list[str] = []

        def do_POST(self):
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            Handler.seen.append(urllib.parse.unquote_plus(raw).replace("\\/", "/"))
            self.send_response(500)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", Handler.seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "url",
    ["mailgun://key@mg.k.example", "mailjet://key:secret@", "resend://key@", "brevo://key@", "mailersend://key@",
     "mandrill://key@", "postmark://key@"],
)  # fmt: skip
def test_every_provider_is_given_the_headers_the_token_and_both_bodies(url):
    with any_api() as (address, seen):
        route = routes.from_url("x-1", f"{url}?api_url={address}")
        result = route.send(make_message())
        route.close()

    assert (result.outcome, result.code) == ("uncertain", "500")
    for part in ("https://kabar.example/u/x/", "Kabar", "<p>Halo</p>", "siti@pembaca.example"):
        assert part in seen[0], part
    assert "token" in seen[0]
