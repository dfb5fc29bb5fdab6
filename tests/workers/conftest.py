"""What several tests of the package start from."""

from __future__ import annotations

import shutil

import pytest
from django.core.cache import cache

from newsletter.checks import link_checker
from newsletter.fetching import http_client
from subscribers import tokens
from tests.factories import make_issue, make_newsletter, make_reader
from tests.workers.sending_helpers import smtp_server
from workers import routes


@pytest.fixture
def sink(settings):
    """The mail server that everything goes to."""
    with smtp_server() as server:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}"]
        yield server
        routes.first().close()


@pytest.fixture
def _no_network(monkeypatch):
    """Every link answers at once, and no program of this machine judges a mail."""
    cache.clear()
    monkeypatch.setattr(link_checker, "PAUSE_S", 0)
    monkeypatch.setattr(http_client, "check_link", lambda url, **_: url)
    monkeypatch.setattr(shutil, "which", lambda _program: None)


# --- an issue that providers tell about ------------------------------------------------------------------------------


@pytest.fixture
def issue():
    return make_issue(make_newsletter())


@pytest.fixture
def siti(issue):
    """A reader of `issue`."""
    return make_reader(issue.newsletter, email="siti@pembaca.example")


@pytest.fixture
def token(issue, siti):
    """What Siti's copy carries, and events about it bring back."""
    return tokens.make_event_token(issue.pk, siti.pk)
