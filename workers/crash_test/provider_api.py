"""A provider's API that takes every call: Mailgun's shape, many readers by one call, and its list of events to look up.

Enough of HTTP/1.1 for a client that keeps its connection, behaves and dies. A copy is known by its address and by the
token that the call carries for that reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qs, urlsplit

from workers.crash_test.counter import Connection, MailCounter

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.MULTILINE | re.IGNORECASE)
BOUNDARY = re.compile(rb"boundary=\"?([^\";\r\n]+)", re.IGNORECASE)
FIELD_NAME = re.compile(rb'name="([^"]*)"')


class ApiConnection(Connection):
    """One connection. `events` is what the provider remembers, by tag, for all connections."""

    def __init__(self, count: MailCounter, events: MutableMapping[str, list[Any]]) -> None:
        super().__init__(count)
        self.events = events

    def process_next(self) -> bool:
        head, found, _rest = self.waiting.partition(HEAD_END)
        if not found:
            return False
        length = int(named[1]) if (named := LENGTH.search(head)) else 0
        if len(self.waiting) < len(head) + len(HEAD_END) + length:
            return False
        body = bytes(self.waiting[len(head) + len(HEAD_END) :][:length])
        del self.waiting[: len(head) + len(HEAD_END) + length]
        verb, target, _version = bytes(head).split(b"\r\n", 1)[0].decode().split(" ")
        if verb == "POST":
            self._take(_parse_form(bytes(head), body))
        else:
            self.transport.write(_build_response(self._tell(target)))
        return True

    def _take(self, fields: Mapping[str, list[str]]) -> None:
        own = json.loads(fields.get("recipient-variables", ["{}"])[0])
        copies = []
        for to in fields.get("to", ()):
            address = parseaddr(to)[1]
            token = str(own.get(address, {}).get("v:warta", ""))
            copies.append((address, token))
            for tag in fields.get("o:tag", ()):
                event = {"event": "accepted", "recipient": address, "user-variables": {"warta": token}}
                self.events.setdefault(tag, []).append(event)
        where = self.count.take(copies)
        answer = _build_response({"id": f"<{self.count.messages}@provider>", "message": "Queued. Thank you."})
        self.is_cut = where == "cut"
        if where == "before":
            self.pending_reply = answer
        elif where != "cut":
            self.transport.write(answer)

    def _tell(self, target: str) -> dict[str, Any]:
        parts = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        start, limit = int(asked.get("page", 0)), int(asked.get("limit", 300))
        found = self.events.get(asked.get("tags", ""), [])[start : start + limit]
        port = self.transport.get_extra_info("sockname")[1]
        after = f"tags={asked.get('tags', '')}&limit={limit}&page={start + limit}"
        return {"items": found, "paging": {"next": f"http://127.0.0.1:{port}{parts.path}?{after}"}}


def _build_response(said: Mapping[str, Any]) -> bytes:
    body = json.dumps(said).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _parse_form(head: bytes, body: bytes) -> dict[str, list[str]]:
    """The fields of a form, as multipart/form-data or as a query."""
    boundary = BOUNDARY.search(head)
    if boundary is None:
        return parse_qs(body.decode())
    found: dict[str, list[str]] = {}
    for part in body.split(b"--" + boundary[1])[1:-1]:
        named, _end, value = part.partition(HEAD_END)
        if name := FIELD_NAME.search(named):
            found.setdefault(name[1].decode(), []).append(value.removesuffix(b"\r\n").decode(errors="replace"))
    return found
