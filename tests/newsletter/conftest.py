"""Fixtures that many tests of the package share. A test file may define its own fixture under one of these names."""

from __future__ import annotations

import pytest

from newsletter.models import Role, Source
from tests.factories import make_editor, make_issue, make_newsletter
from tests.newsletter.http_server import serving


@pytest.fixture
def _secure_site(settings):
    settings.SITE_URL = "https://surat.example"


@pytest.fixture
def _compiled_apart(settings):
    """Compile frozen editions in a subprocess, as in production."""
    settings.COMPILE_MJML_IN_SUBPROCESS = True


# --- external sites --------------------------------------------------------------------------------------------------


@pytest.fixture
def web(settings):
    """A server that counts as the installation's own origin, so that the client may reach it below /demo/ and /media/."""
    with serving() as web:
        settings.SITE_URL, settings.EMBEDDED = web.origin, True
        yield web


@pytest.fixture
def source(web):
    """A feed at /demo/umpan.xml of that server."""
    return Source.objects.create(newsletter=make_newsletter(), url=web.origin + "/demo/umpan.xml")


# --- the studio ------------------------------------------------------------------------------------------------------


@pytest.fixture
def newsletter():
    return make_newsletter()


@pytest.fixture
def editor(newsletter):
    """A writer, the role with the fewest permissions."""
    return make_editor(newsletter, role=Role.WRITER)


@pytest.fixture
def issue(newsletter, editor):
    """Three stories in two languages, created by `editor`."""
    return make_issue(newsletter, editor=editor)


@pytest.fixture
def studio(client, editor):
    """The client, with `editor` logged in."""
    client.force_login(editor)
    return client
