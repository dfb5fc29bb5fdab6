"""A mail server and a provider that take everything and count, in a process of its own: python -m workers.crash_test.counting_server.

It shares nothing with the rest: no database, no settings. On stdout it says its ports: one for mail, one for a provider's
API (`provider`), and one for orders, a JSON object a line: {"marks": {"100": "before", "200": "after", "300": "cut"}} makes
it stand still when so many mails were taken, before or after it has answered, until {"go": true}; after "cut" it then ends
the connection instead of answering. {"report": true} asks for all it knows. It ends when its stdin closes.

`started()` and `Orders` are the other side.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from workers.crash_test.counter import Connection, MailCounter
from workers.crash_test.provider_api import ApiConnection

END_OF_DATA = b"\r\n.\r\n"
RECIPIENT = re.compile(rb"RCPT TO:\s*<([^>]*)>", re.IGNORECASE)
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
OK_REPLY = b"250 2.0.0 ok\r\n"
REPLIES = {b"EHLO": b"250-sink\r\n250 8BITMIME\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class SmtpConnection(Connection):
    """Enough of RFC 5321 for a client that behaves and dies."""

    greeting = b"220 sink ready\r\n"

    def __init__(self, count: MailCounter) -> None:
        super().__init__(count)
        self.recipient = ""
        self.is_body = False

    def process_next(self) -> bool:
        return self._body() if self.is_body else self._command()

    def _command(self) -> bool:
        line, found, rest = self.waiting.partition(b"\r\n")
        if not found:
            return False
        self.waiting = rest
        verb = bytes(line[:4]).upper()
        if named := RECIPIENT.match(bytes(line)):
            self.recipient = named[1].decode()
        self.is_body = verb == b"DATA"
        self.transport.write(REPLIES.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            self.transport.close()
        return True

    def _body(self) -> bool:
        """Nobody may send on before our answer, for we offer no PIPELINING: the end is at the end."""
        if not self.waiting.endswith(END_OF_DATA):
            return False
        found = MESSAGE_ID.search(bytes(self.waiting[:4096]))
        where = self.count.take([(self.recipient, found[1].decode() if found else "")])
        self.waiting, self.is_body, self.is_cut = bytearray(), False, where == "cut"
        if where == "before":
            self.pending_reply = OK_REPLY
        elif where != "cut":
            self.transport.write(OK_REPLY)
        return True


class ControlConnection(asyncio.Protocol):
    """The line by which orders come in."""

    def __init__(self, count: MailCounter) -> None:
        self.count = count
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport
        self.count.tell = self._tell

    def data_received(self, data: bytes) -> None:
        *lines, self.waiting = (self.waiting + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        if "marks" in order:
            self.count.marks = sorted((int(count), where) for count, where in order["marks"].items())
        elif "go" in order:
            self.count.go_on()
        else:
            told = {"messages": self.count.messages, "ids": self.count.ids, "recipients": self.count.recipients}
            self._tell(told)

    def _tell(self, told: object) -> None:
        self.transport.write(json.dumps(told).encode() + b"\n")


async def serve() -> None:
    count, loop = MailCounter(), asyncio.get_running_loop()
    events: dict[str, list[Any]] = {}
    kinds = {
        "mail": lambda: SmtpConnection(count),
        "api": lambda: ApiConnection(count, events),
        "orders": lambda: ControlConnection(count),
    }
    servers = {name: await loop.create_server(kind, "127.0.0.1", 0) for name, kind in kinds.items()}
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()


# --- the other side --------------------------------------------------------------------------------------------------


class Ports(NamedTuple):
    mail: int
    api: int
    orders: int


class PausePoint(NamedTuple):
    taken: int
    where: str
    """before, after or cut."""


@contextmanager
def start() -> Iterator[Ports]:
    """A running sink; it ends with this context, or with this process."""
    command = [sys.executable, "-m", "workers.crash_test.counting_server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None  # noqa: S101
        yield Ports(**json.loads(process.stdout.readline()))
    finally:
        process.communicate()


class ControlClient:
    """A connection to a sink's port for orders."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._waiting = b""

    def pause_at(self, marks: Mapping[int, str]) -> None:
        """At these counts: "before" or "after" the answer, or "cut" instead of it."""
        self._say({"marks": marks})

    def go_on(self) -> None:
        self._say({"go": True})

    def wait_for_pause(self, *, seconds: float) -> PausePoint | None:
        """Where it stands still, or None if it does not within `seconds`."""
        self._line.settimeout(seconds)
        try:
            told = self._told()
        except TimeoutError:
            return None
        return PausePoint(int(told["mark"]), str(told["where"]))

    def report(self) -> dict[str, Any]:
        """Messages, Message-IDs and recipients with their counts."""
        self._line.settimeout(30)
        self._say({"report": True})
        while "ids" not in (told := self._told()):
            pass
        return told

    def close(self) -> None:
        self._line.close()

    def _say(self, order: object) -> None:
        self._line.sendall(json.dumps(order).encode() + b"\n")

    def _told(self) -> dict[str, Any]:
        while b"\n" not in self._waiting:
            data = self._line.recv(1 << 20)
            if not data:
                raise ConnectionError("The counting mail server has ended.")
            self._waiting += data
        line, _, self._waiting = self._waiting.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told


if __name__ == "__main__":
    asyncio.run(serve())
