"""The product as a person runs it: `manage.py run` in its own folder, on its own port, with its real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def throwaway_database(url: str) -> Iterator[str]:
    """A new, empty database beside the one `url` names; "" (SQLite in VAR_DIR) stays "". Dropped at the end."""
    if not url.startswith("postgres"):
        yield ""
        return
    import psycopg

    name = f"warta_live_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class Site:
    folder: Path
    port: int
    process: subprocess.Popen[str]
    environment: dict[str, str]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def manage(self, *arguments: str) -> str:
        return manage(self.environment, *arguments)

    def output(self) -> str:
        return self.log.read_text()

    @property
    def password(self) -> str:
        """The administrator's password, as printed at the first start."""
        found = re.search(r"(?i)password:?\s+(\S+)", self.output())
        assert found, self.output()
        return found.group(1)

    @property
    def email(self) -> str:
        found = re.search(r"\b(\S+@kabarlintas\.example)\b", self.output())
        assert found, self.output()
        return found.group(1)

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def environment_for(folder: Path, port: int, database_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "BROKER_URL"}}
    environment = {**kept, "VAR_DIR": str(folder), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    if database_url:
        environment["DATABASE_URL"] = database_url
    return environment


@contextmanager
def running(folder: Path, **extra: str) -> Iterator[Site]:
    """Start the seeded product and wait until it answers; stop it at the end."""
    port = free_port()
    with throwaway_database(os.environ.get("DATABASE_URL", "")) as database_url:
        environment = environment_for(folder, port, database_url) | extra
        log = folder / "run.log"
        with log.open("w") as handle:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run", "--prepare"],
                cwd=ROOT,
                env=environment,
                stdout=handle,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        site = Site(folder, port, process, environment, log)
        try:
            wait_until_ready(site)
            yield site
        finally:
            site.stop()


def wait_until_ready(site: Site, seconds: float = 420) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert site.process.poll() is None, site.output()
        try:
            if "Warta is running" in site.output() and site.get("/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not ready after {seconds} s:\n{site.output()}")
