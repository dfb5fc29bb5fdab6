"""Fixtures that several test modules of the package share."""

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
    """The SMTP server that receives every message."""
    with smtp_server() as server:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}"]
        yield server
        routes.first().close()


@pytest.fixture
def _no_network(monkeypatch):
    """Answer every link check at once, and hide an installed SpamAssassin."""
    cache.clear()
    monkeypatch.setattr(link_checker, "PAUSE_S", 0)
    monkeypatch.setattr(http_client, "check_link", lambda url, **_: url)
    monkeypatch.setattr(shutil, "which", lambda _program: None)


# --- an issue with provider events -----------------------------------------------------------------------------------


@pytest.fixture
def issue():
    return make_issue(make_newsletter())


@pytest.fixture
def siti(issue):
    """A reader of `issue`."""
    return make_reader(issue.newsletter, email="siti@pembaca.example")


@pytest.fixture
def token(issue, siti):
    """The event token in Siti's message, which provider events return."""
    return tokens.make_event_token(issue.pk, siti.pk)
