"""A web server of ours on a free port of 127.0.0.1, and a small load generator that never waits for one answer only."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import figures
from workers import supervisor

START_S = 20.0
STOP_S = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


# --- the server ------------------------------------------------------------------------------------------------------


@dataclass
class WebServer:
    port: int
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """As a crash would: all its processes at once, without a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def start_server(application: str, **variables: str) -> Iterator[WebServer]:
    """`application` behind granian, with the options of the product."""
    from workers.management.commands import run

    port, parent = free_port(), os.getpid()
    command = [sys.executable, "-m", "granian", *run.granian_options("127.0.0.1", port), application]
    environment = {**os.environ, supervisor.SUPERVISED_ENV: "1", **variables}
    process = subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: supervisor.die_with_parent(parent=parent),
    )
    server = WebServer(port, process)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: WebServer) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=START_S) as connection:
                connection.sendall(build_request("GET", "/healthz", headers={"Connection": "close"}))
                if connection.recv(1024).startswith(b"HTTP/1.1"):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the web server did not start")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# --- the load --------------------------------------------------------------------------------------------------------


def build_request(method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class LoadResult:
    """What a load brought: answers by status, how long each took, and how many requests never got one."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    """What each of `waits_s` was the wait for."""
    unanswered: int = 0

    @property
    def answered(self) -> int:
        return self.statuses.total()

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds

    def wait_ms(self, share: float, *, holding: bytes = b"") -> float:
        """The wait that `share` of the requests did not exceed, of those that hold these bytes."""
        waits = [wait for wait, wanted in zip(self.waits_s, self.requests, strict=True) if holding in wanted]
        return figures.percentile(waits, share) * 1000


class Connection:
    """One kept connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.wanted, self.got, self.sent_at = b"", b"", 0.0

    def send(self, wanted: bytes) -> None:
        self.wanted, self.got, self.sent_at = wanted, b"", time.perf_counter()
        self.socket.send(wanted)

    def receive(self) -> int:
        """The status once the answer is whole, 0 before. Raises ConnectionError when there will be none."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionResetError
        self.got += piece
        return int(self.got[9:12]) if is_complete(self.got) else 0


def is_complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    if length := LENGTH.search(head):
        return len(body) >= int(length[1])
    return body.endswith(b"0\r\n\r\n") if CHUNKED.search(head) else True


def run_load(port: int, requests: Iterator[bytes], *, seconds: float, connections: int = 32) -> LoadResult:
    """Send `requests` for `seconds` over kept connections; all that were sent by then are waited for."""
    done, chosen = LoadResult(), selectors.DefaultSelector()
    started = time.perf_counter()
    until = started + seconds
    for _ in range(connections):
        connection = Connection(port)
        chosen.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(requests))
    busy = connections
    while busy and time.perf_counter() < until + 10:
        for key, _events in chosen.select(1.0):
            busy -= not _handle_readable(key.data, done, requests, chosen, until)
    done.unanswered += busy
    done.seconds = time.perf_counter() - started
    for key in list(chosen.get_map().values()):
        key.data.socket.close()
    chosen.close()
    return done


def _handle_readable(
    connection: Connection, done: LoadResult, requests: Iterator[bytes], chosen: selectors.BaseSelector, until: float
) -> bool:
    """Take an answer and send the next request; False when this connection has done its work."""
    try:
        status = connection.receive()
        if not status:
            return True
        now = time.perf_counter()
        done.statuses[status] += 1
        done.waits_s.append(now - connection.sent_at)
        done.requests.append(connection.wanted)
        if now < until:
            connection.send(next(requests))
            return True
    except OSError:
        done.unanswered += 1
    chosen.unregister(connection.socket)
    connection.socket.close()
    return False
