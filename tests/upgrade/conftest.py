"""The data of the previous release as fixtures: `old` is a migrated copy that one test may change."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import connections

from tests.upgrade import names
from tests.upgrade import old as olds
from tests.workers.sending_helpers import smtp_server


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"


@pytest.fixture(scope="session")
def _migrated(engine, tmp_path_factory, django_db_blocker):
    url, folder = os.environ.get("DATABASE_URL", ""), tmp_path_factory.mktemp("old")
    with django_db_blocker.unblock(), olds.migrated(engine, url, folder) as template:
        yield template


@contextmanager
def _in_use(copy, settings):
    """Database, folders and key of this process are those of the copy."""
    cache.clear()
    with olds.pointing_at(copy.database):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = copy.facts["secret_key"], []
        settings.VAR_DIR = copy.var
        settings.MEDIA_ROOT = copy.var / "media"
        settings.MAILBOX_DIR = copy.var / "mail"
        settings.SEND_SPOOL = copy.var / "spool" / "send"
        settings.TRACKING_SPOOL = copy.var / "spool" / "hits"
        yield copy
        for connection in connections.all(initialized_only=True):
            connection.close()


@pytest.fixture
def old(engine, _migrated, tmp_path, settings, django_db_blocker):
    """The old installation, for one test that may change it."""
    with (
        django_db_blocker.unblock(),
        olds.copied(_migrated, engine, os.environ.get("DATABASE_URL", ""), tmp_path) as copy,
        _in_use(copy, settings),
    ):
        yield copy


@pytest.fixture(scope="session")
def _copy_to_read(engine, _migrated, tmp_path_factory, django_db_blocker):
    url, folder = os.environ.get("DATABASE_URL", ""), tmp_path_factory.mktemp("old-to-read")
    with django_db_blocker.unblock(), olds.copied(_migrated, engine, url, folder) as copy:
        yield copy


@pytest.fixture
def old_to_read(_copy_to_read, settings, django_db_blocker):
    """The old installation, for tests that only look at it; they share one copy."""
    with django_db_blocker.unblock(), _in_use(_copy_to_read, settings):
        yield _copy_to_read


@pytest.fixture
def mail_server(settings):
    """Receive what is sent now, so that it can be counted without the product."""
    with smtp_server() as server:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}?tls=off"]
        yield server
        names.close_routes()


@pytest.fixture
def _no_network(monkeypatch):
    """Let every link succeed, and resolve no name of another host."""
    names.without_network(monkeypatch)
    known = socket.getaddrinfo

    def only_here(host, *arguments, **more):
        if host not in {"127.0.0.1", "localhost", "::1", None}:
            raise socket.gaierror(socket.EAI_NONAME, "no network in this test")
        return known(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
