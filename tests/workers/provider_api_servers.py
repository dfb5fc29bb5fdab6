"""Local servers that imitate providers' APIs. They fill in templates, keep what they accept, and can fail on request."""

from __future__ import annotations

import email.message
import email.policy
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Copy:
    """The message that one reader of a call would receive."""

    to: str
    name: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    metadata: dict[str, str]
    tags: tuple[str, ...] = ()


@dataclass
class Api:
    """`answer` may return, for each call, (status, body), "reset" (before it accepts anything) or "cut" (after it accepted all)."""

    fill: Callable[[Api, Call], tuple[int, Any]]
    look: Callable[[Api, Call], tuple[int, Any]] | None = None
    answer: Callable[[Call], Any] = lambda _call: None
    calls: list[Call] = field(default_factory=list)
    looks: list[Call] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    port: int = 0
    before: Callable[[Call], None] = lambda _call: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [copy.to for copy in self.copies]


@dataclass(frozen=True)
class Call:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> dict[str, list[str]]:
        """Parse a multipart/form-data body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        form = BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        found: dict[str, list[str]] = {}
        for part in form.iter_parts():
            name = part.get_param("name", header="content-disposition")
            found.setdefault(str(name), []).append(part.get_payload(decode=True).decode())
        return found


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.reply(api.calls, api.fill)

        def do_GET(self):
            self.reply(api.looks, api.look)

        def reply(self, seen, take):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(parts.path, parse_qs(parts.query), headers, body)
            with api.lock:
                api.connections.add(self.client_address)
                seen.append(call)
            api.before(call)
            with api.lock:
                planned = api.answer(call) if seen is api.calls else None
                status, answer = planned if isinstance(planned, tuple) else (200, None)
                if planned is None or planned == "cut":
                    status, answer = take(api, call)
            if planned in ("reset", "cut"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if raw else "text/html")
            self.send_header("X-Message-Id", f"call-{len(api.calls)}")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def cutting(port: int, cuts: Callable[[], bool], *, dies: bool = False) -> Iterator[int]:
    """A proxy in front of a server. Where `cuts` says so, it drops the answer after the server has given it.

    With `dies` it accepts no connection from then on.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and data.startswith(b"HTTP/1.1 ") and cuts():
                    if dies:
                        _shut(listener)
                    break
                sink.sendall(data)
        _shut(source)
        _shut(sink)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                for ends in ((client, server, False), (server, client, True)):
                    threading.Thread(target=relay, args=ends, daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        _shut(listener)
        thread.join()
        listener.close()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def filled(text: str, pattern: str, values: dict[str, str]) -> str:
    """Fill in placeholders as a careless provider would: the values are searched for placeholders, too."""
    for _round in range(3):
        text = re.sub(pattern, lambda found: str(values.get(found[1], "")), text)
    return text


# --- Mailgun ---------------------------------------------------------------------------------------------------------


def mailgun_takes(api: Api, call: Call) -> tuple[int, Any]:
    fields = call.fields
    variables = json.loads(fields.get("recipient-variables", ["{}"])[0])
    for to in fields["to"]:
        name, address = parseaddr(to)
        own = variables.get(address, {})

        def fill(text: str, own: dict[str, str] = own) -> str:
            text = re.sub("%(unsubscribe_url|recipient_email)%", "from the provider", text)
            return filled(text, r"%recipient\.([^%]+)%", own)

        copy = Copy(
            to=address,
            name=fill(name),
            subject=fill(fields["subject"][0]),
            text=fill(fields["text"][0]),
            html=fill(fields["html"][0]),
            headers={key[2:]: fill(value[0]) for key, value in fields.items() if key.startswith("h:")},
            metadata={key[2:]: fill(value[0]) for key, value in fields.items() if key.startswith("v:")},
            tags=tuple(fields.get("o:tag", ())),
        )
        api.copies.append(copy)
        api.events.append(
            {
                "event": "accepted",
                "id": f"event-{len(api.events)}",
                "timestamp": time.time(),
                "recipient": address,
                "tags": list(copy.tags),
                "user-variables": copy.metadata,
                "message": {"headers": {"message-id": f"call-{len(api.calls)}@mg.example"}},
            }
        )
    return 200, {"id": f"<call-{len(api.calls)}@mg.example>", "message": "Queued. Thank you."}


def mailgun_tells(api: Api, call: Call) -> tuple[int, Any]:
    """GET /<domain>/events: filtered by tag and begin, in pages that always link to a next page."""
    if not call.path.endswith("/mg.example/events") or "authorization" not in call.headers:
        return 404, {}
    tag, begin = call.query.get("tags", [""])[0], float(call.query.get("begin", ["0"])[0])
    limit, start = int(call.query.get("limit", ["100"])[0]), int(call.query.get("page", ["0"])[0])
    found = [event for event in api.events if tag in event["tags"] and event["timestamp"] >= begin]
    query = f"tags={tag}&begin={begin}&limit={limit}&page={start + limit}"
    return 200, {
        "items": found[start : start + limit],
        "paging": {"next": f"{api.url}{call.path}?{query}"},
    }


@contextmanager
def mailgun() -> Iterator[Api]:
    with serving(Api(mailgun_takes, mailgun_tells)) as api:
        yield api


def mailgun_url(api: Api, options: str = "") -> str:
    return f"mailgun://key@mg.example?api_url={api.url}/v3&timeout=2{options}"


# --- Mailjet ---------------------------------------------------------------------------------------------------------


def mailjet_takes(api: Api, call: Call) -> tuple[int, Any]:
    """Each message gets its own status. One bad address makes the HTTP status 400, although the others are accepted."""
    answers = [_mailjet_takes_one(api, call.json["Globals"], message) for message in call.json["Messages"]]
    return (400 if any(answer["Status"] == "error" for answer in answers) else 200), {"Messages": answers}


def _mailjet_takes_one(api: Api, same: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    to, own = message["To"][0], message.get("Variables", {})
    if to["Email"].startswith("bad"):
        error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorMessage": f'"{to["Email"]}" is an invalid address.'}
        return {"Status": "error", "Errors": [error]}

    def fill(text: str) -> str:
        return filled(re.sub(r"\{\{.*?\}\}", "from the provider", text), r"\[\[var:(.+?)\]\]", own)

    headers = message.get("Headers", same.get("Headers", {}))
    metadata = {key: message[key] for key in ("EventPayload", "CustomID") if key in message}
    bodies = fill(same["TextPart"]), fill(same["HTMLPart"])
    api.copies.append(Copy(to["Email"], to.get("Name", ""), same["Subject"], *bodies, headers, metadata))
    return {"Status": "success", "To": [{"Email": to["Email"], "MessageID": 900 + len(api.copies)}]}


def mailjet_tells(api: Api, call: Call) -> tuple[int, Any]:
    found = [copy for copy in api.copies if copy.metadata["CustomID"] == call.query["CustomID"][0]]
    return (200, {"Count": len(found), "Data": []}) if call.path == "/v3/REST/message" else (404, {})


@contextmanager
def mailjet() -> Iterator[Api]:
    with serving(Api(mailjet_takes, mailjet_tells)) as api:
        yield api


def mailjet_url(api: Api, options: str = "") -> str:
    return f"mailjet://key:secret@?api_url={api.url}/v3.1&timeout=2{options}"


# --- SendGrid --------------------------------------------------------------------------------------------------------


def sendgrid_takes(api: Api, call: Call) -> tuple[int, Any]:
    """One bad address makes the server refuse the whole call."""
    said = call.json
    bad = [n for n, one in enumerate(said["personalizations"]) if one["to"][0]["email"].startswith("bad")]
    if bad:
        field = f"personalizations.{bad[0]}.to.0.email"
        return 400, {"errors": [{"message": "Does not contain a valid address.", "field": field, "help": None}]}
    texts = {part["type"]: part["value"] for part in said["content"]}
    for one in said["personalizations"]:
        own = one.get("substitutions", {})

        def fill(text: str, own: dict[str, str] = own) -> str:
            text = re.sub(r"<%.*?%>|\[unsubscribe\]", "from the provider", text)
            for _round in range(2):
                for key, value in own.items():
                    text = text.replace(key, value)
            return text

        headers = {**said.get("headers", {}), **one.get("headers", {})}
        bodies = fill(texts["text/plain"]), fill(texts["text/html"])
        to = one["to"][0]
        api.copies.append(Copy(to["email"], to.get("name", ""), said["subject"], *bodies, headers, one["custom_args"]))
    return 202, b""


@contextmanager
def sendgrid() -> Iterator[Api]:
    with serving(Api(sendgrid_takes)) as api:
        yield api


def sendgrid_url(api: Api, options: str = "") -> str:
    return f"sendgrid://key@?api_url={api.url}/v3&timeout=2{options}"


# --- one call per reader ---------------------------------------------------------------------------------------------


def postmark_takes(api: Api, call: Call) -> tuple[int, Any]:
    said = call.json
    headers = {header["Name"]: header["Value"] for header in said["Headers"]}
    name, address = parseaddr(said["To"])
    api.copies.append(
        Copy(address, name, said["Subject"], said["TextBody"], said["HtmlBody"], headers, said["Metadata"])
    )
    return 200, {"ErrorCode": 0, "Message": "OK", "MessageID": f"pm-{len(api.copies)}", "To": said["To"]}


def postmark_tells(api: Api, call: Call) -> tuple[int, Any]:
    wanted = call.query["metadata_warta"][0]
    found = [copy for copy in api.copies if copy.metadata["warta"] == wanted]
    return 200, {"TotalCount": len(found), "Messages": []}


def resend_takes(api: Api, call: Call) -> tuple[int, Any]:
    """A repeated call with the same idempotency key returns the answer of the first."""
    key = call.headers["idempotency-key"]
    first = next((event for event in api.events if event["key"] == key), None)
    if first is None:
        said = call.json
        name, address = parseaddr(said["to"][0])
        api.copies.append(Copy(address, name, said["subject"], said["text"], said["html"], said["headers"], {}))
        first = {"key": key, "body": call.body, "id": f"re-{len(api.copies)}"}
        api.events.append(first)
    if first["body"] != call.body:
        return 409, {"statusCode": 409, "name": "invalid_idempotent_request", "message": "Same key, other payload"}
    return 200, {"id": first["id"]}


def brevo_takes(api: Api, call: Call) -> tuple[int, Any]:
    said = call.json
    to = said["to"][0]
    bodies = said["textContent"], said["htmlContent"]
    api.copies.append(Copy(to["email"], to.get("name", ""), said["subject"], *bodies, said["headers"], {}))
    return 201, {"messageId": f"<br-{len(api.copies)}@smtp-relay.example>"}


def mandrill_takes(api: Api, call: Call) -> tuple[int, Any]:
    said = call.json["message"]
    answers = []
    for to in said["to"]:
        state = "rejected" if to["email"].startswith("bad") else "queued"
        answers.append({"email": to["email"], "status": state, "_id": f"md-{len(api.copies)}"})
        if state == "queued":
            bodies = said["text"], said["html"]
            api.copies.append(Copy(to["email"], "", said["subject"], *bodies, said["headers"], said["metadata"]))
    return 200, answers


def mailersend_takes(api: Api, call: Call) -> tuple[int, Any]:
    """No metadata: the event token is the only tag. The message id is in a response header."""
    said = call.json
    to, headers = said["to"][0], {header["name"]: header["value"] for header in said["headers"]}
    bodies = said["text"], said["html"]
    api.copies.append(Copy(to["email"], to.get("name", ""), said["subject"], *bodies, headers, {}, tuple(said["tags"])))
    return 202, b""


ONE_BY_ONE = {
    "mailersend": (mailersend_takes, None),
    "postmark": (postmark_takes, postmark_tells),
    "resend": (resend_takes, None),
    "brevo": (brevo_takes, None),
    "mandrill": (mandrill_takes, None),
}


@contextmanager
def one_by_one(kind: str) -> Iterator[Api]:
    with serving(Api(*ONE_BY_ONE[kind])) as api:
        yield api


def one_by_one_url(kind: str, api: Api, options: str = "") -> str:
    return f"{kind}://key@?api_url={api.url}/&timeout=2{options}"
