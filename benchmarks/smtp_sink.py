"""A mail server that takes everything and counts it, in a process of its own: python -m benchmarks.smtp_sink.

One loop and one buffer, for it must take less time than what it measures; Postfix's smtp-sink takes 0.7 ms a message of
this size.
`sink()` starts one on a free port of 127.0.0.1; it ends when whoever started it does, because its stdin closes then.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

END_OF_DATA = b"\r\n.\r\n"
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
HEADER_BYTES = 4096
READER_DOMAIN = b"@pembaca.example"
"""Where all the readers of a benchmark's issue are; everybody else gets a notice."""


@dataclass
class ReceivedTotals:
    """What came in since the last report."""

    messages: int = 0
    size: int = 0
    first_at: float = 0.0
    """By the monotonic clock, which all processes of a machine share."""
    last_at: float = 0.0
    notice_at: float = 0.0
    """When the first notice was addressed."""
    ids: set[bytes] = field(default_factory=set)

    def count(self, head: bytearray, size: int) -> None:
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        self.messages += 1
        self.size += size - 3  # without the dot that ends it
        if found := MESSAGE_ID.search(head):
            self.ids.add(found[1])


class Session:
    """Enough of RFC 5321, with PIPELINING, for a client that behaves. Of a message only its beginning and end are kept."""

    tally = ReceivedTotals()
    replies = {
        b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
        b"DATA": b"354 go on\r\n",
        b"QUIT": b"221 bye\r\n",
    }

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.commands, self.is_body = b"", False
        self._empty()

    def _empty(self) -> None:
        self.head, self.tail, self.size = bytearray(), b"", 0

    def heard(self, data: memoryview) -> bytes:
        """What is to be answered."""
        return self._body(data) if self.is_body else self._command(bytes(data))

    def _command(self, data: bytes) -> bytes:
        *lines, self.commands = (self.commands + data).split(b"\r\n")
        verbs = [line[:4].upper() for line in lines]
        self.is_body = verbs[-1:] == [b"DATA"]
        if any(verb == b"RCPT" and READER_DOMAIN not in line for verb, line in zip(verbs, lines, strict=True)):
            Session.tally.notice_at = Session.tally.notice_at or time.monotonic()
        return b"".join([self.replies.get(verb, b"250 ok\r\n") for verb in verbs])

    def _body(self, data: memoryview) -> bytes:
        """Only the end is looked at: whoever waits for an answer to each message sends nothing after it."""
        if len(self.head) < HEADER_BYTES:
            self.head += data[: HEADER_BYTES - len(self.head)]
        self.size += len(data)
        self.tail = (self.tail + bytes(data[-5:]))[-5:]
        if self.tail != END_OF_DATA:
            return b""
        Session.tally.count(self.head, self.size)
        self.is_body = False
        self._empty()
        return b"250 2.0.0 ok\r\n"


def serve() -> None:
    """One loop for all connections and the orders that come by stdin."""
    waiting, buffer = selectors.DefaultSelector(), memoryview(bytearray(1 << 20))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    write_line({"port": listener.getsockname()[1]})
    while True:
        for key, _events in waiting.select():
            if key.fileobj is listener:
                connection, _peer = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(b"220 sink ready\r\n")
                waiting.register(connection, selectors.EVENT_READ, Session(connection))
            elif key.fileobj is sys.stdin:
                if not sys.stdin.readline():
                    return
                write_report()
            elif not serve_connection(key.data, buffer):
                waiting.unregister(key.fileobj)
                key.data.connection.close()


def serve_connection(session: Session, buffer: memoryview) -> bool:
    """False when the other side has gone."""
    try:
        size = session.connection.recv_into(buffer)
        if size and (reply := session.heard(buffer[:size])):
            session.connection.sendall(reply)
    except OSError:
        return False
    return size > 0


def write_report() -> None:
    told, Session.tally = Session.tally, ReceivedTotals()
    figures = {"messages": told.messages, "size": told.size, "ids": len(told.ids), "notice_at": told.notice_at}
    write_line({**figures, "first_at": told.first_at, "last_at": told.last_at, "cpu_s": time.process_time()})


def write_line(told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


# --- the other side --------------------------------------------------------------------------------------------------


@dataclass
class Report:
    messages: int
    size: int
    ids: int
    first_at: float
    last_at: float
    notice_at: float
    cpu_s: float
    """Processor time of the sink since it started."""


class Sink:
    """A running sink."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._read()["port"])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=off"

    def report(self) -> Report:
        """What came in since the last report; then it starts from nothing."""
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return Report(**self._read())

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def start() -> Iterator[Sink]:
    command = [sys.executable, "-m", "benchmarks.smtp_sink"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Sink(process)
    finally:
        process.communicate()


if __name__ == "__main__":
    serve()
