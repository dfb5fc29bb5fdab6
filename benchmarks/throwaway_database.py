"""Databases and folders that exist for one benchmark only: a migrated original, and a copy of it for each.

SQLite files in a temporary folder; or, where DATABASE_URL names a PostgreSQL, databases made beside that one and dropped.
The named database itself is never touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

ROOT = Path(__file__).resolve().parents[1]
KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "PGPASSFILE",
    "PGSSLMODE",
)
SQLITE_FILE = "warta.sqlite3"


class CannotPrepare(Exception):
    """No database for the run; the message says why and what to do."""


@dataclass(frozen=True)
class BenchmarkEnvironment:
    """Where one benchmark runs."""

    folder: Path
    environment: Mapping[str, str]


def build_variables(folder: Path, database_url: str = "") -> dict[str, str]:
    """Nothing of ours from outside: a run means the same whatever is configured here."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    ours = {
        "DJANGO_SETTINGS_MODULE": "newsletter.settings",
        "VAR_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LOG_LEVEL": "ERROR",
    }
    return {**kept, **ours, **({"DATABASE_URL": database_url} if database_url else {})}


class TemplateDatabase:
    """A migrated database, to be copied for each benchmark."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self.folder, self.server = folder, server

    @contextmanager
    def copy(self, name: str) -> Iterator[BenchmarkEnvironment]:
        folder = self.folder / name
        (folder / "static").mkdir(parents=True)
        if self.server is None:
            shutil.copy(self.folder / "original" / SQLITE_FILE, folder / SQLITE_FILE)
            yield BenchmarkEnvironment(folder, build_variables(folder))
        else:
            with self.server.database(template=self.server.original) as url:
                yield BenchmarkEnvironment(folder, build_variables(folder, url))
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def create_template(database_url: str = "") -> Iterator[TemplateDatabase]:
    """Raises CannotPrepare."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warta-benchmarks-")))
        (folder / "original").mkdir()
        server, url = None, ""
        if urlsplit(database_url).scheme.startswith(("postgres", "pgsql", "psql")):
            server = PostgresServer(database_url)
            url = stack.enter_context(server.database())
            server.original = urlsplit(url).path.lstrip("/")
        elif database_url and not database_url.startswith("sqlite"):
            raise CannotPrepare("DATABASE_URL: it names no database we know. Write postgres://user@host:5432/name.")
        migrate(build_variables(folder / "original", url))
        yield TemplateDatabase(folder, server)


def migrate(variables: Mapping[str, str]) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotPrepare(f"The throwaway database could not be migrated:\n{done.stderr.strip()[-2000:]}")
    if "DATABASE_URL" not in variables:
        checkpoint_wal(Path(variables["VAR_DIR"]) / SQLITE_FILE)


def checkpoint_wal(file: Path) -> None:
    """A copied file is whole only when nothing is left in its write-ahead log."""
    import sqlite3

    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


class PostgresServer:
    """The PostgreSQL that DATABASE_URL names."""

    original = ""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.admin = urlunsplit(parts._replace(scheme="postgresql"))

    @contextmanager
    def database(self, *, template: str = "") -> Iterator[str]:
        name = f"warta_bench_{secrets.token_hex(5)}"
        self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        try:
            yield urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))
        finally:
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, sql: str) -> None:
        try:
            with psycopg.connect(self.admin, autocommit=True, connect_timeout=5) as connection:
                connection.execute(sql.encode())
        except psycopg.Error as error:
            raise CannotPrepare(
                f"DATABASE_URL: no throwaway database can be made there ({str(error).strip().splitlines()[0]}). "
                "Name a server whose user may create databases, or leave DATABASE_URL away for SQLite."
            ) from None
