"""What every test of this folder starts from."""

from __future__ import annotations

import pytest

from tests import live_server_lock, running_site
from tests.factories import make_newsletter, make_reader


@pytest.fixture(scope="module", autouse=True)
def _orm_beside_a_browser():
    """Playwright's loop runs in the thread of the test, whose queries wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def letter():
    """Twelve readers; an issue is held for two minutes."""
    letter = make_newsletter(hold_s=120)
    for _ in range(12):
        make_reader(letter)
    return letter


@pytest.fixture
def _one_at_a_time(transactional_db):
    """Only one live server with its browser runs at a time on this machine."""
    with live_server_lock.taken():
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The seeded product in a folder of its own, shared by the tests of one file."""
    with running_site.running(tmp_path_factory.mktemp("site")) as running:
        yield running
