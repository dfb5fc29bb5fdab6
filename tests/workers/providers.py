"""Local servers in the shape of mail providers' APIs: they fill in and keep what they take, and can misbehave."""

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
    """What one reader of a call would find."""

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
    """`answer` may say, per call, (status, body), "reset" (before it took anything) or "cut" (after it took all)."""

    fill: Callable[[Api, Call], tuple[int, Any]]
    look: Callable[[Api, Call], tuple[int, Any]] | None = None
    answer: Callable[[Call], Any] = lambda _call: None
    calls: list[Call] = field(default_factory=list)
    looks: list[Call] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    port: int = 0
    delay_s: float = 0.0
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
        """A form in multipart/form-data."""
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
            if api.delay_s:
                time.sleep(api.delay_s)
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
            self.send_header("Content-Type", "application/json")
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
def cutting(port: int, cuts: Callable[[], bool]) -> Iterator[int]:
    """A proxy in front of a server: where `cuts` says so, the answer is lost after the server has given it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(source: socket.socket, sink: socket.socket, *, is_answer: bool) -> None:
        with source, sink:
            while True:
                try:
                    data = source.recv(65536)
                    if not data or (is_answer and cuts()):
                        break
                    sink.sendall(data)
                except OSError:
                    break
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                relaying = threading.Thread(target=relay, args=(source, sink), kwargs={"is_answer": is_answer})
                relaying.daemon = True
                relaying.start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def filled(text: str, pattern: str, values: dict[str, str]) -> str:
    """As a careless provider would: what was filled in is filled in again."""
    for _round in range(3):
        text = re.sub(pattern, lambda found: str(values.get(found[1], "")), text)
    return text


# --- Mailgun ---------------------------------------------------------------------------------------------------------


def mailgun_takes(api: Api, call: Call) -> tuple[int, Any]:
    fields = call.fields
    variables = json.loads(fields["recipient-variables"][0])
    for to in fields["to"]:
        name, address = parseaddr(to)
        own = {**variables[address], "_": address}

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
    """GET /<domain>/events: filtered by tag and begin, in pages that always name a next one."""
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
