"""A database, a folder and a broker that exist for one crash test only. What is configured is never touched.

SQLite and a broker of files in a temporary folder; where DATABASE_URL names PostgreSQL a new database beside that one, where
BROKER_URL names RabbitMQ a new virtual host, where it names Redis an empty database number. All are gone at the end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

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
REDIS_NUMBERS = range(15, 0, -1)


class CannotPrepare(Exception):
    """There is no place for the test; the message says why and what to do."""


@dataclass(frozen=True)
class ThrowawayEnvironment:
    """Where a crash test runs: `environment` is all that its processes know."""

    folder: Path
    database: str
    """What it is called in the output."""
    broker: str
    environment: dict[str, str]


READERS_PER_CALL = 20
"""Readers by one call of the provider: few, so that there are many calls to cut."""


def route_variables(route: str, *, mail: int, api: int) -> dict[str, str]:
    """Environment of a site that sends by SMTP, or by the calls of a merge provider, to these ports of this machine."""
    if route == "smtp":
        return {"MAIL_URL": f"smtp://127.0.0.1:{mail}?tls=off"}
    secret = secrets.token_urlsafe(24)
    return {
        "MAIL_URL": f"mailgun://key@tahan.example?api_url=http://127.0.0.1:{api}/v3&batch={READERS_PER_CALL}",
        "SITE_URL": "https://tahan.example",
        "WEBHOOK_SECRET": f"uji:{secret}",
        "MAILGUN_WEBHOOK_SIGNING_KEY": secret,
    }


@contextmanager
def create(*, database_url: str, broker_url: str) -> Iterator[ThrowawayEnvironment]:
    """Raises CannotPrepare."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warta-crash-")))
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        variables |= {
            "DJANGO_SETTINGS_MODULE": "newsletter.settings",
            "VAR_DIR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "LOG_LEVEL": "ERROR",
        }
        database, broker = "SQLite", "a broker of files"
        if database_url.startswith("postgres"):
            database = "PostgreSQL"
            variables["DATABASE_URL"] = stack.enter_context(_postgresql(database_url))
        elif database_url and not database_url.startswith("sqlite"):
            raise CannotPrepare("DATABASE_URL names no database we know. Write postgres://user@host:5432/name.")
        if broker_url.startswith(("amqp:", "pyamqp:")):
            broker = "RabbitMQ"
            variables["BROKER_URL"] = stack.enter_context(_rabbitmq(broker_url))
        elif broker_url.startswith("redis:"):
            broker = "Redis"
            variables["BROKER_URL"] = stack.enter_context(_redis(broker_url))
        yield ThrowawayEnvironment(folder, database, broker, variables)


# --- databases -------------------------------------------------------------------------------------------------------


@contextmanager
def _postgresql(url: str) -> Iterator[str]:
    name = f"warta_crash_{secrets.token_hex(5)}"
    _execute(url, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(url: str, sql: str) -> None:
    import psycopg

    try:
        with psycopg.connect(
            urlunsplit(urlsplit(url)._replace(scheme="postgresql")), autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(sql.encode())
    except psycopg.Error as error:
        why = str(error).strip().splitlines()[0]
        raise CannotPrepare(
            f"DATABASE_URL: no throwaway database can be made there ({why}). Name a server whose user may create "
            "databases, or leave DATABASE_URL away for SQLite."
        ) from None


# --- brokers ---------------------------------------------------------------------------------------------------------


@contextmanager
def _rabbitmq(url: str) -> Iterator[str]:
    """A virtual host by rabbitmqctl, which has to run on this machine."""
    name, parts = f"warta-crash-{secrets.token_hex(5)}", urlsplit(url)
    run_rabbitmqctl("add_vhost", name)
    try:
        run_rabbitmqctl("set_permissions", "-p", name, parts.username or "guest", ".*", ".*", ".*")
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        run_rabbitmqctl("delete_vhost", name)


def run_rabbitmqctl(*words: str) -> None:
    """One order to RabbitMQ. Raises CannotPrepare."""
    command = shutil.which("rabbitmqctl") or shutil.which("rabbitmqctl", path="/usr/sbin:/sbin")
    if command is None:
        raise CannotPrepare(
            "BROKER_URL: rabbitmqctl is not on this machine, so no virtual host can be made. Run the test where "
            "RabbitMQ runs, or leave BROKER_URL away."
        )
    done = subprocess.run([command, "--quiet", *words], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()
        raise CannotPrepare(f"BROKER_URL: RabbitMQ refuses to {words[0]} ({why[0] if why else 'no reason given'}).")


@contextmanager
def _redis(url: str) -> Iterator[str]:
    """The highest database number with nothing in it."""
    import redis

    for number in REDIS_NUMBERS:
        own = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        try:
            with redis.Redis.from_url(own, socket_timeout=5) as client:
                if client.dbsize():
                    continue
                try:
                    yield own
                finally:
                    client.flushdb()
                return
        except redis.RedisError as error:
            raise CannotPrepare(f"BROKER_URL: Redis does not answer as it should ({error}).") from None
    raise CannotPrepare("BROKER_URL: every database number of this Redis is in use. Empty one, or name another Redis.")
