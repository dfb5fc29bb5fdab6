"""A mail server that takes everything and counts it, in a process of its own: python -m benchmarks.sinks.

asyncio, for it runs anywhere; Postfix's smtp-sink takes 0.7 ms a message of this size and would measure itself.
`sink()` starts one on a free port of 127.0.0.1; it ends when whoever started it does, because its stdin closes then.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

END = b"\r\n.\r\n"
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
HEADER_BYTES = 4096


@dataclass
class Tally:
    """What came in since the last report."""

    messages: int = 0
    size: int = 0
    first_at: float = 0.0
    """By the monotonic clock, which all processes of a machine share."""
    last_at: float = 0.0
    ids: set[bytes] = field(default_factory=set)

    def count(self, message: bytearray) -> None:
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        self.messages += 1
        self.size += len(message) - 3  # without the dot that ends it
        if found := MESSAGE_ID.search(bytes(message[:HEADER_BYTES])):
            self.ids.add(found[1])


class Session(asyncio.Protocol):
    """Enough of RFC 5321 for a client that behaves."""

    tally = Tally()
    replies = {b"EHLO": b"250-sink\r\n250 8BITMIME\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting = bytearray()
        self.is_body = False
        transport.write(b"220 sink ready\r\n")

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while self._body() if self.is_body else self._command():
            pass

    def _command(self) -> bool:
        line, found, rest = self.waiting.partition(b"\r\n")
        if not found:
            return False
        self.waiting = rest
        verb = bytes(line[:4]).upper()
        self.transport.write(self.replies.get(verb, b"250 ok\r\n"))
        self.is_body = verb == b"DATA"
        if verb == b"QUIT":
            self.transport.close()
        return True

    def _body(self) -> bool:
        """Only the end is looked at: nobody may send on before our answer, for we offer no PIPELINING."""
        if not self.waiting.endswith(END):
            return False
        Session.tally.count(self.waiting)
        self.waiting, self.is_body = bytearray(), False
        self.transport.write(b"250 2.0.0 ok\r\n")
        return True


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", 0)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    answer({"port": server.sockets[0].getsockname()[1]})
    while await orders.readline():
        told, Session.tally = Session.tally, Tally()
        figures = {"messages": told.messages, "size": told.size, "ids": len(told.ids)}
        answer({**figures, "first_at": told.first_at, "last_at": told.last_at, "cpu_s": time.process_time()})


def answer(told: object) -> None:
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
def sink() -> Iterator[Sink]:
    command = [sys.executable, "-m", "benchmarks.sinks"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Sink(process)
    finally:
        process.communicate()


if __name__ == "__main__":
    asyncio.run(serve())
