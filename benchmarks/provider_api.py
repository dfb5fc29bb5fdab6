"""A provider's API in Mailgun's shape that takes every call and counts its readers: python -m benchmarks.provider_api

`api()` starts one on a free port of 127.0.0.1; it ends when whoever started it does, because its stdin closes then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = b'{"id": "<1@kabarlintas.example>", "message": "Queued. Thank you."}'


@dataclass
class CallTotals:
    """Since the last report."""

    calls: int = 0
    readers: int = 0
    size: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    taken, lock = CallTotals(), threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with Handler.lock:
            Handler.taken.calls += 1
            Handler.taken.readers += max(1, body.count(b'name="to"'))
            Handler.taken.size += len(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    while sys.stdin.readline():
        with Handler.lock:
            told, Handler.taken = Handler.taken, CallTotals()
        print(json.dumps(told.__dict__), flush=True)


# --- the other side --------------------------------------------------------------------------------------------------


class ProviderApi:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{int(self._read())}/v3"

    def report(self) -> CallTotals:
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return CallTotals(**self._read())

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def start() -> Iterator[ProviderApi]:
    command = [sys.executable, "-m", "benchmarks.provider_api"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield ProviderApi(process)
    finally:
        process.communicate()


if __name__ == "__main__":
    serve()
