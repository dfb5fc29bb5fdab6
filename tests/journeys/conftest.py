"""What every journey starts from."""

from __future__ import annotations

import pytest

from tests import live


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The seeded product in a folder of its own, one for all journeys of a file."""
    with live.running(tmp_path_factory.mktemp("site")) as running:
        yield running
