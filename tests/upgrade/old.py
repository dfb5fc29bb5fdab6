"""The data of the previous release, ready to be used: unpacked, and with a database that the connection points at."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.core.management import call_command
from django.db import connections

from tests.workers.sending_helpers import parse

DATA = Path(__file__).parents[1] / "data" / "upgrade"
PEOPLE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36"


@dataclass
class Old:
    """One copy of the data, for one test."""

    var: Path
    database: str
    facts: dict[str, Any]

    def issue(self, name: str) -> int:
        return int(self.facts["issues"][name])

    def mail(self, to: str, *, about: str) -> bytes:
        """A mail that the previous release sent, with its own line ends."""
        found = [one for one in self.facts["mails"] if one["to"].lower() == to and about in one["key"]]
        assert len(found) == 1, [one["key"] for one in found]
        return str(found[0]["raw"]).encode("utf-8", "surrogateescape")

    def arrived(self, pattern: str) -> list[str]:
        """Who got mails of this kind from the previous release, once for each mail."""
        return [who for key, people in self.facts["arrived"].items() if pattern in key for who in people]


def unpack(engine: str, to: Path) -> dict[str, Any]:
    """Write `var` (and for PostgreSQL `warta.sql`) below `to`; return the facts."""
    with tarfile.open(DATA / f"{engine}.tar.gz") as packed:
        packed.extractall(to, filter="data")
    facts: dict[str, Any] = json.loads((to / "facts.json").read_text())
    return facts


def load_dump(url: str, dump: str) -> None:
    """Into an empty database. The lines that begin with a backslash are for psql."""
    import psycopg

    sql = "\n".join(line for line in dump.splitlines() if not line.startswith("\\"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())


def server_execute(url: str, sql: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())


def beside(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def pointing_at(database: str) -> Iterator[None]:
    """The default connection of this process, in all threads, leads to `database`."""
    settings_before, connection_before = connections.settings["default"], connections["default"]
    connections.settings["default"] = {**settings_before, "NAME": database}
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"], connections["default"] = settings_before, connection_before


@contextmanager
def migrated(engine: str, url: str, folder: Path) -> Iterator[Old]:
    """The old data after `migrate`, to make copies of."""
    facts = unpack(engine, folder)
    if engine == "sqlite":
        with pointing_at(str(folder / "var" / "warta.sqlite3")):
            call_command("migrate", verbosity=0)
        yield Old(folder / "var", str(folder / "var" / "warta.sqlite3"), facts)
        return
    name = f"warta_old_{uuid.uuid4().hex[:12]}"
    server_execute(url, f'CREATE DATABASE "{name}"')
    try:
        load_dump(beside(url, name), (folder / "warta.sql").read_text())
        with pointing_at(name):
            call_command("migrate", verbosity=0)
        yield Old(folder / "var", name, facts)
    finally:
        server_execute(url, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def copied(template: Old, engine: str, url: str, folder: Path) -> Iterator[Old]:
    """A copy of its own for one test."""
    var = folder / "old"
    shutil.copytree(template.var, var)
    if engine == "sqlite":
        yield Old(var, str(var / "warta.sqlite3"), template.facts)
        return
    name = f"{template.database}_{uuid.uuid4().hex[:6]}"
    server_execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{template.database}"')
    try:
        yield Old(var, name, template.facts)
    finally:
        server_execute(url, f'DROP DATABASE "{name}" WITH (FORCE)')


# --- asking the web process ------------------------------------------------------------------------------------------


class Answer:
    """What a WSGI application answers. The text is there where it is text."""

    def __init__(self, application: Any, path: str, data: str = "", **environ: str) -> None:
        body, (path, _, query) = data.encode(), path.partition("?")
        full = {
            "REQUEST_METHOD": "POST" if data else "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "203.0.113.78",
            "HTTP_USER_AGENT": PEOPLE,
            "HTTP_HOST": "127.0.0.1:8000",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            **environ,
        }
        answer = application(full, self._start)
        try:
            self.body = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        self.status, self.headers = int(status.partition(" ")[0]), dict(headers)

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def text(self) -> str:
        return self.body.decode()


def body_of(raw: bytes, kind: str) -> str:
    part = parse(raw).get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content())
