"""What every test of this folder starts from."""

from __future__ import annotations

import pytest

from tests.makers import make_newsletter, make_reader


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
